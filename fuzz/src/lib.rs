//! Fuzz targets: any bytes -> whether they were accepted, or a panic that names the broken promise.
//!
//! A target asserts more than "no panic": the fast reader equals the general one, bytes fed in pieces
//! give what bytes fed at once give, and what is written of a value reads back as that value. The same
//! functions run under cargo-fuzz (`tools/fuzz`, coverage-guided, for as long as one likes) and over
//! the committed corpus in `tests/fuzz_corpus.rs` on the stable compiler, so that CI runs them too.
//! Invariant: a target is a function of its bytes alone; no clock, no file, no state kept between two
//! inputs, so that an input that breaks something breaks it again. (TLS draws keys of its own; its
//! promises hold for every key.)

pub mod framing;
pub mod journal;
pub mod keys;
pub mod market;
pub mod orders;
pub mod seeds;
pub mod texts;
pub mod tls;

/// A fuzz target.
pub struct Target {
    /// Of the corpus folder and of the binary.
    pub name: &'static str,
    /// Whether the bytes were accepted as what the target reads.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that it accepts, most of them, made by our own writers.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("market_spot", market::spot, seeds::market_spot),
    target("market_usd_m", market::usd_m, seeds::market_usd_m),
    target("market_coin_m", market::coin_m, seeds::market_coin_m),
    target("snapshot", market::snapshot, seeds::snapshots),
    target("grid_guess", market::grid_guess, seeds::market_all),
    target("order_report", orders::report, seeds::reports),
    target("order_intent", orders::intent, seeds::intents),
    target("order_request", orders::request, seeds::requests),
    target("rest_answer", orders::answer, seeds::answers),
    target("metadata", orders::metadata, seeds::metadata),
    target("http_request", framing::http_request, seeds::http_requests),
    target("http_response", framing::http_response, seeds::http_responses),
    target("websocket_handshake", framing::handshake, seeds::handshakes),
    target("websocket_frames", framing::frames, seeds::frames),
    target("websocket_messages", framing::messages, seeds::messages),
    target("tls_handshake", tls::handshake, seeds::tls_handshakes),
    target("tls_records", tls::records, seeds::tls_records),
    target("capture", texts::capture, seeds::captures),
    target("config", texts::config, seeds::configs),
    target("fault_plan", texts::fault_plan, seeds::fault_plans),
    target("command_values", texts::command_values, seeds::command_values),
    target("decimals", texts::decimals, seeds::decimals),
    target("journal_entry", journal::entry, seeds::entries),
    target("journal_segments", journal::segments, seeds::segments),
    target("journal_snapshot", journal::snapshot, seeds::snapshot_files),
    target("lane_state", journal::lane_state, seeds::lane_states),
    target("sealed_file", keys::sealed_file, seeds::sealed_files),
    target("key_text", keys::key_text, seeds::key_texts),
    target("cpu_list", texts::cpu_list, seeds::cpu_lists),
];

/// Takes numbers off the front of an input; an input that is used up gives zeros.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts bytes into pieces as a plan byte says: 0 is one piece, 1 is byte by byte, and every other
/// number walks through lengths of its own.
pub(crate) fn pieces(plan: u8, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(plan);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = match plan {
            0 => rest.len(),
            1 => 1,
            _ => 1 + (state >> 16) as usize % usize::from(plan),
        };
        let (piece, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        Some(piece)
    })
}
