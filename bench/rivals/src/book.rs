//! Book updates: `market::book::Ladder` against hftbacktest's depths, on the same events.

use crate::captures::Captures;
use crate::row::Row;

/// Rows of `book_update_vs_roivector` and `book_update_vs_btree`.
pub fn rows(_captures: &Captures) -> Vec<Row> {
    Vec::new()
}
