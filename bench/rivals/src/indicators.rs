//! Batch indicators: the AVX2 twins against the scalar ones.

use crate::row::Row;

/// Row of `indicators_avx2_vs_scalar`.
pub fn rows() -> Vec<Row> {
    Vec::new()
}
