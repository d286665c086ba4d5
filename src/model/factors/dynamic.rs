//! Slopes that move: y_t = x_t'β_t + e_t, β_t = β_{t−1} + u_t, by a Kalman filter (Kalman 1960; Harvey 1989,
//! section 3.4).
//!
//! x is a constant and the given factors. Each coefficient's step has its own size; the sizes, as shares of
//! the residual's variance, are those of greatest likelihood, the residual's variance itself comes out of the
//! same filter. The start is diffuse: β₀ unknown, as wide as a million of the residual's variance in units
//! of the factors; the likelihood counts from the row on at which β is known.
//! A size of nothing is a regression: the filter's last β is then the least squares'.

use crate::maths::minimise::{Status, bfgs};
use crate::maths::regression::{RegressionError, regress};
use faer::Mat;
use faer::linalg::solvers::Solve;

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Dynamic {
    /// Constant and slopes at every row, by what was known until its end, `[row][coefficient]`.
    pub filtered: Vec<Vec<f64>>,
    /// The same by all rows.
    pub smoothed: Vec<Vec<f64>>,
    /// Standard errors of the last.
    pub errors: Vec<f64>,
    /// Deviation of a coefficient's step.
    pub steps: Vec<f64>,
    /// Variance of the residual.
    pub variance: f64,
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// The same where no coefficient moves.
    pub constant: f64,
    /// Whether the search came to rest.
    pub converged: bool,
}

/// ln of the steps' variance over the residual's, for factors of variance one: searched from here.
const STARTS: [f64; 3] = [-12.0, -8.0, -5.0];
/// Below this a coefficient stands still; above that it is all there is.
const LOGS: (f64, f64) = (-23.0, 5.0);
/// The start's variance over the residual's.
const DIFFUSE: f64 = 1e6;
const STEPS_MAX: usize = 60;
/// Step of the slopes' differences, in ln.
const APART: f64 = 1e-4;

/// Fits one asset on factors.
///
/// # Errors
/// Too few rows, factors that make each other up.
pub fn fit(y: &[f64], factors: &[Vec<f64>]) -> Result<Dynamic, RegressionError> {
    let plain = regress(y, factors)?;
    if y.len() < 3 * (factors.len() + 2) {
        let (rows, needed) = (y.len(), 3 * (factors.len() + 2));
        return Err(RegressionError::FewToMove { rows, needed });
    }
    // in units of the residual and of each factor's own size
    let unit = (plain.residuals.iter().map(|e| e * e).sum::<f64>() / y.len() as f64).sqrt();
    let unit = if unit > 0.0 { unit } else { 1.0 };
    let size = |x: &Vec<f64>| (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
    let sizes: Vec<f64> = std::iter::once(1.0).chain(factors.iter().map(size)).collect();
    let scaled = Scaled {
        y: y.iter().map(|y| y / unit).collect(),
        x: (0..y.len())
            .map(|row| {
                let rest = factors.iter().zip(&sizes[1..]).map(|(f, size)| f[row] / size);
                std::iter::once(1.0).chain(rest).collect()
            })
            .collect(),
    };
    let many = sizes.len();
    let still = scaled.likelihood(&vec![f64::NEG_INFINITY; many]).0;
    let rows = y.len() as f64;
    let value = |point: &[f64]| {
        let logs: Vec<f64> = point.iter().map(|p| p.clamp(LOGS.0, LOGS.1)).collect();
        // a little beyond the bounds costs, so that the search comes back
        let beyond: f64 = point.iter().zip(&logs).map(|(p, l)| (p - l).powi(2)).sum();
        -scaled.likelihood(&logs).0 / rows + 1e-3 * beyond
    };
    let mut objective = |point: &[f64], slope: &mut [f64]| {
        for k in 0..point.len() {
            let at = |by: f64| {
                let mut moved = point.to_vec();
                moved[k] += by;
                value(&moved)
            };
            slope[k] = (at(APART) - at(-APART)) / (2.0 * APART);
        }
        value(point)
    };
    let found = STARTS.map(|start| bfgs(&mut objective, &vec![start; many], STEPS_MAX));
    let best = found.into_iter().min_by(|a, b| a.value.total_cmp(&b.value));
    let best = best.expect("Invariant: there are starts");
    let logs: Vec<f64> = best
        .point
        .iter()
        .map(|p| if *p <= LOGS.0 + 1.0 { f64::NEG_INFINITY } else { p.min(LOGS.1) })
        .collect();
    // where nothing gains on standing still, it stands still
    let (likelihood, _) = scaled.likelihood(&logs);
    let logs = if likelihood > still { logs } else { vec![f64::NEG_INFINITY; many] };
    let (likelihood, variance) = scaled.likelihood(&logs);
    let (filtered, smoothed, spread) = scaled.states(&logs);
    let back = |states: Vec<Vec<f64>>| {
        let one =
            |state: Vec<f64>| state.iter().zip(&sizes).map(|(b, size)| b * unit / size).collect();
        states.into_iter().map(one).collect::<Vec<Vec<f64>>>()
    };
    let deviation = variance.sqrt() * unit;
    let step = |(log, size): (&f64, &f64)| deviation * (0.5 * log).exp() / size;
    Ok(Dynamic {
        filtered: back(filtered),
        smoothed: back(smoothed),
        errors: spread.iter().zip(&sizes).map(|(v, size)| deviation * v.sqrt() / size).collect(),
        steps: logs.iter().zip(&sizes).map(step).collect(),
        variance: deviation * deviation,
        // densities per unit of y
        log_likelihood: likelihood - rows * unit.ln(),
        constant: still - rows * unit.ln(),
        converged: best.status == Status::Converged,
    })
}

struct Scaled {
    y: Vec<f64>,
    x: Vec<Vec<f64>>,
}

/// One step of the filter, in units of the residual's variance.
struct Step<'a> {
    /// Coefficients expected before the row.
    expected: &'a [f64],
    /// How far they may be off.
    before: &'a Mat<f64>,
    /// What an error of one moves them by, times its variance.
    gained: &'a [f64],
    /// How far the row was from what was expected.
    error: f64,
    /// Of that error.
    variance: f64,
}

impl Step<'_> {
    fn state(&self) -> Vec<f64> {
        let moved = self.gained.iter().map(|g| g * self.error / self.variance);
        self.expected.iter().zip(moved).map(|(b, by)| b + by).collect()
    }

    fn after(&self) -> Mat<f64> {
        let n = self.gained.len();
        Mat::from_fn(n, n, |i, j| {
            self.before[(i, j)] - self.gained[i] * self.gained[j] / self.variance
        })
    }
}

impl Scaled {
    /// Walks the rows.
    fn walk(&self, logs: &[f64], mut each: impl FnMut(&Step)) {
        let many = logs.len();
        let steps: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let (mut state, mut gained) = (vec![0.0; many], vec![0.0; many]);
        let mut spread = Mat::<f64>::from_fn(many, many, |i, j| if i == j { DIFFUSE } else { 0.0 });
        for (y, x) in self.y.iter().zip(&self.x) {
            (0..many).for_each(|k| spread[(k, k)] += steps[k]);
            for i in 0..many {
                gained[i] = (0..many).map(|j| spread[(i, j)] * x[j]).sum();
            }
            let variance = 1.0 + x.iter().zip(&gained).map(|(x, g)| x * g).sum::<f64>();
            let error = y - x.iter().zip(&state).map(|(x, b)| x * b).sum::<f64>();
            each(&Step { expected: &state, before: &spread, gained: &gained, error, variance });
            for i in 0..many {
                state[i] += gained[i] * error / variance;
                for j in 0..many {
                    spread[(i, j)] -= gained[i] * gained[j] / variance;
                }
            }
        }
    }

    /// Log likelihood with the residual's variance at its best, and that variance; the first rows, as many as
    /// there are coefficients, only start the filter.
    fn likelihood(&self, logs: &[f64]) -> (f64, f64) {
        let (mut square, mut logarithms, mut row) = (0.0, 0.0, 0);
        self.walk(logs, |step| {
            if row >= logs.len() {
                square += step.error * step.error / step.variance;
                logarithms += step.variance.ln();
            }
            row += 1;
        });
        let count = (self.y.len() - logs.len()) as f64;
        let variance = (square / count).max(f64::MIN_POSITIVE);
        let constant = (2.0 * std::f64::consts::PI * variance).ln() + 1.0;
        (-0.5 * (count * constant + logarithms), variance)
    }

    /// Filtered and smoothed states (Rauch, Tung and Striebel 1965), and the last's variances.
    fn states(&self, logs: &[f64]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<f64>) {
        let many = logs.len();
        let (mut filtered, mut expected) = (Vec::new(), Vec::new());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.walk(logs, |step| {
            filtered.push(step.state());
            expected.push(step.expected.to_vec());
            before.push(step.before.clone());
            after.push(step.after());
        });
        let last = &after[after.len() - 1];
        let spread = (0..many).map(|k| last[(k, k)].max(0.0)).collect();
        let mut smoothed = filtered.clone();
        for row in (0..filtered.len() - 1).rev() {
            let next = &smoothed[row + 1];
            let apart = Mat::from_fn(many, 1, |k, _| next[k] - expected[row + 1][k]);
            let moved = &after[row] * before[row + 1].partial_piv_lu().solve(apart);
            (0..many).for_each(|k| smoothed[row][k] += moved[(k, 0)]);
        }
        (filtered, smoothed, spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    fn drawn(rows: usize, step: f64, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut random = Random::new(seed, 0);
        let (mut beta, mut all) = (1.0, (Vec::new(), Vec::new(), Vec::new()));
        for _ in 0..rows {
            beta += step * random.normal();
            let x = 0.01 * random.normal();
            all.0.push(beta * x + 0.005 * random.normal());
            all.1.push(x);
            all.2.push(beta);
        }
        all
    }

    #[test]
    fn slopes_that_stand_still_are_the_regressions() {
        let (y, x, _) = drawn(1_500, 0.0, 3);
        let found = fit(&y, std::slice::from_ref(&x)).expect("fits");
        let plain = regress(&y, &[x]).expect("fits");
        let last = &found.filtered[1_499];
        assert!((last[1] - plain.slopes[0]).abs() < 0.05, "{last:?} {plain:?}");
        assert!(found.steps[1] < 0.02, "{:?}", found.steps);
        assert!(found.log_likelihood >= found.constant);
        // with no step at all it is the regression but for the start's width
        let scaled = Scaled {
            y: y.iter().map(|y| y / 0.005).collect(),
            x: (0..1_500).map(|t| vec![1.0, 1.0 + f64::from(t)]).collect(),
        };
        let (states, ..) = scaled.states(&[f64::NEG_INFINITY; 2]);
        let line: Vec<f64> = (0..1_500).map(|t| 1.0 + f64::from(t)).collect();
        let slow = regress(&scaled.y, &[line]).expect("fits");
        assert!((states[1_499][1] - slow.slopes[0]).abs() < 1e-6 * slow.slopes[0].abs().max(1e-3));
    }

    #[test]
    fn slopes_that_move_are_followed() {
        let (y, x, beta) = drawn(2_000, 0.03, 5);
        let found = fit(&y, &[x]).expect("fits");
        assert!((found.steps[1] / 0.03 - 1.0).abs() < 0.5, "{:?}", found.steps);
        let error = |states: &[Vec<f64>]| {
            let square = states.iter().zip(&beta).skip(100).map(|(s, b)| (s[1] - b).powi(2));
            (square.sum::<f64>() / 1_900.0).sqrt()
        };
        let (filtered, smoothed) = (error(&found.filtered), error(&found.smoothed));
        assert!(smoothed < filtered && filtered < 0.25, "{smoothed} {filtered}");
        assert!(found.log_likelihood > found.constant + 50.0);
        // the last state is the same by both, and its error is of the size that it has
        assert!((found.smoothed[1_999][1] - found.filtered[1_999][1]).abs() < 1e-12);
        assert!((found.filtered[1_999][1] - beta[1_999]).abs() < 4.0 * found.errors[1]);
    }

    #[test]
    fn too_few_rows_are_refused() {
        let (y, x, _) = drawn(8, 0.0, 1);
        assert!(matches!(fit(&y, &[x]), Err(RegressionError::FewToMove { needed: 9, .. })));
    }
}
