//! The meaning: one path after the other.

use super::{Fill, formula};

pub(super) fn fill(job: &Fill, to: &mut [f32]) {
    formula::fill::<f32>(job, to, 0..job.paths);
}
