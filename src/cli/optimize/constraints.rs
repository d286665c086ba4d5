//! The arguments that bound weights.

use super::OptimizeError;
use crate::cli::holdings;
use crate::portfolio::problem::{Constraints, Costs, Estimates, Group};
use clap::Args;

/// What weights must keep to.
#[derive(Clone, Debug, Args)]
pub struct ConstraintArgs {
    /// What the weights add up to; with kelly at most that, the rest in cash
    #[arg(long, value_name = "SUM")]
    budget: Option<f64>,
    /// Least weight of every asset; 0 without, -1 with --long-short
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    lower: Option<f64>,
    /// Greatest weight of every asset
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    upper: Option<f64>,
    /// Weights may be negative
    #[arg(long)]
    long_short: bool,
    /// Bounds of one asset, as A=0.1:0.3 (either side may be left out); may be repeated
    #[arg(long, value_name = "A=LOWER:UPPER")]
    bound: Vec<String>,
    /// Bounds of assets together, as tech=A+B+C=0.1:0.4; may be repeated
    #[arg(long, value_name = "NAME=A+B=LOWER:UPPER")]
    group: Vec<String>,
    /// Greatest sum of the weights' sizes
    #[arg(long, value_name = "SUM")]
    leverage: Option<f64>,
    /// Weights held now: A=0.5,B=0.5, equal, or a file of `optimize --json`; what is not named is not held
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    previous: Vec<String>,
    /// Greatest sum of changes from --previous
    #[arg(long, value_name = "SUM", requires = "previous")]
    turnover: Option<f64>,
    /// Cost of a unit of change from --previous
    #[arg(long, value_name = "RATE", requires = "previous")]
    cost: Option<f64>,
    /// Cost of an asset's change to the power of 1.5, times its volatility
    #[arg(long, value_name = "RATE", requires = "previous")]
    impact: Option<f64>,
    /// Traded value of a day, as A=1e6,B=5e5: no trade from --previous above --volume-share of it
    #[arg(long, value_delimiter = ',', value_name = "A=AMOUNT", requires = "capital")]
    volume: Vec<String>,
    /// Share of --volume that may be traded
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", allow_negative_numbers = true)]
    volume_share: f64,
    /// What all weights together are worth, in the currency of --volume
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true, requires = "volume")]
    capital: Option<f64>,
    /// Least expected return of a period
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true)]
    target_return: Option<f64>,
}

fn wrong(words: String) -> OptimizeError {
    OptimizeError::Arguments(words)
}

impl ConstraintArgs {
    /// Whether a part may stay in cash.
    pub(super) fn has_cash(&self) -> bool {
        self.budget.is_some()
    }

    /// Reads them for these assets.
    pub(super) fn read(&self, estimates: &Estimates) -> Result<Constraints, OptimizeError> {
        let assets = &estimates.assets;
        let n = assets.len();
        let mut constraints = Constraints::long_only(n);
        for (name, value) in [
            ("budget", self.budget),
            ("lower", self.lower),
            ("upper", self.upper),
            ("leverage", self.leverage),
            ("turnover", self.turnover),
            ("cost", self.cost),
            ("impact", self.impact),
            ("target-return", self.target_return),
        ] {
            let is_size = matches!(name, "leverage" | "turnover" | "cost" | "impact");
            if let Some(value) = value
                && !(value.is_finite() && !(is_size && value < 0.0))
            {
                return Err(wrong(format!("--{name} {value}: give a number it can be")));
            }
        }
        constraints.budget = self.budget.unwrap_or(1.0);
        let lower = self.lower.unwrap_or(if self.long_short { -1.0 } else { 0.0 });
        constraints.lower.fill(lower);
        if let Some(upper) = self.upper {
            constraints.upper.fill(upper);
        }
        for text in &self.bound {
            let (name, range) = text
                .split_once('=')
                .ok_or_else(|| wrong(format!("--bound {text}: write A=0.1:0.3")))?;
            let at = place("--bound", name, assets)?;
            let (lower, upper) = bounds("--bound", text, range)?;
            constraints.lower[at] = lower.unwrap_or(constraints.lower[at]);
            constraints.upper[at] = upper.unwrap_or(constraints.upper[at]);
        }
        for text in &self.group {
            constraints.groups.push(group(text, assets)?);
        }
        constraints.leverage = self.leverage;
        constraints.turnover = self.turnover;
        constraints.target_return = self.target_return;
        if !self.previous.is_empty() {
            let held = if self.previous.len() == 1 && self.previous[0] == "equal" {
                vec![constraints.budget / n as f64; n]
            } else {
                holdings::weights("--previous", &self.previous, assets).map_err(wrong)?
            };
            constraints.previous = Some(held);
        }
        self.bound_by_volume(&mut constraints, assets)?;
        if self.cost.is_some() || self.impact.is_some() {
            let deviation = |i: usize| estimates.covariance[(i, i)].sqrt();
            let impact = self.impact.unwrap_or(0.0);
            constraints.costs = Some(Costs {
                linear: vec![self.cost.unwrap_or(0.0); n],
                impact: (0..n).map(|i| impact * deviation(i)).collect(),
            });
        }
        Ok(constraints)
    }

    /// Narrows the bounds to what the market's volume lets trade.
    fn bound_by_volume(
        &self,
        constraints: &mut Constraints,
        assets: &[String],
    ) -> Result<(), OptimizeError> {
        let Some(capital) = self.capital else { return Ok(()) };
        for (name, value) in [("capital", capital), ("volume-share", self.volume_share)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(wrong(format!("--{name} {value}: give a number above 0")));
            }
        }
        let volumes = holdings::by_asset("--volume", &self.volume, assets).map_err(wrong)?;
        for (i, volume) in volumes.into_iter().enumerate() {
            let Some(volume) = volume else { continue };
            if volume < 0.0 {
                return Err(wrong(format!("--volume {}={volume}: give an amount", assets[i])));
            }
            let held = constraints.previous.as_ref().map_or(0.0, |held| held[i]);
            let room = self.volume_share * volume / capital;
            let (least, most) = (held - room, held + room);
            let (lower, upper) = (constraints.lower[i].max(least), constraints.upper[i].min(most));
            if lower > upper {
                return Err(wrong(format!(
                    "--volume: `{}` can only be traded to a weight between {least:.6} and {most:.6}, which \
                     its bounds leave out",
                    assets[i]
                )));
            }
            (constraints.lower[i], constraints.upper[i]) = (lower, upper);
        }
        Ok(())
    }
}

fn place(flag: &str, name: &str, assets: &[String]) -> Result<usize, OptimizeError> {
    holdings::place(flag, name, assets).map_err(wrong)
}

type Bounds = (Option<f64>, Option<f64>);

fn bounds(flag: &str, text: &str, range: &str) -> Result<Bounds, OptimizeError> {
    let refused = || wrong(format!("{flag} {text}: a range is written 0.1:0.3, :0.3 or 0.1:"));
    let (lower, upper) = range.split_once(':').ok_or_else(refused)?;
    let side = |text: &str| -> Result<Option<f64>, OptimizeError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let value = text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        value.map(Some).ok_or_else(refused)
    };
    Ok((side(lower)?, side(upper)?))
}

fn group(text: &str, assets: &[String]) -> Result<Group, OptimizeError> {
    let mut parts = text.splitn(3, '=');
    let (Some(name), Some(members), Some(range)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong(format!("--group {text}: write tech=A+B+C=0.1:0.4")));
    };
    let (lower, upper) = bounds("--group", text, range)?;
    let members = members.split('+').map(|member| place("--group", member, assets));
    Ok(Group { name: name.to_owned(), members: members.collect::<Result<_, _>>()?, lower, upper })
}
