//! Protocols as state machines over bytes: WebSocket, HTTP/1.1, TLS, both ends. Level 2.
