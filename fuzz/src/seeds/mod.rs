//! What each target begins with: inputs that it accepts, made by our own writers. `src/bin/seeds.rs`
//! writes them for the fuzzer; tests/fuzz_corpus.rs of the engine runs and mutates them.

mod framing;
mod journal;
mod texts;
mod venue;

pub use framing::{
    frames, handshakes, http_requests, http_responses, messages, tls_handshakes, tls_records,
};
pub use journal::{entries, lane_states, segments, snapshot_files};
pub use texts::{
    captures, command_values, configs, cpu_lists, decimals, fault_plans, key_texts, sealed_files,
};
pub(crate) use venue::frames_of;
pub use venue::{
    answers, intents, market_all, market_coin_m, market_spot, market_usd_m, metadata, reports,
    requests, snapshots,
};

/// The head's bytes before a text.
fn headed(head: &[u8], text: impl AsRef<[u8]>) -> Vec<u8> {
    [head, text.as_ref()].concat()
}

fn lines(texts: &[Vec<u8>]) -> Vec<u8> {
    texts.join(&b'\n')
}
