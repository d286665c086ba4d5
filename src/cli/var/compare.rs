//! `bot4 var compare`: which model's value at risk holds on one's own history.
//!
//! a series, or a portfolio over a history → `risk::forecast` → `risk::backtest` → JSON, a table, a report.

use super::VarError;
use super::backtest_picture::{self, Day};
use crate::cli::history::HistoryFailure;
use crate::cli::output;
use crate::cli::series::{Kind, SeriesArgs};
use crate::history::date::Date;
use crate::history::{Repairs, returns};
use crate::instrument::Portfolio;
use crate::risk::backtest::{BacktestError, Transitions, Verdict, Zone, judge};
use crate::risk::forecast::{self, ForecastError, Forecaster, Roll, roll};
use crate::risk::holdings::{Holdings, Revaluation};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `bot4 var compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Which column, where there are several
    #[arg(long, value_name = "NAME", conflicts_with = "portfolio")]
    column: Option<String>,
    /// A portfolio's file (TOML): judge the profits that its positions would have made
    #[arg(long, value_name = "FILE", requires = "prices", conflicts_with = "returns")]
    portfolio: Option<PathBuf>,
    /// Level of value at risk and expected shortfall
    #[arg(long, default_value_t = 0.99)]
    level: f64,
    /// Returns that a model looks back on
    #[arg(long, default_value_t = 1_000, value_name = "RETURNS")]
    window: usize,
    /// Periods between two fits
    #[arg(long, default_value_t = 20, value_name = "PERIODS")]
    refit: usize,
    /// Only these models
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = forecaster)]
    models: Vec<Forecaster>,
    /// CPU threads at most
    #[arg(long)]
    threads: Option<usize>,
    /// Write every period's return and forecasts
    #[arg(long, value_name = "FILE.csv")]
    days: Option<PathBuf>,
    /// Write a report with the picture of the best model's back-test
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn forecaster(name: &str) -> Result<Forecaster, String> {
    Forecaster::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
        let names = Forecaster::ALL.map(Forecaster::name).join(", ");
        format!("there are {names}")
    })
}

/// A model's row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub violations: usize,
    expected: f64,
    kupiec_lr: f64,
    pub kupiec_p: f64,
    independence_lr: f64,
    independence_p: f64,
    conditional_lr: f64,
    pub conditional_p: f64,
    dynamic_quantile: Option<f64>,
    dynamic_quantile_p: Option<f64>,
    z2: f64,
    z2_p: f64,
    quantile_loss: f64,
    pub fz0_loss: f64,
    zone: Zone,
    zone_violations: usize,
    transitions: Transitions,
    pub passes: bool,
}

impl Row {
    pub(super) fn of(verdict: &Verdict) -> Row {
        Row {
            violations: verdict.violations,
            expected: verdict.expected,
            kupiec_lr: verdict.kupiec.statistic,
            kupiec_p: verdict.kupiec.p,
            independence_lr: verdict.independence.statistic,
            independence_p: verdict.independence.p,
            conditional_lr: verdict.conditional.statistic,
            conditional_p: verdict.conditional.p,
            dynamic_quantile: verdict.dynamic_quantile.map(|test| test.statistic),
            dynamic_quantile_p: verdict.dynamic_quantile.map(|test| test.p),
            z2: verdict.z2.statistic,
            z2_p: verdict.z2.p,
            quantile_loss: verdict.quantile_loss,
            fz0_loss: verdict.fz0_loss,
            zone: verdict.traffic_light.zone,
            zone_violations: verdict.traffic_light.violations,
            transitions: verdict.transitions,
            passes: verdict.passes,
        }
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub series: String,
    units: &'static str,
    pub level: f64,
    n: usize,
    window: usize,
    refit: usize,
    /// The lowest FZ0 loss of those that pass, or of all.
    pub best: &'static str,
    best_passes: bool,
    models: BTreeMap<&'static str, Row>,
    /// Models without a verdict, and why.
    failed: BTreeMap<&'static str, String>,
    seconds: f64,
    threads: usize,
    repairs: Repairs,
    notes: Vec<String>,
}

/// What is judged.
struct Subject {
    name: String,
    units: &'static str,
    dates: Vec<Date>,
    returns: Vec<f64>,
    repairs: Repairs,
    notes: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<(), VarError> {
    if !(args.level > 0.5 && args.level < 1.0) {
        let wanted = "give a level above a half and below 1, as 0.99";
        return Err(VarError::Number { name: "level", value: args.level, wanted });
    }
    let subject = match &args.portfolio {
        Some(path) => held(args, path)?,
        None => series(args)?,
    };
    let began = Instant::now();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(all).max(1);
    let how = Roll { window: args.window, refit: args.refit, level: args.level, threads };
    let models = if args.models.is_empty() { &Forecaster::ALL[..] } else { &args.models };
    let blocks = forecast::blocks(subject.returns.len(), how);
    let bar = output::progress(blocks);
    let forecasts = roll(&subject.returns, models, how, &|done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let came = &subject.returns[args.window..];
    let dates = &subject.dates[args.window..];
    let (mut sound, mut failed) = (Vec::new(), BTreeMap::new());
    for (model, list) in models.iter().zip(forecasts) {
        let judged = list.map_err(VarError::from).and_then(|list| {
            let verdict = judge(came, &list, args.level)?;
            Ok((*model, list, verdict))
        });
        match judged {
            Ok(judged) => sound.push(judged),
            Err(error) => {
                failed.insert(model.name(), dated(&error, dates, args.window));
            }
        }
    }
    let verdicts: Vec<&Verdict> = sound.iter().map(|(_, _, verdict)| verdict).collect();
    let Some(best) = forecast::best(&verdicts) else {
        let reasons = failed.iter().map(|(model, why)| format!("{model}: {why}"));
        return Err(VarError::NoModel(reasons.collect::<Vec<_>>().join("; ")));
    };
    let rows = sound.iter().map(|(model, _, verdict)| (model.name(), Row::of(verdict)));
    let report = Report {
        series: subject.name,
        units: subject.units,
        level: args.level,
        n: came.len(),
        window: args.window,
        refit: args.refit,
        best: sound[best].0.name(),
        best_passes: sound[best].2.passes,
        models: rows.collect(),
        failed,
        seconds: began.elapsed().as_secs_f64(),
        threads,
        repairs: subject.repairs,
        notes: subject.notes,
    };
    if let Some(path) = &args.days {
        let mut text = String::from("date,return");
        for (model, ..) in &sound {
            // writing to a String cannot fail
            let _ = write!(text, ",{0}_var,{0}_es", model.name());
        }
        text.push('\n');
        for (at, (date, r)) in dates.iter().zip(came).enumerate() {
            let _ = write!(text, "{date},{r}");
            for (_, list, _) in &sound {
                let _ = write!(text, ",{},{}", list[at].var, list[at].es);
            }
            text.push('\n');
        }
        output::save(path, text)?;
    }
    if let Some(path) = &args.report {
        let days = dates.iter().zip(came).zip(&sound[best].1);
        let days: Vec<Day> = days
            .map(|((date, r), forecast)| Day { date: *date, r: *r, var: forecast.var })
            .collect();
        output::save(path, backtest_picture::html(&report, &text(&report), &days))?;
    }
    Ok(output::show(&report, args.json, text, out)?)
}

/// A failure with the day that it speaks of.
fn dated(error: &VarError, dates: &[Date], window: usize) -> String {
    let at = match error {
        VarError::Forecast(ForecastError::Fit { at, .. }) => Some(at - window),
        VarError::Backtest(BacktestError::Forecast { index, .. }) => Some(*index),
        _ => None,
    };
    let date = at.and_then(|at| dates.get(at));
    date.map_or_else(|| error.to_string(), |date| format!("{error} ({date})"))
}

/// A column of returns.
fn series(args: &CompareArgs) -> Result<Subject, VarError> {
    let series = args.series.read(Kind::LogPercent, args.column.as_deref(), 2)?;
    let [name] = series.panel.symbols() else {
        let names = series.panel.symbols().join(", ");
        return Err(VarError::Column(names));
    };
    // simple or logarithmic, a file's returns are taken as they are
    let units = if args.series.is_returns() { "as given" } else { "percent (100 log returns)" };
    Ok(Subject {
        name: name.clone(),
        units,
        dates: series.panel.dates().to_vec(),
        returns: series.panel.columns()[0].clone(),
        repairs: series.repairs,
        notes: Vec::new(),
    })
}

/// What today's positions would have made on every day of the history.
fn held(args: &CompareArgs, path: &std::path::Path) -> Result<Subject, VarError> {
    let portfolio = Portfolio::read(path)?;
    let history = args.series.history().prices()?;
    let years = 1.0 / history.calendar;
    let holdings = Holdings::new(&portfolio, &history.panel, years, Revaluation::Full)?;
    let (used, repairs) = history.repaired(&holdings.factors, 2)?;
    let holdings = Holdings::new(&portfolio, &used, years, Revaluation::Full)?;
    let used = used.choose(&holdings.factors).map_err(HistoryFailure::from)?;
    let simple = returns::simple(&used).map_err(HistoryFailure::from)?;
    let engine = crate::compute::engine::Engine::open(crate::compute::device::Choice::default())?;
    Ok(Subject {
        name: path.display().to_string(),
        units: "percent of the positions' values",
        dates: simple.dates().to_vec(),
        returns: crate::risk::value_at_risk::hypothetical(&engine, &holdings, &simple)?,
        repairs,
        notes: holdings.notes.clone(),
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "`{}`: {} forecasts at {}, window {}, fitted every {}, {} thread(s), {:.3} s",
        report.series,
        report.n,
        report.level,
        report.window,
        report.refit,
        report.threads,
        report.seconds
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = writeln!(
        text,
        "{:<15} {:>6} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>9} {:>9} {:<6} ",
        "model",
        "beyond",
        "kupiec",
        "indep.",
        "both",
        "dyn.q.",
        "Z2",
        "Z2 p",
        "quantile",
        "FZ0",
        "light"
    );
    let p = |p: f64| if p < 1e-4 { format!("{p:.0e}") } else { format!("{p:.4}") };
    let mut rows: Vec<_> = report.models.iter().collect();
    rows.sort_by(|a, b| a.1.fz0_loss.total_cmp(&b.1.fz0_loss));
    for (name, row) in rows {
        let zone = match row.zone {
            Zone::Green => "green",
            Zone::Yellow => "yellow",
            Zone::Red => "red",
        };
        let _ = writeln!(
            text,
            "{name:<15} {:>6} {:>8} {:>8} {:>8} {:>8} {:>7.3} {:>7} {:>9.5} {:>9.5} {zone:<6} {}",
            row.violations,
            p(row.kupiec_p),
            p(row.independence_p),
            p(row.conditional_p),
            row.dynamic_quantile_p.map_or_else(|| "-".to_owned(), p),
            row.z2,
            p(row.z2_p),
            row.quantile_loss,
            row.fz0_loss,
            if row.passes { "passes" } else { "fails" }
        );
    }
    for (name, why) in &report.failed {
        let _ = writeln!(text, "{name:<15} without a verdict: {why}");
    }
    let expected = report.n as f64 * (1.0 - report.level);
    let _ = writeln!(
        text,
        "{expected:.1} losses beyond VaR are expected; kupiec to dyn.q. are p-values;\n\
         quantile and FZ0 are losses, the lower the better"
    );
    let words = if report.best_passes {
        "the lowest FZ0 loss of the models that pass"
    } else {
        "the lowest FZ0 loss; no model passes"
    };
    let _ = writeln!(text, "best: {} ({words})", report.best);
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
