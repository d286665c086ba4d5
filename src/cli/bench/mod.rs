//! `bot4 bench`: measures on this machine, beside the conditions that make a figure mean something.

pub mod compute;
pub mod hot;
pub mod portfolio;

use crate::cli::captures::CapturesError;
use crate::compute::device::{Device, Presence};
use crate::host::pin::PinError;
use crate::lab::exchange::ExchangeError;
use clap::{Args, Subcommand};
use std::io::{self, Write};

/// Arguments of `bot4 bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The hot lane in process: stages, bytes to order bytes, throughput, and under an arrival rate
    Hot(hot::HotArgs),
    /// Every kernel on every device: whether they agree, and their rates beside the machine's limits
    Compute(compute::ComputeArgs),
    /// An allocation's CPU time, cold and from a solution nearby
    Portfolio(Box<portfolio::PortfolioArgs>),
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The captures.
    #[error(transparent)]
    Captures(#[from] CapturesError),
    /// The venue in a box.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A rate that is none.
    #[error("a rate of {0} messages a second; give a number above zero")]
    Rate(f64),
    /// The lane was no pure function of its inputs: its times mean nothing.
    #[error("the lane ended in another state than when it was recorded; report this as a bug")]
    Diverged,
    /// A device that is not here.
    #[error("{device} is not here: {}", why(presence))]
    Missing {
        /// Which.
        device: Device,
        /// What is known of it.
        presence: Presence,
    },
    /// Devices that answer differently.
    #[error("{kernel} on {device} disagrees with {against}: the greatest error is {error:.1e}")]
    Apart {
        /// Stem.
        kernel: &'static str,
        /// Who.
        device: &'static str,
        /// With whom.
        against: &'static str,
        /// By how much.
        error: f64,
    },
    /// The history.
    #[error(transparent)]
    History(#[from] crate::cli::history::HistoryFailure),
    /// The covariance.
    #[error(transparent)]
    Covariance(#[from] crate::model::covariance::CovarianceError),
    /// The allocation.
    #[error(transparent)]
    Allocation(#[from] crate::portfolio::allocation::AllocationError),
    /// The CPU asked for.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// Output could not be written.
    #[error("the figures cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the figures cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn why(presence: &Presence) -> &str {
    match presence {
        Presence::Present(what) => what,
        Presence::Missing(why) => why,
    }
}

/// Runs the command.
///
/// # Errors
/// When there is nothing to measure with, or the output cannot be written.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    match &args.what {
        What::Hot(args) => hot::run(args, out),
        What::Compute(args) => compute::run(args, out),
        What::Portfolio(args) => portfolio::run(args, out),
    }
}
