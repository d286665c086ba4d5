//! TLS 1.3, both ends, as a state machine: rustls shakes hands, a record layer of ours follows.
//!
//! After the handshake the secrets are taken out and each record is opened where it lies and sealed
//! where it is written: nothing is allocated per record, which rustls's own path does. Input: bytes
//! as TCP delivered them, in any split. Output: plaintext in place, and bytes for the peer.
//! Invariants: a record that does not authenticate ends the connection; keys are renewed long
//! before AES-GCM's limit; nothing after close_notify is read.
//! Session tickets are ignored (every connection shakes hands anew). The crypto provider is ring,
//! given explicitly: the process's default is never asked.
//! Deliberately absent: TLS 1.2, client certificates, early data, kTLS. Kernel TLS would take the
//! same secrets; it pays with a capable network card and may become a setting.

mod config;
mod record;
mod session;

pub use config::{Roots, client_config, server_config};
pub use session::{Error, Event, Tls};
