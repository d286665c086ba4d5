//! Which model today's risk is measured with: the one whose back-test holds on the portfolio's own history.
//!
//! Among the models that paths can be drawn from; the lowest FZ0 loss of those that pass, of all where none
//! does (the caller is told). On the S&P 500 plain GARCH-t fails at 99 %, GJR with its own residuals passes.

use super::backtest::{BacktestError, Verdict, judge};
use super::forecast::{self, ForecastError, Forecaster, Roll, roll};
use super::process::Model;
use std::fmt;

/// Models and what forecasts their tails.
const CANDIDATES: [(Model, Forecaster); 5] = [
    (Model::Garch, Forecaster::GarchN),
    (Model::GarchT, Forecaster::GarchT),
    (Model::Gjr, Forecaster::GjrT),
    (Model::Filtered, Forecaster::GarchFhs),
    (Model::FilteredGjr, Forecaster::GjrFhs),
];
/// The level that regulators ask for.
const LEVEL: f64 = 0.99;
/// Fewer returns cannot tell models apart at that level.
pub const RETURNS_MIN: usize = 750;
/// Returns of a window, and forecasts judged: the latest.
const WINDOW_MAX: usize = 1_000;
const JUDGED_MAX: usize = 2_000;
/// Periods between fits.
const REFIT: usize = 20;

/// A choice with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What speaks for itself best.
    pub model: Model,
    /// Whether it passes.
    pub passes: bool,
    /// How forecasts were made.
    pub how: Roll,
    /// All candidates'.
    pub verdicts: Vec<(Model, Verdict)>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let n = self.verdicts.first().map_or(0, |(_, verdict)| verdict.n);
        let passing = self.verdicts.iter().filter(|(_, verdict)| verdict.passes).count();
        let all = self.verdicts.len();
        write!(
            f,
            "the lowest FZ0 loss of {all} models over {n} past periods at {}",
            self.how.level
        )?;
        match passing {
            0 => write!(f, "; none of them passes its back-test"),
            passing => write!(f, ", among the {passing} that pass their back-test"),
        }
    }
}

/// Why nothing speaks for a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvidenceError {
    /// Too little history.
    #[error("{0} returns are too few to back-test models ({RETURNS_MIN} are needed): the baseline")]
    Few(usize),
    /// A window that a model cannot be fitted to.
    #[error("models cannot be back-tested here ({0}): the baseline")]
    Forecast(#[from] ForecastError),
    /// Forecasts that cannot be judged.
    #[error("models cannot be back-tested here ({0}): the baseline")]
    Backtest(#[from] BacktestError),
}

/// Weighs the candidates on returns; only those with Student's t where its ν is given.
///
/// # Errors
/// A history that cannot tell them apart.
pub fn weigh(
    returns: &[f64],
    threads: usize,
    only_student: bool,
) -> Result<Evidence, EvidenceError> {
    let has_nu = |model: Model| matches!(model, Model::GarchT | Model::Gjr);
    let candidates: Vec<(Model, Forecaster)> =
        CANDIDATES.into_iter().filter(|(model, _)| !only_student || has_nu(*model)).collect();
    if returns.len() < RETURNS_MIN {
        return Err(EvidenceError::Few(returns.len()));
    }
    let window = (returns.len() / 2).min(WINDOW_MAX);
    let returns = &returns[returns.len() - returns.len().min(window + JUDGED_MAX)..];
    let how = Roll { window, refit: REFIT, level: LEVEL, threads };
    let forecasters: Vec<Forecaster> =
        candidates.iter().map(|(_, forecaster)| *forecaster).collect();
    let mut sound: Vec<(Model, Verdict)> = Vec::new();
    let mut first_failure = None;
    for ((model, _), list) in candidates.iter().zip(roll(returns, &forecasters, how, &|_| {})?) {
        let verdict = list
            .map_err(EvidenceError::from)
            .and_then(|list| judge(&returns[window..], &list, LEVEL).map_err(EvidenceError::from));
        match verdict {
            Ok(verdict) => sound.push((*model, verdict)),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    let verdicts: Vec<&Verdict> = sound.iter().map(|(_, verdict)| verdict).collect();
    match forecast::best(&verdicts) {
        Some(best) => {
            let (model, passes) = (sound[best].0, sound[best].1.passes);
            Ok(Evidence { model, passes, how, verdicts: sound })
        }
        None => Err(first_failure.unwrap_or(EvidenceError::Few(returns.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_dead_histories_fall_back_with_a_reason() {
        assert_eq!(weigh(&[0.1; 100], 1, false), Err(EvidenceError::Few(100)));
        let error = weigh(&[0.1; 1_000], 1, false).expect_err("nothing moves");
        assert!(error.to_string().contains("the returns are all the same"), "{error}");
    }

    #[test]
    fn skewed_shocks_speak_against_symmetric_ones() {
        // GARCH whose shocks are a shifted exponential's mirror: long falls, no long rises
        let mut state = 0xDEAD_BEEF_CAFE_F00D_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
        };
        let mut variance = 1.0_f64;
        let returns: Vec<f64> = (0..3_000)
            .map(|_| {
                let r = variance.sqrt() * (1.0 + uniform().ln());
                variance = 0.05 + 0.08 * r * r + 0.87 * variance;
                r
            })
            .collect();
        let evidence = weigh(&returns, 2, false).expect("enough");
        assert!(matches!(evidence.model, Model::Filtered | Model::FilteredGjr), "{evidence}");
        assert!(evidence.passes);
        let normal = &evidence.verdicts[0].1;
        assert!(!normal.passes && normal.violations > 30, "{normal:?}");
    }
}
