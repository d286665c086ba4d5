//! Whether forecasts of value at risk and expected shortfall held.
//!
//! Input: returns and the forecasts made for them before they came, at one level. With p = 1 − level, n
//! periods, x violations (a return below −VaR), q = −VaR, e = −ES:
//! - unconditional coverage (Kupiec 1995): −2 ln of p's likelihood over x/n's, χ²(1);
//! - independence and conditional coverage (Christoffersen 1998): violations after a violation as often as
//!   after none, χ²(1); the sum of both, χ²(2);
//! - dynamic quantile (Engle and Manganelli 2004): violations regressed on a constant, four lags and the
//!   forecast, χ²(6);
//! - `z2` (Acerbi and Székely 2014, the second test): 1 − Σ r/e over violations / (np), nothing where ES
//!   holds, negative where losses are worse; its p-value is one-sided from its own standard error;
//! - quantile loss: mean (p − [r < q])·(r − q); FZ0 (Fissler and Ziegel 2016; Patton, Ziegel and Chen 2019):
//!   mean −[r < q](q − r)/(pe) + q/e + ln(−e) − 1; the lower the better;
//! - traffic light (Basel Committee 1996): the last 250 forecasts are green where so few violations have a
//!   probability below 95 %, yellow below 99.99 %, red above.

use crate::maths::distribution::normal_cdf;
use crate::maths::linear::cholesky;
use crate::maths::special::{beta_regularised, gamma_upper};
use serde::Serialize;

/// Fewer periods say nothing.
pub const PERIODS_MIN: usize = 50;
/// Periods that the traffic light looks at.
const LIGHT: usize = 250;
/// Lags of the dynamic quantile test.
const LAGS: usize = 4;
/// A p-value below this rejects.
pub const SIGNIFICANCE: f64 = 0.05;

/// A forecast for one period, positive for a loss, in the returns' units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Value at risk.
    pub var: f64,
    /// Expected shortfall.
    pub es: f64,
}

/// A statistic and the probability of one as great where forecasts hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// Statistic.
    pub statistic: f64,
    /// p-value.
    pub p: f64,
}

/// Basel's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// As it should be.
    Green,
    /// Doubtful.
    Yellow,
    /// The model understates risk.
    Red,
}

/// The traffic light.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Light {
    /// Colour.
    pub zone: Zone,
    /// Periods looked at.
    pub periods: usize,
    /// Violations among them.
    pub violations: usize,
    /// Probability of at most so many.
    pub probability: f64,
}

/// Periods without (0) and with (1) a violation, after one without and with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Transitions {
    /// None after none.
    pub n00: usize,
    /// One after none.
    pub n01: usize,
    /// None after one.
    pub n10: usize,
    /// One after one.
    pub n11: usize,
}

/// What the tests say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Periods.
    pub n: usize,
    /// Losses beyond VaR.
    pub violations: usize,
    /// np.
    pub expected: f64,
    /// Kupiec.
    pub kupiec: Test,
    /// Christoffersen, independence.
    pub independence: Test,
    /// Christoffersen, both at once.
    pub conditional: Test,
    /// Engle and Manganelli; none where the regression is singular.
    pub dynamic_quantile: Option<Test>,
    /// Pairs of neighbouring periods.
    pub transitions: Transitions,
    /// Acerbi and Székely's Z₂ and its one-sided p-value.
    pub z2: Test,
    /// Mean quantile loss.
    pub quantile_loss: f64,
    /// Mean FZ0 loss.
    pub fz0_loss: f64,
    /// Basel.
    pub traffic_light: Light,
    /// Neither coverage test, nor independence together with it, rejects at 5 %.
    pub passes: bool,
}

/// Why nothing was judged.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BacktestError {
    /// Too few.
    #[error("{0} forecasts; a back-test needs at least {PERIODS_MIN}")]
    Few(usize),
    /// Not as many returns as forecasts.
    #[error("{forecasts} forecasts beside {returns} returns")]
    Length {
        /// Forecasts.
        forecasts: usize,
        /// Returns.
        returns: usize,
    },
    /// A forecast that cannot be judged.
    #[error("forecast {index}: VaR {var}, ES {es}; both must be numbers, ES above zero")]
    Forecast {
        /// Which, from zero.
        index: usize,
        /// VaR.
        var: f64,
        /// ES.
        es: f64,
    },
    /// No level.
    #[error("level {0}: give one between 0 and 1, as 0.99")]
    Level(f64),
}

/// Judges forecasts by the returns that came.
///
/// # Errors
/// Lengths that differ, too few periods, forecasts that are no numbers or whose shortfall is a gain.
pub fn judge(
    returns: &[f64],
    forecasts: &[Forecast],
    level: f64,
) -> Result<Verdict, BacktestError> {
    let n = returns.len();
    if !(level > 0.0 && level < 1.0) {
        return Err(BacktestError::Level(level));
    }
    if n != forecasts.len() {
        return Err(BacktestError::Length { forecasts: forecasts.len(), returns: n });
    }
    if n < PERIODS_MIN {
        return Err(BacktestError::Few(n));
    }
    let unsound = |f: &Forecast| !(f.var.is_finite() && f.es.is_finite() && f.es > 0.0);
    if let Some(index) = forecasts.iter().position(unsound) {
        let Forecast { var, es } = forecasts[index];
        return Err(BacktestError::Forecast { index, var, es });
    }
    let p = 1.0 - level;
    let hits: Vec<bool> = returns.iter().zip(forecasts).map(|(r, f)| *r < -f.var).collect();
    let violations = count(&hits);
    let transitions = transitions(&hits);
    let kupiec = coverage(n, violations, p);
    let independence = independence(transitions);
    let both = kupiec.statistic + independence.statistic;
    let conditional = Test { statistic: both, p: chi_square(2.0, both) };
    let mean = |f: &dyn Fn(f64, &Forecast) -> f64| {
        returns.iter().zip(forecasts).map(|(r, forecast)| f(*r, forecast)).sum::<f64>() / n as f64
    };
    let passes = kupiec.p >= SIGNIFICANCE && conditional.p >= SIGNIFICANCE;
    Ok(Verdict {
        n,
        violations,
        expected: n as f64 * p,
        kupiec,
        independence,
        conditional,
        dynamic_quantile: dynamic_quantile(&hits, forecasts, p),
        transitions,
        z2: shortfall(returns, forecasts, p),
        quantile_loss: mean(&|r, f| (p - f64::from(u8::from(r < -f.var))) * (r + f.var)),
        fz0_loss: mean(&|r, f| {
            let beyond = if r < -f.var { -f.var - r } else { 0.0 };
            beyond / (p * f.es) + f.var / f.es + f.es.ln() - 1.0
        }),
        traffic_light: light(&hits, p),
        passes,
    })
}

fn count(hits: &[bool]) -> usize {
    hits.iter().filter(|hit| **hit).count()
}

/// Probability beyond x.
fn chi_square(freedom: f64, x: f64) -> f64 {
    gamma_upper(0.5 * freedom, 0.5 * x.max(0.0))
}

/// k·ln p, nothing where k is.
fn part(k: usize, p: f64) -> f64 {
    if k == 0 { 0.0 } else { k as f64 * p.ln() }
}

fn coverage(n: usize, x: usize, p: f64) -> Test {
    let share = x as f64 / n as f64;
    let likelihood = |p: f64| part(n - x, 1.0 - p) + part(x, p);
    let statistic = -2.0 * (likelihood(p) - likelihood(share));
    Test { statistic, p: chi_square(1.0, statistic) }
}

fn transitions(hits: &[bool]) -> Transitions {
    let mut t = Transitions::default();
    for pair in hits.windows(2) {
        match (pair[0], pair[1]) {
            (false, false) => t.n00 += 1,
            (false, true) => t.n01 += 1,
            (true, false) => t.n10 += 1,
            (true, true) => t.n11 += 1,
        }
    }
    t
}

fn independence(t: Transitions) -> Test {
    let (calm, hit) = (t.n00 + t.n01, t.n10 + t.n11);
    // without a violation, or without a calm period, there is nothing to depend on
    if calm == 0 || hit == 0 {
        return Test { statistic: 0.0, p: 1.0 };
    }
    let share = |k: usize, of: usize| k as f64 / of as f64;
    let (after_calm, after_hit) = (share(t.n01, calm), share(t.n11, hit));
    let any = share(t.n01 + t.n11, calm + hit);
    let one = part(t.n00 + t.n10, 1.0 - any) + part(t.n01 + t.n11, any);
    let two = part(t.n00, 1.0 - after_calm)
        + part(t.n01, after_calm)
        + part(t.n10, 1.0 - after_hit)
        + part(t.n11, after_hit);
    let statistic = -2.0 * (one - two);
    Test { statistic, p: chi_square(1.0, statistic) }
}

/// b′X′Xb/(p(1 − p)) with b the regression of hits minus p on a constant, lagged hits and VaR.
fn dynamic_quantile(hits: &[bool], forecasts: &[Forecast], p: f64) -> Option<Test> {
    const WIDTH: usize = LAGS + 2;
    let hit = |at: usize| f64::from(u8::from(hits[at])) - p;
    // VaR by its own mean, so that units do not matter
    let scale = forecasts.iter().map(|f| f.var.abs()).sum::<f64>() / forecasts.len() as f64;
    let (mut gram, mut by) = ([0.0; WIDTH * WIDTH], [0.0; WIDTH]);
    for (at, forecast) in forecasts.iter().enumerate().skip(LAGS) {
        let mut row = [1.0; WIDTH];
        (1..=LAGS).for_each(|lag| row[lag] = hit(at - lag));
        row[WIDTH - 1] = forecast.var / scale;
        for i in 0..WIDTH {
            by[i] += row[i] * hit(at);
            (0..WIDTH).for_each(|j| gram[i * WIDTH + j] += row[i] * row[j]);
        }
    }
    // with G = LL′ the statistic is |L⁻¹X′h|²
    let factor = cholesky(&gram, WIDTH).ok()?;
    let mut solved = [0.0; WIDTH];
    for i in 0..WIDTH {
        let known: f64 = (0..i).map(|k| factor[i * WIDTH + k] * solved[k]).sum();
        solved[i] = (by[i] - known) / factor[i * WIDTH + i];
    }
    let statistic = solved.iter().map(|x| x * x).sum::<f64>() / (p * (1.0 - p));
    Some(Test { statistic, p: chi_square(WIDTH as f64, statistic) })
}

fn shortfall(returns: &[f64], forecasts: &[Forecast], p: f64) -> Test {
    let n = returns.len() as f64;
    let terms = returns.iter().zip(forecasts);
    let terms = terms.map(|(r, f)| if *r < -f.var { -r / (p * f.es) } else { 0.0 });
    let (sum, squares) = terms.fold((0.0, 0.0), |(sum, squares), t| (sum + t, squares + t * t));
    let mean = sum / n;
    let error = ((squares / n - mean * mean).max(0.0) / n).sqrt();
    let statistic = 1.0 - mean;
    // without a violation losses were no worse than said
    Test { statistic, p: if error > 0.0 { normal_cdf(statistic / error) } else { 1.0 } }
}

fn light(hits: &[bool], p: f64) -> Light {
    let last = &hits[hits.len() - hits.len().min(LIGHT)..];
    let (periods, violations) = (last.len(), count(last));
    // P(X ≤ x) of a binomial
    let probability = if violations >= periods {
        1.0
    } else {
        beta_regularised((periods - violations) as f64, violations as f64 + 1.0, 1.0 - p)
    };
    let zone = match probability {
        low if low < 0.95 => Zone::Green,
        middle if middle < 0.9999 => Zone::Yellow,
        _ => Zone::Red,
    };
    Light { zone, periods, violations, probability }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns of −2 at the places given, of 0.5 elsewhere; VaR 1, ES 2.
    fn story(n: usize, places: &[usize]) -> (Vec<f64>, Vec<Forecast>) {
        let mut returns = vec![0.5; n];
        places.iter().for_each(|&at| returns[at] = -2.0);
        (returns, vec![Forecast { var: 1.0, es: 2.0 }; n])
    }

    #[test]
    fn counts_on_paper() {
        let (returns, forecasts) = story(100, &[10, 11, 50]);
        let verdict = judge(&returns, &forecasts, 0.95).expect("sound");
        assert_eq!((verdict.violations, verdict.expected.round()), (3, 5.0));
        let t = Transitions { n00: 95, n01: 2, n10: 1, n11: 1 };
        // the last violation is followed by calm, the first by another
        assert_eq!(verdict.transitions, Transitions { n10: 2, n00: 94, ..t });
        let likelihood = |p: f64| 97.0 * (1.0 - p).ln() + 3.0 * p.ln();
        let wanted = 2.0 * (likelihood(0.03) - likelihood(0.05));
        assert!((verdict.kupiec.statistic - wanted).abs() < 1e-12);
        // χ²(1) beyond x is twice the normal's tail beyond √x
        let tail = 2.0 * normal_cdf(-wanted.sqrt());
        assert!((verdict.kupiec.p - tail).abs() < 1e-12);
        let both = verdict.conditional;
        assert!((both.p - (-0.5 * both.statistic).exp()).abs() < 1e-12);
        // 3 losses of exactly ES beside 5 expected
        assert!((verdict.z2.statistic - 0.4).abs() < 1e-12);
        // 97·0.05·1.5 + 3·0.95·1, over 100
        assert!((verdict.quantile_loss - 0.101_25).abs() < 1e-12);
        let fz0 = 0.03 / (0.05 * 2.0) + 0.5 + 2.0_f64.ln() - 1.0;
        assert!((verdict.fz0_loss - fz0).abs() < 1e-12);
        assert!(verdict.passes);
    }

    #[test]
    fn basels_table() {
        // 250 days at 99 %: green to four, yellow to nine, red from ten
        for (violations, zone) in [
            (0, Zone::Green),
            (4, Zone::Green),
            (5, Zone::Yellow),
            (9, Zone::Yellow),
            (10, Zone::Red),
        ] {
            let places: Vec<usize> = (0..violations).map(|k| 100 + 20 * k).collect();
            let (returns, forecasts) = story(300, &places);
            let verdict = judge(&returns, &forecasts, 0.99).expect("sound");
            assert_eq!(verdict.traffic_light.zone, zone, "{violations}");
        }
        let (returns, forecasts) = story(250, &[1, 40, 80, 120]);
        let light = judge(&returns, &forecasts, 0.99).expect("sound").traffic_light;
        // the Committee's cumulative probability of four exceptions
        assert!((light.probability - 0.8922).abs() < 5e-5);
    }

    #[test]
    fn clusters_and_shallow_forecasts_are_rejected() {
        let cluster: Vec<usize> = (200..210).collect();
        let (returns, forecasts) = story(1_000, &cluster);
        // VaR that varies, or it says no more than the constant
        let vary =
            |(at, f): (usize, &Forecast)| Forecast { var: 1.0 + 0.1 * (at % 7) as f64, ..*f };
        let forecasts: Vec<Forecast> = forecasts.iter().enumerate().map(vary).collect();
        let verdict = judge(&returns, &forecasts, 0.99).expect("sound");
        assert!(verdict.kupiec.p > 0.9 && verdict.independence.p < 1e-6 && !verdict.passes);
        assert!(verdict.dynamic_quantile.is_some_and(|test| test.p < 1e-6));
        let spread: Vec<usize> = (0..30).map(|k| 30 * k).collect();
        let (returns, forecasts) = story(1_000, &spread);
        let verdict = judge(&returns, &forecasts, 0.99).expect("sound");
        assert!(verdict.kupiec.p < 1e-6 && verdict.z2.p < 1e-3 && verdict.z2.statistic < -1.9);
    }

    #[test]
    fn sound_forecasts_pass_as_often_as_they_should() {
        // uniform violations of probability 5 %, by a generator of the test's own; VaR that varies
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / 9_007_199_254_740_992.0
        };
        let mut rejected = [0; 4];
        let runs = 1_000;
        for _ in 0..runs {
            let scales: Vec<f64> = (0..500).map(|_| 0.5 + uniform()).collect();
            // r = s(u − ½): the lower 5 % lie below −0.45s, their mean is −0.475s
            let returns: Vec<f64> = scales.iter().map(|s| s * (uniform() - 0.5)).collect();
            let forecasts: Vec<Forecast> =
                scales.iter().map(|s| Forecast { var: 0.45 * s, es: 0.475 * s }).collect();
            let verdict = judge(&returns, &forecasts, 0.95).expect("sound");
            let dynamic = verdict.dynamic_quantile.expect("regular");
            let tests = [verdict.kupiec.p, verdict.conditional.p, dynamic.p, verdict.z2.p];
            tests.iter().zip(&mut rejected).for_each(|(p, k)| *k += u32::from(*p < 0.05));
        }
        // 50 of 1 000 are expected, ±14 at two deviations; small samples miss by some
        assert!(rejected.iter().all(|k| (25..=95).contains(k)), "{rejected:?}");
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let (returns, mut forecasts) = story(100, &[]);
        assert_eq!(judge(&returns[..10], &forecasts[..10], 0.99), Err(BacktestError::Few(10)));
        assert!(matches!(
            judge(&returns[..60], &forecasts, 0.99),
            Err(BacktestError::Length { forecasts: 100, returns: 60 })
        ));
        assert_eq!(judge(&returns, &forecasts, 1.0), Err(BacktestError::Level(1.0)));
        forecasts[7].es = f64::NAN;
        assert!(matches!(
            judge(&returns, &forecasts, 0.99),
            Err(BacktestError::Forecast { index: 7, .. })
        ));
    }
}
