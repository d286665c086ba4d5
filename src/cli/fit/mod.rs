//! `bot4 fit`: models fitted to series.
//!
//! series → `model` → JSON or a table. One file a model.

mod copula;
mod dcc;
mod factors;
mod garch;

use super::history::HistoryFailure;
use super::output::OutputError;
use crate::model::garch::FitError;
use clap::{Args, Subcommand};
use std::io::Write;

/// Arguments of `bot4 fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Volatility by GARCH(1,1), GJR or EGARCH, by maximum likelihood
    Garch(Box<garch::GarchArgs>),
    /// Correlations that move: GARCH, then dynamic conditional correlation by composite likelihood
    Dcc(Box<dcc::DccArgs>),
    /// Dependence beyond correlation: a Student-t copula, with the normal one beside it
    Copula(Box<copula::CopulaArgs>),
    /// Factors: principal components and how many, or given ones by regression or a Kalman filter
    Factors(Box<factors::FactorsArgs>),
}

/// Why nothing was fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The volatility.
    #[error("`{column}`: {error}")]
    Fit {
        /// Which series.
        column: String,
        /// Why.
        error: FitError,
    },
    /// A model of several, with the names of the assets that it fails for.
    #[error("{0}")]
    Model(String),
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &FitArgs, out: &mut dyn Write) -> Result<(), FitFailure> {
    match &args.what {
        What::Garch(args) => garch::run(args, out),
        What::Dcc(args) => dcc::run(args, out),
        What::Copula(args) => copula::run(args, out),
        What::Factors(args) => factors::run(args, out),
    }
}
