//! The binary: calls `cli` and nothing else.

fn main() {}
