//! Value at risk and expected shortfall of the next period, day after day, by model: what `backtest` judges.
//!
//! Input: returns, a window, how often models are fitted again. Output: for every period after the first
//! window a forecast that knows only what came before. Between fits parameters stay and volatility moves on.
//!
//! - `historical`: quantile of the window, mean of what is at or below it;
//! - `ewma`: normal, variance with factor 0.94 (RiskMetrics 1996), no mean;
//! - `cornish-fisher`: the window's mean, deviation, skew and kurtosis;
//! - `garch-n`, `garch-t`, `garch-skewt`, `gjr-t`, `egarch-t`: the model's own quantile;
//! - `garch-fhs`, `gjr-fhs`: volatility of `garch-n` and `gjr-t`, quantile of the standardised residuals
//!   (Barone-Adesi, Giannopoulos and Vosper 1999; Hull and White 1998);
//! - `garch-evt`, `gjr-evt`: the same volatilities, generalised Pareto beyond the worst tenth of the
//!   residuals (McNeil and Frey 2000).
//!
//! Blocks between two fits do not depend on each other, so threads share them and the answer is the same.

use super::backtest::{Forecast, Verdict};
use crate::maths::distribution::{normal_quantile, normal_shortfall};
use crate::maths::statistics;
use crate::model::garch::{self, Family, Fit, FitError, Spec, Volatility};
use crate::model::tails::{Pareto, cornish_fisher};
use std::sync::atomic::{AtomicUsize, Ordering};

/// RiskMetrics' factor for days.
const DECAY: f64 = 0.94;
/// Where tails begin.
const PEAKS_FROM: f64 = 0.9;

/// How forecasts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecaster {
    /// The window's quantile.
    Historical,
    /// Exponentially weighted variance, normal.
    Ewma,
    /// The window's four moments.
    CornishFisher,
    /// GARCH, normal.
    GarchN,
    /// GARCH, Student's t.
    GarchT,
    /// GARCH, Hansen's skewed t.
    GarchSkewT,
    /// GJR, Student's t.
    GjrT,
    /// EGARCH, Student's t.
    EgarchT,
    /// GARCH, its own residuals.
    GarchFhs,
    /// GJR, its own residuals.
    GjrFhs,
    /// GARCH, a Pareto tail of its residuals.
    GarchEvt,
    /// GJR, a Pareto tail of its residuals.
    GjrEvt,
}

impl Forecaster {
    /// All of them.
    pub const ALL: [Forecaster; 12] = [
        Forecaster::Historical,
        Forecaster::Ewma,
        Forecaster::CornishFisher,
        Forecaster::GarchN,
        Forecaster::GarchT,
        Forecaster::GarchSkewT,
        Forecaster::GjrT,
        Forecaster::EgarchT,
        Forecaster::GarchFhs,
        Forecaster::GjrFhs,
        Forecaster::GarchEvt,
        Forecaster::GjrEvt,
    ];

    /// As written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Forecaster::Historical => "historical",
            Forecaster::Ewma => "ewma",
            Forecaster::CornishFisher => "cornish-fisher",
            Forecaster::GarchN => "garch-n",
            Forecaster::GarchT => "garch-t",
            Forecaster::GarchSkewT => "garch-skewt",
            Forecaster::GjrT => "gjr-t",
            Forecaster::EgarchT => "egarch-t",
            Forecaster::GarchFhs => "garch-fhs",
            Forecaster::GjrFhs => "gjr-fhs",
            Forecaster::GarchEvt => "garch-evt",
            Forecaster::GjrEvt => "gjr-evt",
        }
    }

    /// The volatility model behind it.
    const fn spec(self) -> Option<Spec> {
        Some(match self {
            Forecaster::Historical | Forecaster::Ewma | Forecaster::CornishFisher => return None,
            Forecaster::GarchN | Forecaster::GarchFhs | Forecaster::GarchEvt => {
                Spec::new(Volatility::Garch, Family::Normal)
            }
            Forecaster::GarchT => Spec::new(Volatility::Garch, Family::Student),
            Forecaster::GarchSkewT => Spec::new(Volatility::Garch, Family::Skewed),
            Forecaster::GjrT | Forecaster::GjrFhs | Forecaster::GjrEvt => {
                Spec::new(Volatility::Gjr, Family::Student)
            }
            Forecaster::EgarchT => Spec::new(Volatility::Egarch, Family::Student),
        })
    }
}

/// How forecasts move on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roll {
    /// Periods that a forecast looks back on.
    pub window: usize,
    /// Periods between two fits.
    pub refit: usize,
    /// Level, 0.99.
    pub level: f64,
    /// Threads at most.
    pub threads: usize,
}

/// Why there are no forecasts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// Too little.
    #[error(
        "{returns} returns with a window of {window}: no period is left to forecast; give more \
         returns or a smaller --window"
    )]
    Few {
        /// There.
        returns: usize,
        /// Asked for.
        window: usize,
    },
    /// A window too small for a model.
    #[error("a window of {0}: give at least {least}", least = garch::RETURNS_MIN)]
    Window(usize),
    /// Never fitted again.
    #[error("fitted every 0 periods: give at least 1")]
    Refit,
    /// A window that cannot be fitted.
    #[error("{name}, fitted to the {window} returns before return {at}: {error}")]
    Fit {
        /// Which forecaster.
        name: &'static str,
        /// Length of the window.
        window: usize,
        /// The first period forecast, from zero.
        at: usize,
        /// Why.
        error: FitError,
    },
}

/// A forecaster's whole list, or the first window that its model cannot be fitted to.
pub type Forecasts = Result<Vec<Forecast>, ForecastError>;

/// Forecasts for every period from the first window's end on, one list a forecaster. `done` is told how many
/// blocks are behind.
///
/// # Errors
/// Too few returns, or a window or a step that is none.
pub fn roll(
    returns: &[f64],
    forecasters: &[Forecaster],
    how: Roll,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Forecasts>, ForecastError> {
    if how.window < garch::RETURNS_MIN {
        return Err(ForecastError::Window(how.window));
    }
    if how.refit == 0 {
        return Err(ForecastError::Refit);
    }
    if returns.len() <= how.window {
        return Err(ForecastError::Few { returns: returns.len(), window: how.window });
    }
    let blocks = blocks(returns.len(), how);
    let (next, behind) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= blocks {
                return mine;
            }
            mine.push((at, block(returns, forecasters, how, at)));
            done(behind.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut parts: Vec<(usize, Block)> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..how.threads.clamp(1, blocks)).map(|_| scope.spawn(work)).collect();
        // a thread that panicked panics here
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    parts.sort_unstable_by_key(|(at, _)| *at);
    let mut all: Vec<Forecasts> = vec![Ok(Vec::new()); forecasters.len()];
    for (_, part) in parts {
        for (to, from) in all.iter_mut().zip(part) {
            match (to.as_mut(), from) {
                (Ok(list), Ok(more)) => list.extend(more),
                (Ok(_), Err(error)) => *to = Err(error),
                // the first failure stands
                (Err(_), _) => {}
            }
        }
    }
    Ok(all)
}

/// Fits of a whole roll.
#[must_use]
pub fn blocks(returns: usize, how: Roll) -> usize {
    returns.saturating_sub(how.window).div_ceil(how.refit.max(1))
}

type Block = Vec<Forecasts>;

/// A fitted model and its volatility's way through a block.
struct Fitted {
    fit: Fit,
    variances: Vec<f64>,
    residuals: Vec<f64>,
}

/// The periods from one fit to the next.
fn block(returns: &[f64], forecasters: &[Forecaster], how: Roll, at: usize) -> Block {
    let first = how.window + at * how.refit;
    let last = (first + how.refit).min(returns.len());
    let window = &returns[first - how.window..first];
    let mut fits: Vec<(Spec, Result<Fitted, FitError>)> = Vec::new();
    let mut all = Vec::with_capacity(forecasters.len());
    for forecaster in forecasters {
        let Some(spec) = forecaster.spec() else {
            all.push(Ok(plain(*forecaster, returns, first..last, how)));
            continue;
        };
        // forecasters of one model share its fit
        let known = fits.iter().position(|(known, _)| *known == spec).unwrap_or_else(|| {
            let fit = garch::fit(window, spec).map(|fit| walked(fit, &returns[first..last]));
            fits.push((spec, fit));
            fits.len() - 1
        });
        all.push(match &fits[known].1 {
            Ok(fitted) => Ok(volatile(*forecaster, fitted, how.level)),
            Err(error) => Err(ForecastError::Fit {
                name: forecaster.name(),
                window: how.window,
                at: first,
                error: *error,
            }),
        });
    }
    all
}

fn walked(fit: Fit, returns: &[f64]) -> Fitted {
    let mut variance = fit.next_variance;
    let mut variances = Vec::with_capacity(returns.len());
    for r in returns {
        variances.push(variance);
        variance = fit.variance_after(variance, *r);
    }
    let residuals = statistics::sorted(&fit.standardised);
    Fitted { fit, variances, residuals }
}

/// Forecasts of a volatility model: its shocks' tail times its volatility.
fn volatile(forecaster: Forecaster, fitted: &Fitted, level: f64) -> Vec<Forecast> {
    let (quantile, mean) = match forecaster {
        Forecaster::GarchFhs | Forecaster::GjrFhs => {
            statistics::lower_tail(&fitted.residuals, 1.0 - level)
        }
        Forecaster::GarchEvt | Forecaster::GjrEvt => pareto(&fitted.residuals, level),
        _ => fitted.fit.shock_tail(level),
    };
    let mu = fitted.fit.parameters.mu;
    let forecast = |variance: &f64| {
        let deviation = variance.sqrt();
        Forecast { var: -(mu + deviation * quantile), es: -(mu + deviation * mean) }
    };
    fitted.variances.iter().map(forecast).collect()
}

/// The lower tail of sorted residuals by peaks over a threshold; their own where the level lies inside or
/// the tail has no mean.
fn pareto(sorted: &[f64], level: f64) -> (f64, f64) {
    let losses: Vec<f64> = sorted.iter().map(|z| -z).collect();
    let tail = Pareto::fit(&losses, PEAKS_FROM).ok().and_then(|pareto| pareto.tail(level));
    match tail {
        Some((var, es)) if es.is_finite() => (-var, -es),
        _ => statistics::lower_tail(sorted, 1.0 - level),
    }
}

/// Forecasts without a fitted model.
fn plain(
    forecaster: Forecaster,
    returns: &[f64],
    periods: std::ops::Range<usize>,
    how: Roll,
) -> Vec<Forecast> {
    let p = 1.0 - how.level;
    if forecaster == Forecaster::Ewma {
        let (quantile, mean) = (-normal_quantile(p), normal_shortfall(how.level));
        let squares = returns[periods.start - how.window..periods.start].iter().map(|r| r * r);
        let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
        for square in squares.rev() {
            sum += weight * square;
            weights += weight;
            weight *= DECAY;
        }
        let mut variance = sum / weights;
        let forecast = |at: usize| {
            let deviation = variance.sqrt();
            variance = DECAY * variance + (1.0 - DECAY) * returns[at] * returns[at];
            Forecast { var: deviation * quantile, es: deviation * mean }
        };
        return periods.map(forecast).collect();
    }
    let forecast = |at: usize| {
        let window = &returns[at - how.window..at];
        if forecaster == Forecaster::CornishFisher {
            let (deviation, skew, excess) = statistics::shape(window);
            let bent = cornish_fisher(skew, excess, p);
            let mu = statistics::mean(window);
            Forecast {
                var: -(mu + deviation * bent.quantile),
                es: -(mu + deviation * bent.mean_below),
            }
        } else {
            let (quantile, mean) = statistics::lower_tail(&statistics::sorted(window), p);
            Forecast { var: -quantile, es: -mean }
        }
    };
    periods.map(forecast).collect()
}

/// Which of several verdicts is best: the lowest FZ0 loss among those that pass, of all where none does.
#[must_use]
pub fn best(verdicts: &[&Verdict]) -> Option<usize> {
    let lowest = |only_passing: bool| {
        let all = verdicts.iter().enumerate();
        let open = all.filter(|(_, verdict)| verdict.passes || !only_passing);
        open.min_by(|a, b| a.1.fz0_loss.total_cmp(&b.1.fz0_loss)).map(|(at, _)| at)
    };
    lowest(true).or_else(|| lowest(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calm and wild stretches with a heavy tail, by a generator of the test's own.
    fn returns(n: usize) -> Vec<f64> {
        let mut state = 0x0123_4567_89AB_CDEF_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
        };
        let mut variance = 1.0;
        (0..n)
            .map(|_| {
                let radius = (3.0 * (uniform().powf(-0.4) - 1.0)).sqrt();
                let r = f64::sqrt(variance) * radius * (std::f64::consts::TAU * uniform()).cos();
                variance = 0.05 + 0.1 * r * r + 0.85 * variance;
                r
            })
            .collect()
    }

    const HOW: Roll = Roll { window: 250, refit: 30, level: 0.95, threads: 1 };

    fn all(returns: &[f64], how: Roll) -> Vec<Vec<Forecast>> {
        let all = roll(returns, &Forecaster::ALL, how, &|_| {}).expect("sound");
        all.into_iter().map(|list| list.expect("fitted")).collect()
    }

    fn one(returns: &[f64], forecaster: Forecaster) -> Vec<Forecast> {
        let mut all = roll(returns, &[forecaster], HOW, &|_| {}).expect("sound");
        all.remove(0).expect("fitted")
    }

    #[test]
    fn forecasts_know_only_the_past() {
        let mut returns = returns(400);
        let before = all(&returns, HOW);
        assert!(before.iter().all(|list| list.len() == 150));
        // what comes at the 100th forecast changes the ones after it alone
        returns[350] = -9.0;
        let after = all(&returns, HOW);
        for (name, (a, b)) in Forecaster::ALL.iter().zip(before.iter().zip(&after)) {
            let differ = |range: std::ops::RangeInclusive<usize>| {
                range.into_iter().find(|&at| a[at] != b[at])
            };
            assert_eq!(differ(0..=100), None, "{name:?}");
            assert_ne!(differ(101..=149), None, "{name:?}");
        }
    }

    #[test]
    fn threads_and_company_change_nothing() {
        let returns = returns(500);
        let alone = all(&returns, HOW);
        let shared = all(&returns, Roll { threads: 3, ..HOW });
        for (at, forecaster) in Forecaster::ALL.iter().enumerate() {
            let one = one(&returns, *forecaster);
            for (k, f) in alone[at].iter().enumerate() {
                assert!(f.var.is_finite() && f.es >= f.var, "{forecaster:?} {k}: {f:?}");
                assert_eq!((f, f), (&one[k], &shared[at][k]), "{forecaster:?} {k}");
            }
        }
    }

    #[test]
    fn a_forecast_is_the_fits_own() {
        let returns = returns(300);
        let forecasts = one(&returns, Forecaster::GarchT);
        let spec = Spec::new(Volatility::Garch, Family::Student);
        let fit = garch::fit(&returns[..250], spec).expect("sound");
        let (var, es) = fit.next_tail(0.95);
        assert_eq!(forecasts[0], Forecast { var, es });
        // a day later the same parameters have seen one return more
        let later = garch::evaluate(&returns[..251], spec, &fit.parameters).expect("sound");
        let apart = later.next_tail(0.95).0 / forecasts[1].var - 1.0;
        assert!(apart.abs() < 1e-6, "{apart}");
        // after the refit, another fit
        let second = garch::fit(&returns[30..280], spec).expect("sound").next_tail(0.95);
        assert_eq!(forecasts[30], Forecast { var: second.0, es: second.1 });
    }

    #[test]
    fn what_cannot_be_forecast_is_refused() {
        let returns = returns(260);
        let ask = |returns: &[f64], how| roll(returns, &[Forecaster::GarchN], how, &|_| {});
        assert_eq!(
            ask(&returns[..250], HOW),
            Err(ForecastError::Few { returns: 250, window: 250 })
        );
        assert_eq!(ask(&returns, Roll { window: 10, ..HOW }), Err(ForecastError::Window(10)));
        assert_eq!(ask(&returns, Roll { refit: 0, ..HOW }), Err(ForecastError::Refit));
        // a window that one model cannot be fitted to leaves the others
        let flat = [vec![0.0; 250], returns].concat();
        let both = [Forecaster::GarchN, Forecaster::Ewma];
        let found = roll(&flat, &both, HOW, &|_| {}).expect("sound");
        assert!(matches!(
            found[0],
            Err(ForecastError::Fit { at: 250, error: FitError::Constant, .. })
        ));
        assert_eq!(found[1].as_ref().map(Vec::len), Ok(260));
    }
}
