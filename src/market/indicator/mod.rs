//! Streaming indicators, O(1) per update; batch forms live in `compute`.
