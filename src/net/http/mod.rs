//! HTTP/1.1, both ends, as state machines: bytes in any split -> whole requests or responses.
//!
//! For the venue's REST interface, off the hot thread: it allocates. Bodies by Content-Length,
//! chunked, or until the peer closes (responses). Every length has a bound in [`Limits`].
//! Refused rather than guessed: both lengths at once, folded lines, bare line feeds.
//! Deliberately absent: compression, pipelining of requests we send, trailers' meaning.

mod head;
mod message;
mod reader;

pub use head::{Error, Head, Headers, Limits};
pub(in crate::net) use head::{end_of_head, excerpt};
pub use message::{Method, Request, Response};
pub use reader::{RequestReader, ResponseReader};
