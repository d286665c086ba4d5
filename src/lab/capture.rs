//! Reads captured streams: gzip or plain, one message a line.
