//! One file per command; the only room that wires lanes and lab together. Level 9.
//!
//! Exit codes: 0 done, 1 failed (the message says what, where and what to do), 2 wrong arguments.

pub mod attribute;
pub mod audit;
pub mod bench;
pub mod book;
pub mod budget;
mod canaries;
pub mod captures;
pub mod config;
pub mod control;
pub mod cov;
pub mod doctor;
pub mod drawdown;
mod estimator;
pub mod fit;
mod history;
mod holdings;
pub mod key;
pub mod keys;
mod matrix;
pub mod measure;
pub mod optimize;
mod output;
mod picture;
pub mod replay;
pub mod replay_capture;
mod risk_limits;
pub mod run;
pub mod scenarios;
mod series;
pub mod sim;
pub mod size;
pub mod stress;
pub mod var;
pub mod venue;

use crate::host::environment;
use crate::record;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Bot4: market bytes to orders in microseconds, on a machine you can see through.
#[derive(Debug, Parser)]
#[command(name = "bot4", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trade on a venue until told to stop, and report where every nanosecond went
    Run(run::RunArgs),
    /// Cancel every order of a run and stop it from trading, until `resume`
    Halt(control::ControlArgs),
    /// Let a run only shrink its positions, until `resume`
    Reduce(control::ControlArgs),
    /// Let a halted or reducing run trade again
    Resume(control::ControlArgs),
    /// Halt a run and close its positions, a bounded order at a time
    Flatten(control::ControlArgs),
    /// Show how a run's lanes stand
    Status(control::ControlArgs),
    /// Rebuild the books of captured streams and print what they hold
    Book(book::BookArgs),
    /// Execute a run's journal again and compare every verdict and state with what was recorded
    Replay(replay::ReplayArgs),
    /// Trade captured streams in process, as fast as it goes, and print what came of it
    ReplayCapture(replay_capture::ReplayArgs),
    /// Ask the journal of a run
    Audit(audit::AuditArgs),
    /// Measure this machine with Bot4's own work
    Bench(bench::BenchArgs),
    /// Serve a market and its order API at an address, as Binance would
    Venue(venue::VenueArgs),
    /// Live through simulated hours of faults of every kind, and check what must always hold
    Sim(sim::SimArgs),
    /// Value at risk and expected shortfall of a portfolio, with error bars
    Var(Box<var::VarArgs>),
    /// What stated, built-in or generated scenarios do to a portfolio
    Scenarios(Box<scenarios::ScenariosArgs>),
    /// What documented crashes and a history's worst stretches would do to a portfolio
    Stress(Box<stress::StressArgs>),
    /// How assets vary and move together
    Cov(cov::CovArgs),
    /// Models fitted to a series
    Fit(fit::FitArgs),
    /// What series of returns achieved, and at what risk
    Measure(measure::MeasureArgs),
    /// What made a book's return: assets, groups beside a benchmark, factors
    Attribute(attribute::AttributeArgs),
    /// How large positions may be, by every rule, and which rule binds
    Size(Box<size::SizeArgs>),
    /// What a book has used of its risk budgets
    Budget(budget::BudgetArgs),
    /// What control of size by falls of wealth would have made of a history
    Drawdown(drawdown::DrawdownArgs),
    /// Weights of a portfolio by a method, each with the proof that nothing is better
    Optimize(Box<optimize::OptimizeArgs>),
    /// Seal a venue's key, and check that it opens
    Key(key::KeyArgs),
    /// Show the machine as Bot4 sees it, and what to change before trading on it
    Doctor(doctor::Doctor),
}

/// Runs the command line and turns its outcome into an exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Mesa's layer that chooses between GPUs asks a Wayland server, which servers lack, and says so on
    // stderr; we choose by ourselves
    environment::set_default("NODEVICE_SELECT", "1");
    let stdout = std::io::stdout();
    let mut out = std::io::BufWriter::new(stdout.lock());
    let mut ask =
        |command, args| control::run(command, args, &mut out).map_err(anyhow::Error::from);
    let outcome = match &arguments.command {
        Command::Halt(args) => ask(Some(record::Command::Halt), args),
        Command::Reduce(args) => ask(Some(record::Command::Reduce), args),
        Command::Resume(args) => ask(Some(record::Command::Activate), args),
        Command::Flatten(args) => ask(Some(record::Command::Flatten), args),
        Command::Status(args) => ask(None, args),
        Command::Book(args) => book::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Run(args) => run::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Replay(args) => replay::run(args, &mut out).map_err(anyhow::Error::from),
        Command::ReplayCapture(args) => {
            replay_capture::run(args, &mut out).map_err(anyhow::Error::from)
        }
        Command::Audit(args) => audit::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Bench(args) => bench::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Venue(args) => venue::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Sim(args) => sim::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Var(args) => var::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Scenarios(args) => scenarios::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Stress(args) => stress::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Cov(args) => cov::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Fit(args) => fit::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Measure(args) => measure::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Attribute(args) => attribute::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Size(args) => size::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Budget(args) => budget::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Drawdown(args) => drawdown::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Optimize(args) => optimize::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Key(args) => key::run(args, &mut out).map_err(anyhow::Error::from),
        Command::Doctor(args) => doctor::run(args, &mut out).map_err(anyhow::Error::from),
    };
    match outcome.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bot4: {}", words(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once: many messages quote their cause already.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || anyhow::anyhow!("the port is in use");
        let quoted = cause().context("cannot listen: the port is in use");
        assert_eq!(words(&quoted), "cannot listen: the port is in use");
        let silent = cause().context("cannot listen");
        assert_eq!(words(&silent), "cannot listen: the port is in use");
    }
}
