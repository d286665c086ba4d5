//! The meaning: one entry after the other.

use super::{Rows, formula};

pub(super) fn products(job: &Rows) -> Vec<f32> {
    formula::products::<f32>(job)
}
