//! `bot4 stress`: documented crashes, the history's own worst stretches and moves of everything at once, done
//! to a portfolio.
//!
//! a portfolio, and prices where there are any → `risk::events`, `risk::stress` → JSON or a table.

use super::history::HistoryArgs;
use super::output;
use super::scenarios::{Report, ScenariosError, last_prices, text, valued};
use crate::compute::device::Choice;
use crate::compute::engine::Engine;
use crate::instrument::{Portfolio, Several};
use crate::risk::events::{Class, Classified, documented, worst_stretches};
use crate::risk::stress::built_in;
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 stress`.
#[derive(Debug, Args)]
pub struct StressArgs {
    /// The portfolio's file (TOML)
    #[arg(long, value_name = "FILE")]
    portfolio: PathBuf,
    #[command(flatten)]
    history: HistoryArgs,
    /// What a factor is, as SOLUSDT=coin; bitcoin, ether, coin, equity or none
    #[arg(long, value_delimiter = ',', value_name = "FACTOR=CLASS", value_parser = classified)]
    class: Vec<(String, Class)>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn classified(text: &str) -> Result<(String, Class), String> {
    let refused = || "write SOLUSDT=coin; there are bitcoin, ether, coin, equity, none".to_owned();
    let (factor, class) = text.split_once('=').ok_or_else(refused)?;
    Ok((factor.trim().to_owned(), Class::parse(class.trim()).ok_or_else(refused)?))
}

#[derive(Debug, Serialize)]
struct Stressed {
    #[serde(flatten)]
    report: Report,
    classes: Vec<Classified>,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &StressArgs, out: &mut dyn Write) -> Result<(), ScenariosError> {
    let portfolio = Portfolio::read(&args.portfolio)?;
    let (prices, repairs) = last_prices(&args.history, &portfolio)?;
    if let Some((factor, _)) = args.class.iter().find(|(factor, _)| prices.column(factor).is_none())
    {
        return Err(ScenariosError::Class(factor.clone(), prices.symbols().join(", ")));
    }
    let engine = Engine::open(Choice::default())?;
    let (mut scenarios, classes) = documented(&portfolio, &prices, &args.class)?;
    scenarios.extend(worst_stretches(&engine, &portfolio, &prices)?);
    scenarios.extend(built_in(&portfolio, &prices)?);
    let alone = Several { whole: portfolio, parts: Vec::new() };
    let mut report = valued(&engine, &alone, &prices, &scenarios, repairs)?;
    for known in &classes {
        let class = format!("{:?}", known.class).to_lowercase();
        let own = match known.own_moves {
            0 => String::new(),
            some => format!(", its own move in {some} event(s)"),
        };
        report.notes.push(format!("`{}` is taken for {class}{own}", known.factor));
    }
    let stressed = Stressed { report, classes };
    Ok(output::show(&stressed, args.json, |stressed| text(&stressed.report), out)?)
}
