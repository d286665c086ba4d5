//! The arguments that say which risk, and what may be asked of any convex method.

use super::OptimizeError;
use crate::cli::holdings;
use crate::portfolio::conic::{Measure, Request};
use crate::portfolio::growth::Drawdown;
use clap::{Args, ValueEnum};

/// A measure of risk over the history's returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RiskName {
    /// Standard deviation, by --covariance
    Deviation,
    /// Root mean square below --target, or below the mean
    SemiDeviation,
    /// Mean absolute deviation
    Mad,
    /// Mean shortfall below --target, or below the mean
    Lpm,
    /// Mean loss beyond --level
    Cvar,
    /// Entropic value at risk at --level
    Evar,
    /// Greatest loss
    Worst,
    /// Mean drawdown beyond --level
    Cdar,
    /// Greatest drawdown
    MaxDrawdown,
    /// Mean drawdown
    AverageDrawdown,
    /// Root mean square drawdown
    Ulcer,
    /// Mean loss plus cvar, the worst within --radius of the history
    RobustCvar,
}

/// What is risk, and what it may be at most.
#[derive(Clone, Debug, Args)]
pub struct RiskArgs {
    /// What min-risk, max-ratio and risk-parity take for risk
    #[arg(long, value_enum)]
    risk: Option<RiskName>,
    /// Return below which semi-deviation and lpm count; the mean without
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true)]
    target: Option<f64>,
    /// Distance of returns that robust-cvar allows for
    #[arg(long, default_value_t = 0.001, value_name = "RETURN", allow_negative_numbers = true)]
    radius: f64,
    /// What a unit of mean is worth against risk in min-risk and min-cvar
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT", allow_negative_numbers = true)]
    pub(super) reward: f64,
    /// Greatest values of measures, as cvar=0.02,max-drawdown=0.3
    #[arg(long, value_delimiter = ',', value_name = "RISK=VALUE")]
    risk_max: Vec<String>,
    /// Standard errors by which means are taken to be worse than estimated
    #[arg(long, default_value_t = 0.0, value_name = "ERRORS", allow_negative_numbers = true)]
    mean_doubt: f64,
    /// Weights that are tracked, as A=0.5,B=0.5, or equal
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT", requires = "tracking_max")]
    track: Vec<String>,
    /// Greatest deviation from --track of a period
    #[arg(long, value_name = "DEVIATION", requires = "track")]
    tracking_max: Option<f64>,
    /// Kelly: share of its start that wealth may fall below with --drawdown-chance
    #[arg(long, value_name = "SHARE", requires = "drawdown_chance")]
    drawdown_floor: Option<f64>,
    /// Kelly: the probability that it does
    #[arg(long, value_name = "PROBABILITY", requires = "drawdown_floor")]
    drawdown_chance: Option<f64>,
}

/// Which of the flags a method reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reads {
    pub risk: bool,
    pub reward: bool,
    pub drawdown: bool,
}

impl RiskArgs {
    fn measure(&self, name: RiskName, level: f64) -> Measure {
        match name {
            RiskName::Deviation => Measure::Deviation,
            RiskName::SemiDeviation => Measure::SemiDeviation(self.target),
            RiskName::Mad => Measure::MeanAbsolute,
            RiskName::Lpm => Measure::LowerPartial(self.target),
            RiskName::Cvar => Measure::Shortfall(level),
            RiskName::Evar => Measure::Entropic(level),
            RiskName::Worst => Measure::Worst,
            RiskName::Cdar => Measure::DrawdownShortfall(level),
            RiskName::MaxDrawdown => Measure::MaxDrawdown,
            RiskName::AverageDrawdown => Measure::AverageDrawdown,
            RiskName::Ulcer => Measure::Ulcer,
            RiskName::RobustCvar => Measure::RobustShortfall { level, radius: self.radius },
        }
    }

    /// The risk that is named.
    pub(super) fn named(&self, level: f64) -> Option<Measure> {
        self.risk.map(|name| self.measure(name, level))
    }

    /// The first flag that is given and that the method does not read.
    pub(super) fn unread(&self, reads: Reads) -> Option<&'static str> {
        let is_below =
            matches!(self.risk, Some(RiskName::SemiDeviation | RiskName::Lpm)) && reads.risk;
        let caps_below = self.risk_max.iter().any(|cap| {
            cap.trim_start().starts_with("semi-deviation") || cap.trim_start().starts_with("lpm")
        });
        [
            ("--risk", self.risk.is_some() && !reads.risk),
            ("--reward", self.reward != 0.0 && !reads.reward),
            ("--target", self.target.is_some() && !is_below && !caps_below),
            ("--drawdown-floor", self.drawdown_floor.is_some() && !reads.drawdown),
        ]
        .into_iter()
        .find(|(_, is_lost)| *is_lost)
        .map(|(flag, _)| flag)
    }

    /// Floor and chance of a drawdown.
    pub(super) fn drawdown(&self) -> Option<Drawdown> {
        let both = self.drawdown_floor.zip(self.drawdown_chance);
        both.map(|(floor, chance)| Drawdown { floor, chance })
    }

    /// Whether anything beyond the linear limits is asked.
    pub(super) fn has_more(&self) -> bool {
        self.has_caps() || self.mean_doubt != 0.0
    }

    /// Whether caps or tracking are asked.
    pub(super) fn has_caps(&self) -> bool {
        !self.risk_max.is_empty() || !self.track.is_empty()
    }

    /// Standard errors by which means are lowered.
    pub(super) fn mean_doubt(&self) -> f64 {
        self.mean_doubt
    }

    /// Puts caps, doubt and tracking into a request.
    pub(super) fn fill(
        &self,
        request: &mut Request,
        assets: &[String],
        level: f64,
    ) -> Result<(), OptimizeError> {
        let wrong = |words: String| OptimizeError::Arguments(words);
        if !(self.mean_doubt.is_finite() && self.mean_doubt >= 0.0) {
            let words = format!("--mean-doubt {}: give standard errors, as 1", self.mean_doubt);
            return Err(wrong(words));
        }
        request.doubt = self.mean_doubt;
        for text in &self.risk_max {
            let refused = || {
                let names = RiskName::value_variants().iter().map(super::name);
                let names = names.collect::<Vec<_>>().join(", ");
                wrong(format!("--risk-max {text}: write cvar=0.02; there are {names}"))
            };
            let (name, value) = text.split_once('=').ok_or_else(refused)?;
            let name = RiskName::from_str(name.trim(), false).map_err(|_| refused())?;
            let value = value.trim().parse::<f64>().ok().filter(|x| x.is_finite() && *x > 0.0);
            request.caps.push((self.measure(name, level), value.ok_or_else(refused)?));
        }
        if let Some(most) = self.tracking_max {
            if !(most.is_finite() && most > 0.0) {
                return Err(wrong(format!("--tracking-max {most}: give a deviation above 0")));
            }
            let weights = holdings::weights("--track", &self.track, assets).map_err(wrong)?;
            request.tracking = Some((weights, most));
        }
        Ok(())
    }
}
