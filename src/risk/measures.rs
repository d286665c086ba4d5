//! What a series of returns achieved, and at what risk. Simple returns of a period; N periods a year.
//!
//! Libraries disagree about several of these; ours are:
//! - cagr: (Π(1 + r))^(N/n) − 1; volatility: √N times the sample deviation (ddof 1);
//! - sharpe: mean excess over its deviation, times √N (arithmetic mean; some take the cagr instead);
//! - sortino: mean excess over √(mean of min(excess, 0)²), all periods in the mean, times √N (some divide by
//!   the losing periods only);
//! - omega: Σ gains over the threshold / Σ losses below it (1 + mean excess / lower partial moment);
//! - max_drawdown: the least of wealth over its running maximum, minus one; wealth starts at one, so that
//!   a first loss counts (some start at the first close after it);
//! - calmar: cagr / |max_drawdown|, over all of the series (some take three years);
//! - sterling: cagr / (mean over whole years, from the end back, of the year's own deepest drawdown, plus
//!   10 %); Sterling Jones' form (some leave the 10 % out, some take the largest few drawdowns);
//! - ulcer: √(mean of drawdown²) over all periods (some divide by n − 1);
//! - tail_ratio: 95 % quantile over |5 % quantile|; profit_factor: Σ gains / |Σ losses|;
//! - value at risk and shortfall: historical, positive for a loss, as FORMATS has them;
//! - beside a benchmark: beta = cov/var; jensen_alpha = (mean excess − beta·benchmark's mean excess)·N;
//!   treynor = annual mean excess / beta; tracking_error = deviation of the difference·√N;
//!   information_ratio = annual mean difference / tracking_error (some leave it by the period).
//!
//! The Sharpe ratio's error and what it says stand in `sharpe`; error bars of the others come from
//! `error_bars`, by resampling.

use super::bootstrap::{Bootstrap, Spread, spread};
use super::sharpe::Sharpe;
use crate::maths::statistics::{self, covariance, mean, quantile};
use serde::Serialize;

/// Fewer say nothing.
pub const RETURNS_MIN: usize = 3;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// Periods.
    pub periods: usize,
    /// Mean of a period.
    pub mean: f64,
    /// Deviation of a period, ddof 1.
    pub deviation: f64,
    /// Compound growth a year.
    pub cagr: f64,
    /// Deviation a year.
    pub volatility: f64,
    /// A year.
    pub sharpe: f64,
    /// Its standard error.
    pub sharpe_std_error: f64,
    /// Chance that the true Sharpe ratio is above nothing.
    pub probabilistic_sharpe: f64,
    /// Periods after which that chance were 95 %; none where the ratio is not above nothing.
    pub record_needed: Option<f64>,
    /// Chance that the true Sharpe ratio is above the best that luck gives in so many trials.
    pub deflated_sharpe: Option<f64>,
    /// That best, a year.
    pub sharpe_by_luck: Option<f64>,
    /// A year.
    pub sortino: f64,
    /// At the risk-free rate.
    pub omega: f64,
    /// Biased.
    pub skew: f64,
    /// Biased.
    pub excess_kurtosis: f64,
    /// Negative.
    pub max_drawdown: f64,
    /// The period of the deepest point, from zero.
    pub max_drawdown_at: usize,
    /// Periods from the peak to the deepest point.
    pub max_drawdown_length: usize,
    /// Periods from the deepest point until the peak was met again; none where it was not.
    pub max_drawdown_recovery: Option<usize>,
    /// Growth over the deepest drawdown.
    pub calmar: f64,
    /// Growth over the mean of yearly drawdowns and a tenth; none of less than a year.
    pub sterling: Option<f64>,
    /// Root mean square drawdown.
    pub ulcer: f64,
    /// Share of periods that gained, of those that were not nothing.
    pub win_rate: f64,
    /// Gains over losses.
    pub profit_factor: f64,
    /// Upper over lower tail.
    pub tail_ratio: f64,
    /// Greatest gain of a period.
    pub best: f64,
    /// Greatest loss of a period.
    pub worst: f64,
    /// Mean over variance: Kelly's fraction for small returns.
    pub kelly: f64,
    /// By level.
    pub tails: Vec<HistoricalTail>,
    /// Beside another series.
    pub benchmark: Option<Relative>,
}

/// Historical value at risk and shortfall.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HistoricalTail {
    /// Level.
    pub level: f64,
    /// Positive for a loss.
    pub var: f64,
    /// Mean of what is at or below the quantile, positive for a loss.
    pub es: f64,
}

/// Beside a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Relative {
    /// Slope.
    pub beta: f64,
    /// A year.
    pub jensen_alpha: f64,
    /// A year.
    pub treynor: f64,
    /// A year.
    pub tracking_error: f64,
    /// A year.
    pub information_ratio: f64,
    /// Correlation squared.
    pub r_squared: f64,
}

/// Why nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// Too few.
    #[error("{0} returns; measures need at least {RETURNS_MIN}")]
    Few(usize),
    /// A return of less than all.
    #[error(
        "return {index} is {value}: a simple return is above -1 (are these percent, or log returns?)"
    )]
    Ruin {
        /// Which, from zero.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// A benchmark of other length.
    #[error("{found} returns of the benchmark beside {wanted}")]
    Length {
        /// There.
        found: usize,
        /// Needed.
        wanted: usize,
    },
}

/// Measures simple returns; `rate` is what a period gives without risk.
///
/// # Errors
/// Too few returns, or returns that cannot be.
pub fn measure(
    returns: &[f64],
    calendar: f64,
    rate: f64,
    levels: &[f64],
    benchmark: Option<&[f64]>,
) -> Result<Measures, MeasureError> {
    let count = returns.len();
    if count < RETURNS_MIN {
        return Err(MeasureError::Few(count));
    }
    if let Some(index) = returns.iter().position(|&r| r.is_nan() || r <= -1.0) {
        return Err(MeasureError::Ruin { index, value: returns[index] });
    }
    let n = count as f64;
    let root = calendar.sqrt();
    let excess: Vec<f64> = returns.iter().map(|r| r - rate).collect();
    let (middle, deviation) = (mean(&excess), covariance(returns, returns).sqrt());
    let (_, skew, kurtosis) = statistics::shape(&excess);
    let sum = |pick: &dyn Fn(f64) -> f64, of: &[f64]| of.iter().map(|&x| pick(x)).sum::<f64>();
    let gains = sum(&|x| x.max(0.0), &excess);
    let losses = sum(&|x| (-x).max(0.0), &excess);
    let downside = (sum(&|x| x.min(0.0).powi(2), &excess) / n).sqrt();
    let sharpe = Sharpe::of(&excess, deviation);
    let sorted = statistics::sorted(returns);
    let tail = |&level: &f64| {
        let (at, beyond) = statistics::lower_tail(&sorted, 1.0 - level);
        HistoricalTail { level, var: -at, es: -beyond }
    };
    let growth = sum(&|r| r.ln_1p(), returns);
    let cagr = (growth * calendar / n).exp_m1();
    let fall = drawdown(returns);
    let moved = returns.iter().filter(|r| **r != 0.0).count().max(1) as f64;
    let plain_gains = sum(&|x| x.max(0.0), returns);
    let plain_losses = sum(&|x| (-x).max(0.0), returns);
    let relative = benchmark.map(|other| relative(returns, other, calendar, rate)).transpose()?;
    Ok(Measures {
        periods: count,
        mean: mean(returns),
        deviation,
        cagr,
        volatility: deviation * root,
        sharpe: sharpe.ratio * root,
        sharpe_std_error: sharpe.error() * root,
        probabilistic_sharpe: sharpe.probability_above(0.0),
        record_needed: sharpe.record_needed(0.0, 0.95),
        deflated_sharpe: None,
        sharpe_by_luck: None,
        sortino: middle / downside * root,
        omega: gains / losses,
        skew,
        excess_kurtosis: kurtosis,
        max_drawdown: fall.depth,
        max_drawdown_at: fall.at,
        max_drawdown_length: fall.length,
        max_drawdown_recovery: fall.recovery,
        calmar: cagr / fall.depth.abs(),
        sterling: sterling(returns, calendar, cagr),
        ulcer: fall.ulcer,
        win_rate: returns.iter().filter(|r| **r > 0.0).count() as f64 / moved,
        profit_factor: plain_gains / plain_losses,
        tail_ratio: (quantile(&sorted, 0.95) / quantile(&sorted, 0.05)).abs(),
        best: sorted[count - 1],
        worst: sorted[0],
        kelly: mean(returns) / (deviation * deviation),
        tails: levels.iter().map(tail).collect(),
        benchmark: relative,
    })
}

/// How far wealth stands below its highest after every period, from 0 down; it starts at its highest.
pub fn falls(returns: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
    let (mut wealth, mut peak) = (1.0_f64, 1.0_f64);
    returns.into_iter().map(move |r| {
        wealth *= 1.0 + r;
        peak = peak.max(wealth);
        wealth / peak - 1.0
    })
}

struct Fall {
    depth: f64,
    at: usize,
    length: usize,
    recovery: Option<usize>,
    ulcer: f64,
}

fn drawdown(returns: &[f64]) -> Fall {
    let mut fall = Fall { depth: 0.0, at: 0, length: 0, recovery: None, ulcer: 0.0 };
    // the peak stands before the first period
    let (mut wealth, mut peak, mut since) = (1.0_f64, 1.0_f64, 0);
    let mut deepest_peak = 1.0;
    for (at, r) in returns.iter().enumerate() {
        wealth *= 1.0 + r;
        if wealth >= peak {
            (peak, since) = (wealth, at + 1);
        }
        let depth = wealth / peak - 1.0;
        fall.ulcer += depth * depth;
        if depth < fall.depth {
            (fall.depth, fall.at, fall.length) = (depth, at, at + 1 - since);
            (fall.recovery, deepest_peak) = (None, peak);
        } else if fall.recovery.is_none() && fall.depth < 0.0 && wealth >= deepest_peak {
            fall.recovery = Some(at - fall.at);
        }
    }
    fall.ulcer = (fall.ulcer / returns.len() as f64).sqrt();
    fall
}

fn sterling(returns: &[f64], calendar: f64, cagr: f64) -> Option<f64> {
    let year = calendar.round().max(1.0) as usize;
    let years: Vec<f64> = returns.rchunks_exact(year).map(|year| drawdown(year).depth).collect();
    (!years.is_empty()).then(|| cagr / (mean(&years).abs() + STERLING))
}

/// What Sterling's ratio adds to the drawdown.
const STERLING: f64 = 0.1;

/// Figures that have error bars, in the order of `ErrorBars`.
const BARRED: [fn(&Measures) -> f64; 10] = [
    |m| m.cagr,
    |m| m.volatility,
    |m| m.sharpe,
    |m| m.sortino,
    |m| m.omega,
    |m| m.max_drawdown,
    |m| m.calmar,
    |m| m.tails.first().map_or(f64::NAN, |tail| tail.var),
    |m| m.tails.first().map_or(f64::NAN, |tail| tail.es),
    |m| m.benchmark.map_or(f64::NAN, |b| b.beta),
];

/// What resamples say; none of a figure that is no number on them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorBars {
    /// Mean length of a block.
    pub block: f64,
    /// Compound growth.
    pub cagr: Option<Spread>,
    /// Deviation a year.
    pub volatility: Option<Spread>,
    /// Sharpe.
    pub sharpe: Option<Spread>,
    /// Sortino.
    pub sortino: Option<Spread>,
    /// Omega.
    pub omega: Option<Spread>,
    /// Deepest drawdown; blocks hide drawdowns longer than they are.
    pub max_drawdown: Option<Spread>,
    /// Calmar.
    pub calmar: Option<Spread>,
    /// Value at risk at the first level.
    pub var: Option<Spread>,
    /// Shortfall at the first level.
    pub es: Option<Spread>,
    /// Slope beside the benchmark, resampled with it.
    pub beta: Option<Spread>,
}

/// Measures again on every resample; the arguments are `measure`'s.
///
/// # Errors
/// What `measure` says of the series itself.
pub fn error_bars(
    returns: &[f64],
    calendar: f64,
    rate: f64,
    levels: &[f64],
    benchmark: Option<&[f64]>,
    how: &Bootstrap,
) -> Result<ErrorBars, MeasureError> {
    measure(returns, calendar, rate, levels, benchmark)?;
    let levels = &levels[..levels.len().min(1)];
    let mut figures: [Vec<f64>; BARRED.len()] = Default::default();
    let mut own = vec![0.0; returns.len()];
    let mut other = benchmark.map(<[f64]>::to_vec);
    how.rows(returns.len(), |rows| {
        own.iter_mut().zip(rows).for_each(|(to, &row)| *to = returns[row]);
        if let (Some(to), Some(from)) = (&mut other, benchmark) {
            to.iter_mut().zip(rows).for_each(|(to, &row)| *to = from[row]);
        }
        // what the series itself is measured for cannot fail on its own rows
        if let Ok(found) = measure(&own, calendar, rate, levels, other.as_deref()) {
            figures.iter_mut().zip(BARRED).for_each(|(to, figure)| to.push(figure(&found)));
        }
    });
    let [cagr, volatility, sharpe, sortino, omega, max_drawdown, calmar, var, es, beta] =
        figures.map(|figures| spread(&figures));
    let block = how.block;
    Ok(ErrorBars {
        block,
        cagr,
        volatility,
        sharpe,
        sortino,
        omega,
        max_drawdown,
        calmar,
        var,
        es,
        beta,
    })
}

fn relative(
    returns: &[f64],
    benchmark: &[f64],
    calendar: f64,
    rate: f64,
) -> Result<Relative, MeasureError> {
    if benchmark.len() != returns.len() {
        return Err(MeasureError::Length { found: benchmark.len(), wanted: returns.len() });
    }
    let shared = covariance(returns, benchmark);
    let (own, other) = (covariance(returns, returns), covariance(benchmark, benchmark));
    let beta = shared / other;
    let (excess, market) = (mean(returns) - rate, mean(benchmark) - rate);
    let difference: Vec<f64> = returns.iter().zip(benchmark).map(|(r, b)| r - b).collect();
    let tracking_error = (covariance(&difference, &difference) * calendar).sqrt();
    Ok(Relative {
        beta,
        jensen_alpha: (excess - beta * market) * calendar,
        treynor: excess * calendar / beta,
        tracking_error,
        information_ratio: mean(&difference) * calendar / tracking_error,
        r_squared: shared * shared / (own * other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_periods_on_paper() {
        let returns = [0.1, -0.2, 0.05, 0.3];
        let found = measure(&returns, 4.0, 0.0, &[0.5], None).expect("enough");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(found.mean, 0.0625);
        near(found.omega, 0.45 / 0.2);
        near(found.max_drawdown, -0.2);
        assert_eq!((found.max_drawdown_at, found.max_drawdown_length), (1, 1));
        // 1.1, 0.88, 0.924, 1.2012: above 1.1 two periods later
        assert_eq!(found.max_drawdown_recovery, Some(2));
        near(found.cagr, 1.1 * 0.8 * 1.05 * 1.3 - 1.0);
        near(found.win_rate, 0.75);
        near(found.tails[0].var, -0.075);
        near(found.sortino, 0.0625 / 0.1 * 2.0);
        // one whole year, fallen by 0.2: 0.2012/0.3
        near(found.sterling.expect("a year"), found.cagr / 0.3);
        near(found.ulcer, ((0.04 + 0.16_f64.powi(2)) / 4.0).sqrt());
    }

    #[test]
    fn a_benchmark_twice_as_wild_has_half_a_beta() {
        let returns = [0.01, -0.02, 0.03, 0.0, 0.015];
        let wild: Vec<f64> = returns.iter().map(|r| 2.0 * r).collect();
        let found = measure(&returns, 252.0, 0.0, &[], Some(&wild)).expect("enough");
        let relative = found.benchmark.expect("given");
        assert!((relative.beta - 0.5).abs() < 1e-12 && relative.jensen_alpha.abs() < 1e-12);
        assert!((relative.r_squared - 1.0).abs() < 1e-12);
    }

    #[test]
    fn error_bars_hold_what_is_known() {
        let mut random = crate::maths::random::Random::new(11, 0);
        let returns: Vec<f64> = (0..1_500).map(|_| 0.0005 + 0.01 * random.normal()).collect();
        let twice: Vec<f64> = returns.iter().map(|r| 2.0 * r).collect();
        let how = Bootstrap { resamples: 400, block: 1.0, seed: 2 };
        let bars = error_bars(&returns, 252.0, 0.0, &[0.95], Some(&twice), &how).expect("sound");
        let found = measure(&returns, 252.0, 0.0, &[0.95], None).expect("sound");
        // independent draws: Mertens' error is the right one
        let sharpe = bars.sharpe.expect("numbers");
        assert!((sharpe.std_error / found.sharpe_std_error - 1.0).abs() < 0.15, "{sharpe:?}");
        assert!(sharpe.low < found.sharpe && found.sharpe < sharpe.high);
        let volatility = bars.volatility.expect("numbers");
        assert!(volatility.low < found.volatility && found.volatility < volatility.high);
        // the benchmark is resampled with the series: the slope does not move
        assert!(bars.beta.expect("given").std_error < 1e-12);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        assert_eq!(measure(&[0.1; 2], 252.0, 0.0, &[], None), Err(MeasureError::Few(2)));
        let ruin = measure(&[0.1, -1.5, 0.2], 252.0, 0.0, &[], None);
        assert!(matches!(ruin, Err(MeasureError::Ruin { index: 1, .. })));
        let short = measure(&[0.1, 0.2, 0.3], 252.0, 0.0, &[], Some(&[0.1]));
        assert!(matches!(short, Err(MeasureError::Length { found: 1, wanted: 3 })));
    }
}
