//! `bot4 size`: how large each position may be, and all of them, by every rule, and which rule binds.
//!
//! a series of returns, and bets where there are any → `risk::sizing`, `risk::leverage` → JSON or a table.

mod bets;
mod print;

use super::estimator::{EstimateError, EstimatorArgs};
use super::history::HistoryFailure;
use super::holdings;
use super::output::{self, OutputError};
use super::risk_limits::RiskLimitArgs;
use super::series::{Kind, SeriesArgs};
use crate::history::{Panel, Repairs};
use crate::maths::statistics;
use crate::portfolio::allocation::AllocationError;
use crate::portfolio::parity::risk_parity;
use crate::portfolio::problem::variance;
use crate::portfolio::tier::Tier;
use crate::risk::budget::held;
use crate::risk::leverage::{self, Leverage, LeverageError, Limits, Margin, Studied};
use crate::risk::regime::{Regime, RegimeError, RegimeLimits, blended};
use crate::risk::sizing::kelly::{self, Evidence, KellySize, Settings, Thin};
use crate::risk::sizing::rules::{
    Rule, Size, SizeError, fixed_fractional, liquidity, smallest, volatility_target,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// What evidence too thin is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ThinName {
    /// No position
    #[default]
    Nothing,
    /// The least position, where there is an edge at all
    Least,
}

/// Arguments of `bot4 size`.
#[derive(Debug, Args)]
pub struct SizeArgs {
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// Capital, which decides the tier; without it no tier binds
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    capital: Option<f64>,
    /// The market's regime, or their probabilities as bull=0.6,bear=0.4; without it no regime binds
    #[arg(long, value_delimiter = ',', value_name = "REGIME[=P]")]
    regime: Vec<String>,
    /// Weights held: A=0.5,B=0.5, equal, or a file of `optimize --json`; equal risk without
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    weights: Vec<String>,
    /// Results of bets, a CSV of symbol,result; without it every return is a bet
    #[arg(long, value_name = "FILE.csv")]
    trades: Option<PathBuf>,
    /// Share of capital that a position may lose at its stop
    #[arg(long, default_value_t = 0.02, value_name = "SHARE", allow_negative_numbers = true)]
    risk: f64,
    /// Distance of the stop, a share of the price
    #[arg(long, default_value_t = 0.02, value_name = "SHARE", allow_negative_numbers = true)]
    stop: f64,
    #[command(flatten)]
    limits: RiskLimitArgs,
    /// Share of Kelly's fraction that is held
    #[arg(long, default_value_t = 0.25, value_name = "SHARE", allow_negative_numbers = true)]
    kelly_fraction: f64,
    /// What fewer than 30 bets, 45 % wins or 1 % edge are good for
    #[arg(long, value_enum, default_value = "nothing")]
    thin_evidence: ThinName,
    /// Correlation with the rest of what is held, above which there is no position
    #[arg(long, default_value_t = 0.7, value_name = "RHO", allow_negative_numbers = true)]
    correlation_max: f64,
    /// Rows over which that correlation is seen, at least 20
    #[arg(long, default_value_t = 30, value_name = "ROWS")]
    correlation_rows: usize,
    /// Traded value of a day, as A=1e6,B=5e5, in the currency of --capital
    #[arg(long, value_delimiter = ',', value_name = "A=AMOUNT", requires = "capital")]
    volume: Vec<String>,
    /// Share of that volume that a position may be
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", allow_negative_numbers = true)]
    volume_share: f64,
    /// What a borrowed unit costs a period
    #[arg(long, default_value_t = 0.0, value_name = "RATE", allow_negative_numbers = true)]
    borrowing: f64,
    /// Greatest leverage of all
    #[arg(long, default_value_t = 3.0, value_name = "TIMES", allow_negative_numbers = true)]
    leverage_max: f64,
    /// Initial and maintenance margin of a position's value, as 0.1:0.05
    #[arg(long, value_name = "INITIAL:MAINTENANCE")]
    margin: Option<String>,
    /// Fall that must not liquidate
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true)]
    liquidation_distance: f64,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was sized.
#[derive(Debug, thiserror::Error)]
pub enum SizeFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The bets.
    #[error(transparent)]
    Bets(#[from] bets::BetsError),
    /// The covariance.
    #[error(transparent)]
    Covariance(#[from] EstimateError),
    /// The weights of equal risk.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// The regimes.
    #[error("--regime: {0}")]
    Regime(#[from] RegimeError),
    /// A size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Leverage.
    #[error(transparent)]
    Leverage(#[from] LeverageError),
    /// Arguments.
    #[error("{0}")]
    Arguments(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A position.
#[derive(Clone, Debug, Serialize)]
struct Sized {
    asset: String,
    /// As it is held; long where it is not.
    side: &'static str,
    /// A year.
    volatility: f64,
    /// With the rest of what is held; none where nothing else is.
    correlation: Option<f64>,
    evidence: Evidence,
    kelly: KellySize,
    sizes: Vec<Size>,
    /// The smallest.
    size: f64,
    rule: Rule,
    /// Of capital, where it is given.
    amount: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    positions: Vec<Sized>,
    bets: &'static str,
    weights_from: &'static str,
    weights: Vec<f64>,
    leverage: Leverage,
    kelly_study: Vec<Studied>,
    capital: Option<f64>,
    tier: Option<Tier>,
    regime: Option<RegimeLimits>,
    level: f64,
    calendar: f64,
    observations: usize,
    repairs: Repairs,
}

/// Stops farther away are none.
const STOP_MAX: f64 = 0.04;
/// Fewer rows say nothing of a correlation.
const CORRELATION_ROWS_MIN: usize = 20;
/// Shares of Kelly's leverage that are studied.
const STUDIED: [f64; 7] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0];

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &SizeArgs, out: &mut dyn Write) -> Result<(), SizeFailure> {
    check(args)?;
    let series = args.series.read(Kind::Simple, None, CORRELATION_ROWS_MIN)?;
    let (panel, calendar) = (&series.panel, series.calendar);
    let (columns, assets) = (panel.columns(), panel.symbols());
    let regime = regime(&args.regime)?;
    let tier = args.capital.map(Tier::of);
    let found = args.estimator.estimate(columns, assets)?;
    let parity = risk_parity(&found.matrix, &vec![1.0; assets.len()], None)?.weights;
    let (weights, weights_from) = if args.weights.is_empty() {
        (parity.clone(), "equal risk")
    } else {
        let given = holdings::weights("--weights", &args.weights, assets);
        (given.map_err(SizeFailure::Arguments)?, "--weights")
    };
    let whole = (variance(&found.matrix, &parity) * calendar).sqrt();
    let bets = args.trades.as_deref().map(|path| bets::read(path, assets)).transpose()?;
    let volumes = holdings::by_asset("--volume", &args.volume, assets);
    let volumes = volumes.map_err(SizeFailure::Arguments)?;
    let about = About { args, panel, weights: &weights, regime, tier };
    let mut positions = Vec::with_capacity(assets.len());
    for at in 0..assets.len() {
        let results = bets.as_ref().map_or(columns[at].as_slice(), |bets| &bets[at]);
        let volatility = (found.matrix[(at, at)] * calendar).sqrt();
        let share = parity[at] * volatility_target(args.limits.target_volatility, whole)?;
        positions.push(about.sized(at, results, volatility, share, volumes[at])?);
    }
    let book = held(columns, &weights);
    let limits = limits(args, regime, tier)?;
    let report = Report {
        positions,
        bets: if bets.is_some() { "--trades" } else { "every return" },
        weights_from,
        leverage: leverage::leverage(&book, calendar, &limits)?,
        kelly_study: leverage::study(&book, calendar, args.borrowing, &STUDIED)?,
        weights,
        capital: args.capital,
        tier,
        regime,
        level: args.limits.level,
        calendar,
        observations: panel.rows(),
        repairs: series.repairs,
    };
    Ok(output::show(&report, args.json, print::text, out)?)
}

fn check(args: &SizeArgs) -> Result<(), SizeFailure> {
    let refused = |words: String| Err(SizeFailure::Arguments(words));
    if let Some(capital) = args.capital
        && !(capital.is_finite() && capital > 0.0)
    {
        return refused(format!("--capital {capital}: give an amount above 0"));
    }
    args.limits.check().map_err(SizeFailure::Arguments)?;
    if !(args.kelly_fraction > 0.0 && args.kelly_fraction <= 1.0) {
        let fraction = args.kelly_fraction;
        return refused(format!("--kelly-fraction {fraction}: give a share above 0, at most 1"));
    }
    if !(args.stop > 0.0 && args.stop <= STOP_MAX) {
        let stop = args.stop;
        return refused(format!(
            "--stop {stop}: give a share of the price above 0, at most {STOP_MAX}"
        ));
    }
    if !(0.0..=1.0).contains(&args.risk) {
        return refused(format!("--risk {}: give a share of capital, from 0 to 1", args.risk));
    }
    if !(-1.0..=1.0).contains(&args.correlation_max) {
        let most = args.correlation_max;
        return refused(format!("--correlation-max {most}: give a correlation, from -1 to 1"));
    }
    if args.correlation_rows < CORRELATION_ROWS_MIN {
        let rows = args.correlation_rows;
        return refused(format!("--correlation-rows {rows}: give at least {CORRELATION_ROWS_MIN}"));
    }
    Ok(())
}

/// One regime by name, or several with their probabilities.
fn regime(given: &[String]) -> Result<Option<RegimeLimits>, SizeFailure> {
    let named = |name: &str| {
        let known = Regime::ALL.map(Regime::name).join(", ");
        Regime::parse(name.trim()).ok_or_else(|| {
            SizeFailure::Arguments(format!("--regime: there is no `{name}`; there are {known}"))
        })
    };
    if let [one] = given
        && !one.contains('=')
    {
        return Ok(Some(named(one)?.limits()));
    }
    let mut regimes: Vec<(Regime, f64)> = Vec::new();
    for text in given {
        let refused =
            || SizeFailure::Arguments(format!("--regime {text}: write bull=0.6,bear=0.4"));
        let (name, share) = text.split_once('=').ok_or_else(refused)?;
        let regime = named(name)?;
        if regimes.iter().any(|(known, _)| *known == regime) {
            return Err(SizeFailure::Arguments(format!(
                "--regime names `{}` twice",
                regime.name()
            )));
        }
        regimes.push((regime, share.trim().parse().map_err(|_| refused())?));
    }
    if regimes.is_empty() { Ok(None) } else { Ok(Some(blended(&regimes)?)) }
}

fn limits(
    args: &SizeArgs,
    regime: Option<RegimeLimits>,
    tier: Option<Tier>,
) -> Result<Limits, SizeFailure> {
    let margin = args.margin.as_ref().map(|text| {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let (initial, kept) = text.split_once(':').unzip();
        match (initial.and_then(number), kept.and_then(number)) {
            (Some(initial), Some(maintenance)) => {
                Ok(Margin { initial, maintenance, distance: args.liquidation_distance })
            }
            _ => Err(SizeFailure::Arguments(format!("--margin {text}: write 0.1:0.05"))),
        }
    });
    Ok(Limits {
        leverage: args.leverage_max,
        regime: regime.map_or(f64::INFINITY, |limits| limits.leverage),
        tier: tier.map_or(f64::INFINITY, |tier| tier.limits().leverage),
        kelly: args.kelly_fraction,
        borrowing: args.borrowing,
        volatility: args.limits.target_volatility,
        level: args.limits.level,
        value_at_risk: args.limits.var_max,
        shortfall: args.limits.es_max,
        drawdown: args.limits.drawdown_max,
        margin: margin.transpose()?,
    })
}

/// What all positions share.
struct About<'a> {
    args: &'a SizeArgs,
    panel: &'a Panel,
    weights: &'a [f64],
    regime: Option<RegimeLimits>,
    tier: Option<Tier>,
}

impl About<'_> {
    /// With the rest of what is held, over the newest rows.
    fn correlation(&self, at: usize) -> Option<f64> {
        let columns = self.panel.columns();
        let mut others = self.weights.to_vec();
        others[at] = 0.0;
        let from = self.panel.rows().saturating_sub(self.args.correlation_rows);
        let rest = &held(columns, &others)[from..];
        let own = &columns[at][from..];
        let product = statistics::covariance(own, own) * statistics::covariance(rest, rest);
        (product > 0.0).then(|| statistics::covariance(own, rest) / product.sqrt())
    }

    fn sized(
        &self,
        at: usize,
        results: &[f64],
        volatility: f64,
        parity: f64,
        volume: Option<f64>,
    ) -> Result<Sized, SizeFailure> {
        let args = self.args;
        let is_short = self.weights[at] < 0.0;
        let correlation = self.correlation(at).map(|rho| if is_short { -rho } else { rho });
        let regime_correlation = self.regime.map_or(f64::INFINITY, |limits| limits.correlation);
        let correlation_max = args.correlation_max.min(regime_correlation);
        let settings = Settings {
            fraction: args.kelly_fraction,
            correlation_max,
            thin: match args.thin_evidence {
                ThinName::Nothing => Thin::Nothing,
                ThinName::Least => Thin::Least,
            },
            ..Settings::default()
        };
        // what is held short wins where the asset falls
        let turned = is_short && args.trades.is_none();
        let evidence = if turned {
            Evidence::of(&results.iter().map(|r| -r).collect::<Vec<f64>>())
        } else {
            Evidence::of(results)
        };
        let kelly = kelly::size(&evidence, correlation.unwrap_or(0.0), &settings);
        let size = |rule, size| Size { rule, size };
        let mut sizes = Vec::new();
        // what allows nothing binds before what follows from it
        if let Some(limits) = self.regime {
            sizes.push(size(Rule::Regime, limits.position));
        }
        if let Some(tier) = self.tier {
            sizes.push(size(Rule::Tier, tier.limits().position));
        }
        sizes.extend([
            size(Rule::FixedFractional, fixed_fractional(args.risk, args.stop)?),
            size(Rule::Volatility, volatility_target(args.limits.target_volatility, volatility)?),
            size(Rule::RiskParity, parity),
            size(Rule::Kelly, kelly.size),
        ]);
        if let (Some(volume), Some(capital)) = (volume, args.capital) {
            sizes.push(size(Rule::Liquidity, liquidity(volume, args.volume_share, capital)?));
        }
        if correlation.is_some_and(|rho| rho > correlation_max) {
            sizes.push(size(Rule::Correlation, 0.0));
        }
        let least = smallest(&sizes).expect("Invariant: there are rules");
        Ok(Sized {
            asset: self.panel.symbols()[at].clone(),
            side: if is_short { "short" } else { "long" },
            volatility,
            correlation,
            evidence,
            kelly,
            size: least.size,
            rule: least.rule,
            amount: args.capital.map(|capital| least.size * capital),
            sizes,
        })
    }
}
