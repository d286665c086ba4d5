//! The CUDA back-end: kernels/*.cu as PTX that `tools/kernels` made, run through the driver that is found at
//! run time. Nothing of CUDA is needed to build, and only the driver to run.

mod gpu;
mod lane;

pub use gpu::{Cuda, devices};

/// The kernels' PTX, by the entry points that each holds.
pub const MODULES: [(&str, &[&str]); 9] = [
    (include_str!("../../../../kernels/ptx/philox.ptx"), &["philox"]),
    (include_str!("../../../../kernels/ptx/garch_paths.ptx"), &["garch_paths"]),
    (include_str!("../../../../kernels/ptx/scenarios.ptx"), &["scenarios", "simulate"]),
    (include_str!("../../../../kernels/ptx/tail.ptx"), &["tail_digits", "tail_excess"]),
    (include_str!("../../../../kernels/ptx/cov.ptx"), &["cov_means", "cov"]),
    (include_str!("../../../../kernels/ptx/lstm.ptx"), &["lstm"]),
    (include_str!("../../../../kernels/ptx/gru.ptx"), &["gru"]),
    (include_str!("../../../../kernels/ptx/attention.ptx"), &["attention"]),
    (include_str!("../../../../kernels/ptx/limits.ptx"), &["limits_operations", "limits_read"]),
];
