//! WebSocket (RFC 6455), both roles: bytes in any split -> messages, and messages -> bytes.
//!
//! Sans-IO: the driver hands in what TCP delivered and sends what stands in `out`. A whole message
//! inside one read is handed on where it lies (a server unmasks it in place); only torn or
//! fragmented ones are gathered, in memory allocated once. Pings and closes are answered into
//! `out`.
//! Text is checked for UTF-8 only when [`Settings::utf8`] asks: the JSON decoders check every byte
//! they trust, and the check would cost the hot path a pass over the bytes.
//! Deliberately absent: extensions (compression), subprotocols.

mod frame;
mod handshake;
mod socket;

pub use frame::{Opcode, mask};
pub use handshake::accept_key;
pub use socket::{Error, Event, Role, Settings, Socket};
