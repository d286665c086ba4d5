//! Protocols as state machines over bytes: WebSocket, HTTP/1.1, TLS, both ends. Level 2.
//!
//! None owns a socket or a clock: the driver hands in what `host::Net` received and sends what they
//! write, so every split of the stream can be tested in memory.

pub mod http;
pub mod tls;
pub mod websocket;
