//! Kernel twins and the devices that run them. Level 2.
//!
//! One stem a kernel: `scalar` is the meaning, `avx2` the speed, `gpu` the way to a device.

pub mod attention;
pub mod cases;
pub mod cov;
pub mod dense;
pub mod device;
pub mod elementary;
pub mod engine;
pub mod garch_paths;
pub mod gru;
pub mod indicator;
pub mod lanes;
pub mod limits;
pub mod logarithm;
pub mod lstm;
pub mod parity;
pub mod philox;
pub mod quantile;
pub mod reduce;
pub mod scenarios;
pub mod singles;
pub mod sobol;
pub mod tail;
