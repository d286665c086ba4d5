//! What becomes of the records that one thread pushes and another keeps: asked by the first, answered
//! from a few atomics of the second.

/// Keeps records that were pushed into a ring; they are numbered in the order of the pushes.
pub trait Keeper: Send + Sync {
    /// Whether the records will last.
    fn is_fine(&self) -> bool;
    /// Why they will not, and what to do.
    fn trouble(&self) -> String;
    /// The last record that no loss of power can undo.
    fn durable(&self) -> u64;
}
