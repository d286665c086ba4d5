//! Kernel twins: one stem a kernel, `scalar` is the meaning, `avx2` the speed. Level 2.

pub mod indicator;
pub mod lanes;
pub mod logarithm;
