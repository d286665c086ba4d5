//! Dynamic conditional correlation (Engle 2002) by composite likelihood (Pakel, Shephard, Sheppard and Engle
//! 2021).
//!
//! Columns of returns → a GARCH fit each → standardised residuals z → Q_t = (1 − a − b)·S + a·z z' +
//! b·Q_{t−1}, S their second moments, R_t = Q_t scaled to ones on its diagonal. a and b are greatest in the
//! sum of the normal log likelihoods of neighbouring pairs, which costs rows·assets where the whole
//! likelihood costs rows·assets³, and does not sink towards a = 0 as assets grow. Errors are the sandwich
//! of composite scores; what the first step estimated is taken as given.

use super::garch::{self, Family, Fit, FitError, Spec, Volatility};
use crate::maths::minimise::{Status, bfgs};
use faer::Mat;
use std::ops::RangeInclusive;

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Dcc {
    /// The assets' own fits.
    pub fits: Vec<Fit>,
    /// News.
    pub a: f64,
    /// Memory.
    pub b: f64,
    /// Their standard errors; no number at a limit.
    pub errors: [f64; 2],
    /// Sum over pairs and rows of the correlation's part of the log likelihood.
    pub composite: f64,
    /// Whether the search came to rest.
    pub converged: bool,
    /// Limits that the parameters stand at.
    pub boundary: Vec<&'static str>,
    /// S, scaled to a correlation.
    pub mean: Mat<f64>,
    /// Of the first period after the sample.
    pub next: Mat<f64>,
    second_moments: Mat<f64>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DccError {
    /// One asset.
    #[error("correlation needs at least 2 assets")]
    One,
    /// An asset's own volatility.
    #[error("asset {at}: {error}")]
    Fit {
        /// Which, from zero.
        at: usize,
        /// Why.
        error: FitError,
    },
    /// An asset whose fit is of no use.
    #[error(
        "asset {at}: its standardised residuals have a mean square of {square:.3e}, not of one: the fitted \
         variance vanishes where many returns are the same; leave the asset or those rows out"
    )]
    Level {
        /// Which, from zero.
        at: usize,
        /// What came of it.
        square: f64,
    },
}

/// a + b stays below this.
const PERSISTENCE_MAX: f64 = 0.999_9;
const STEPS_MAX: usize = 200;
/// Mean squares that standardised residuals may have; heavy tails stay well inside.
const SQUARES: RangeInclusive<f64> = 0.2..=5.0;
/// Below this a says nothing.
const NEWS_MIN: f64 = 1e-5;

/// Fits volatilities (GARCH(1,1) with these shocks) and then the correlations' two parameters.
///
/// # Errors
/// Fewer than two assets, or one whose volatility cannot be fitted.
pub fn fit(columns: &[Vec<f64>], family: Family) -> Result<Dcc, DccError> {
    if columns.len() < 2 {
        return Err(DccError::One);
    }
    let spec = Spec::new(Volatility::Garch, family);
    let one = |(at, column): (usize, &Vec<f64>)| {
        garch::fit(column, spec).map_err(|error| DccError::Fit { at, error })
    };
    let fits = columns.iter().enumerate().map(one).collect::<Result<Vec<Fit>, DccError>>()?;
    for (at, fit) in fits.iter().enumerate() {
        let rows = fit.standardised.len() as f64;
        let square = fit.standardised.iter().map(|z| z * z).sum::<f64>() / rows;
        if !SQUARES.contains(&square) {
            return Err(DccError::Level { at, square });
        }
    }
    Ok(correlate(fits))
}

/// The second step: correlations of standardised residuals.
fn correlate(fits: Vec<Fit>) -> Dcc {
    let shocks: Vec<&[f64]> = fits.iter().map(|fit| fit.standardised.as_slice()).collect();
    let pairs = Pairs::new(&shocks);
    let rows = shocks[0].len() as f64;
    let scale = 1.0 / (rows * pairs.moments.len() as f64);
    let objective = |point: &[f64], slope: &mut [f64]| {
        let free = Free::of(point);
        let (value, natural) = pairs.likelihood(free.a, free.b);
        free.chain(natural, slope);
        slope.iter_mut().for_each(|g| *g *= -scale);
        if value.is_finite() { -value * scale } else { f64::INFINITY }
    };
    let starts = [(0.02, 0.98), (0.05, 0.9), (0.01, 0.6)];
    let found = starts
        .map(|(news, persistence)| bfgs(objective, &Free::start(news, persistence), STEPS_MAX));
    let best = found.into_iter().min_by(|x, y| x.value.total_cmp(&y.value));
    let best = best.expect("Invariant: there are starts");
    let Free { a, b, .. } = Free::of(&best.point);
    let mut boundary = Vec::new();
    if a < NEWS_MIN {
        boundary.push("a = 0: correlations are constant, b says nothing");
    }
    if a + b > PERSISTENCE_MAX - 1e-6 {
        boundary.push("a + b at its greatest: correlations never return");
    }
    let second_moments = second_moments(&shocks);
    let next = scaled(&last(&shocks, &second_moments, a, b));
    Dcc {
        a,
        b,
        errors: if boundary.is_empty() { pairs.errors(a, b) } else { [f64::NAN; 2] },
        composite: -best.value / scale,
        converged: best.status == Status::Converged,
        boundary,
        mean: scaled(&second_moments),
        next,
        second_moments,
        fits,
    }
}

impl Dcc {
    /// Correlations of the period so many after the sample, the next being 1: Q decays to S by a + b a period
    /// (Engle and Sheppard 2001).
    #[must_use]
    pub fn forecast(&self, period: usize) -> Mat<f64> {
        let decay = (self.a + self.b).powi(i32::try_from(period.max(1) - 1).unwrap_or(i32::MAX));
        let n = self.mean.nrows();
        Mat::from_fn(n, n, |i, j| decay * self.next[(i, j)] + (1.0 - decay) * self.mean[(i, j)])
    }

    /// Covariance of the next period, in the returns' units.
    #[must_use]
    pub fn covariance(&self) -> Mat<f64> {
        let deviations: Vec<f64> = self.fits.iter().map(|fit| fit.next_variance.sqrt()).collect();
        let n = deviations.len();
        Mat::from_fn(n, n, |i, j| self.next[(i, j)] * deviations[i] * deviations[j])
    }

    /// Correlation of a pair at every row, by what was known before it.
    #[must_use]
    pub fn path(&self, i: usize, j: usize) -> Vec<f64> {
        let (x, y) = (&self.fits[i].standardised, &self.fits[j].standardised);
        let s = [(i, i), (j, j), (i, j)].map(|at| self.second_moments[at]);
        let (a, b) = (self.a, self.b);
        let mut q = s;
        let mut path = Vec::with_capacity(x.len());
        for (x, y) in x.iter().zip(y) {
            path.push(q[2] / (q[0] * q[1]).sqrt());
            let news = [x * x, y * y, x * y];
            for k in 0..3 {
                q[k] = (1.0 - a - b) * s[k] + a * news[k] + b * q[k];
            }
        }
        path
    }
}

fn second_moments(shocks: &[&[f64]]) -> Mat<f64> {
    let (n, rows) = (shocks.len(), shocks[0].len() as f64);
    let product =
        |i: usize, j: usize| shocks[i].iter().zip(shocks[j]).map(|(x, y)| x * y).sum::<f64>();
    let mut moments = Mat::zeros(n, n);
    for i in 0..n {
        for j in 0..=i {
            moments[(i, j)] = product(i, j) / rows;
            moments[(j, i)] = moments[(i, j)];
        }
    }
    moments
}

/// Q after the last row.
fn last(shocks: &[&[f64]], s: &Mat<f64>, a: f64, b: f64) -> Mat<f64> {
    let n = shocks.len();
    let mut q = s.clone();
    let mut z = vec![0.0; n];
    for row in 0..shocks[0].len() {
        z.iter_mut().zip(shocks).for_each(|(z, shocks)| *z = shocks[row]);
        for j in 0..n {
            for i in 0..n {
                let news = z[i] * z[j];
                q[(i, j)] = (1.0 - a - b) * s[(i, j)] + a * news + b * q[(i, j)];
            }
        }
    }
    q
}

fn scaled(q: &Mat<f64>) -> Mat<f64> {
    let n = q.nrows();
    Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { q[(i, j)] / (q[(i, i)] * q[(j, j)]).sqrt() })
}

/// Parameters without bounds: the persistence and the news' share of it, both through a logistic curve.
struct Free {
    a: f64,
    b: f64,
    /// ∂(a, b) by the two.
    slopes: [[f64; 2]; 2],
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Free {
    fn of(point: &[f64]) -> Free {
        let (l, share) = (logistic(point[0]), logistic(point[1]));
        let persistence = PERSISTENCE_MAX * l;
        let by_first = PERSISTENCE_MAX * l * (1.0 - l);
        let by_second = persistence * share * (1.0 - share);
        Free {
            a: persistence * share,
            b: persistence * (1.0 - share),
            slopes: [[by_first * share, by_first * (1.0 - share)], [by_second, -by_second]],
        }
    }

    fn start(news: f64, persistence: f64) -> [f64; 2] {
        let logit = |p: f64| (p / (1.0 - p)).ln();
        [logit(persistence / PERSISTENCE_MAX), logit(news / persistence)]
    }

    fn chain(&self, natural: [f64; 2], to: &mut [f64]) {
        for (slope, by) in to.iter_mut().zip(self.slopes) {
            *slope = natural[0] * by[0] + natural[1] * by[1];
        }
    }
}

/// Neighbouring assets, two by two.
struct Pairs<'a> {
    shocks: &'a [&'a [f64]],
    /// S of each pair: first, second, both.
    moments: Vec<[f64; 3]>,
}

/// Correlation's part of the log likelihood of one row, and its slopes in a and b.
type Term = (f64, [f64; 2]);

impl Pairs<'_> {
    fn new<'a>(shocks: &'a [&'a [f64]]) -> Pairs<'a> {
        let mean = |x: &[f64], y: &[f64]| {
            x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64
        };
        let moments = shocks.windows(2).map(|pair| {
            let (x, y) = (pair[0], pair[1]);
            [mean(x, x), mean(y, y), mean(x, y)]
        });
        Pairs { shocks, moments: moments.collect() }
    }

    /// Walks a pair through its rows.
    fn walk(&self, pair: usize, a: f64, b: f64, mut each: impl FnMut(usize, Term)) {
        let s = self.moments[pair];
        let (mut q, mut by_a, mut by_b) = (s, [0.0; 3], [0.0; 3]);
        let rows = self.shocks[pair].iter().zip(self.shocks[pair + 1]);
        for (row, (&x, &y)) in rows.enumerate() {
            let inverse = 1.0 / (q[0] * q[1]);
            let rho = q[2] * inverse.sqrt();
            // ∂ρ/∂q: −ρ/2q₁₁, −ρ/2q₂₂, 1/√(q₁₁q₂₂)
            let slope = |by: &[f64; 3]| {
                by[2] * inverse.sqrt() - 0.5 * rho * inverse * (by[0] * q[1] + by[1] * q[0])
            };
            let left = 1.0 - rho * rho;
            let square = x * x + y * y;
            let form = (square - 2.0 * rho * x * y) / left;
            let value = -0.5 * (left.ln() + form - square);
            let by_rho = (rho + x * y - rho * form) / left;
            each(row, (value, [by_rho * slope(&by_a), by_rho * slope(&by_b)]));
            let news = [x * x, y * y, x * y];
            for k in 0..3 {
                by_a[k] = news[k] - s[k] + b * by_a[k];
                by_b[k] = q[k] - s[k] + b * by_b[k];
                q[k] = (1.0 - a - b) * s[k] + a * news[k] + b * q[k];
            }
        }
    }

    fn likelihood(&self, a: f64, b: f64) -> Term {
        let mut sum: Term = (0.0, [0.0; 2]);
        for pair in 0..self.moments.len() {
            self.walk(pair, a, b, |_, (value, slopes)| {
                sum.0 += value;
                sum.1[0] += slopes[0];
                sum.1[1] += slopes[1];
            });
        }
        sum
    }

    /// Square roots of the diagonal of H⁻¹·J·H⁻¹: J from the scores of rows, summed over pairs, H from
    /// differences of the slopes.
    fn errors(&self, a: f64, b: f64) -> [f64; 2] {
        let rows = self.shocks[0].len();
        let mut scores = vec![[0.0; 2]; rows];
        for pair in 0..self.moments.len() {
            self.walk(pair, a, b, |row, (_, slopes)| {
                scores[row][0] += slopes[0];
                scores[row][1] += slopes[1];
            });
        }
        let spread = |i: usize, j: usize| scores.iter().map(|s| s[i] * s[j]).sum::<f64>();
        let j = [[spread(0, 0), spread(0, 1)], [spread(1, 0), spread(1, 1)]];
        let by = 1e-5 * a.min(b).min(1.0 - a - b);
        let ahead = [self.likelihood(a + by, b).1, self.likelihood(a, b + by).1];
        let back = [self.likelihood(a - by, b).1, self.likelihood(a, b - by).1];
        let second = |i: usize, j: usize| {
            let one = (ahead[i][j] - back[i][j]) / (2.0 * by);
            let other = (ahead[j][i] - back[j][i]) / (2.0 * by);
            -0.5 * (one + other)
        };
        let h = [[second(0, 0), second(0, 1)], [second(1, 0), second(1, 1)]];
        let size = h[0][0] * h[1][1] - h[0][1] * h[1][0];
        let inverse = [[h[1][1] / size, -h[0][1] / size], [-h[1][0] / size, h[0][0] / size]];
        let error = |k: usize| {
            let row = inverse[k];
            let half = [0, 1].map(|m| row[0] * j[0][m] + row[1] * j[1][m]);
            (half[0] * row[0] + half[1] * row[1]).sqrt()
        };
        [error(0), error(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::distribution::normal_quantile;
    use crate::maths::random::Random;

    /// Shocks of three assets whose correlations move with a and b around 0.5.
    fn drawn(a: f64, b: f64, rows: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed, 0);
        let s = Mat::from_fn(3, 3, |i, j| if i == j { 1.0 } else { 0.5 });
        let mut q = s.clone();
        let mut all = vec![Vec::new(); 3];
        for _ in 0..rows {
            let r = scaled(&q);
            let flat: Vec<f64> = (0..9).map(|k| r[(k / 3, k % 3)]).collect();
            let root = crate::maths::linear::cholesky(&flat, 3).expect("positive");
            let e: Vec<f64> = (0..3).map(|_| normal_quantile(random.unit())).collect();
            let z: Vec<f64> =
                (0..3).map(|i| (0..=i).map(|k| root[3 * i + k] * e[k]).sum()).collect();
            for i in 0..3 {
                all[i].push(z[i]);
                for j in 0..3 {
                    q[(i, j)] = (1.0 - a - b) * s[(i, j)] + a * z[i] * z[j] + b * q[(i, j)];
                }
            }
        }
        all
    }

    fn of(shocks: &[Vec<f64>]) -> Dcc {
        // the second step alone: shocks as they are, volatilities of one
        let spec = Spec::new(Volatility::Garch, Family::Normal);
        let fits = shocks.iter().map(|z| {
            let mut fit = garch::fit(z, spec).expect("fits");
            fit.standardised.clone_from(z);
            fit.next_variance = 1.0;
            fit
        });
        correlate(fits.collect())
    }

    #[test]
    fn what_was_drawn_is_found() {
        let found = of(&drawn(0.06, 0.9, 6_000, 3));
        assert!(found.converged && found.boundary.is_empty());
        for (value, wanted, error) in
            [(found.a, 0.06, found.errors[0]), (found.b, 0.9, found.errors[1])]
        {
            assert!((value - wanted).abs() < 4.0 * error, "{value} {wanted} ± {error}");
            assert!(error > 0.0 && error < 0.05, "{error}");
        }
    }

    #[test]
    fn slopes_are_the_values_own_and_values_the_slow_ones() {
        let shocks = drawn(0.05, 0.9, 400, 5);
        let views: Vec<&[f64]> = shocks.iter().map(Vec::as_slice).collect();
        let pairs = Pairs::new(&views);
        let (a, b) = (0.04, 0.85);
        let (value, slopes) = pairs.likelihood(a, b);
        let by = 1e-6;
        let by_a = (pairs.likelihood(a + by, b).0 - pairs.likelihood(a - by, b).0) / (2.0 * by);
        let by_b = (pairs.likelihood(a, b + by).0 - pairs.likelihood(a, b - by).0) / (2.0 * by);
        assert!((slopes[0] - by_a).abs() < 1e-5 * by_a.abs().max(1.0), "{} {by_a}", slopes[0]);
        assert!((slopes[1] - by_b).abs() < 1e-5 * by_b.abs().max(1.0), "{} {by_b}", slopes[1]);
        // the same from whole matrices, row by row
        let s = second_moments(&views);
        let mut slow = 0.0;
        for row in 0..400 {
            let until: Vec<&[f64]> = views.iter().map(|z| &z[..row]).collect();
            let r = scaled(&last(&until, &s, a, b));
            for i in 0..2 {
                let (rho, x, y) = (r[(i, i + 1)], views[i][row], views[i + 1][row]);
                let left = 1.0 - rho * rho;
                let form = (x * x + y * y - 2.0 * rho * x * y) / left;
                slow -= 0.5 * (left.ln() + form - x * x - y * y);
            }
        }
        assert!((value - slow).abs() < 1e-9 * slow.abs().max(1.0), "{value} {slow}");
    }

    #[test]
    fn forecasts_go_from_the_next_to_the_mean() {
        let found = of(&drawn(0.06, 0.9, 1_500, 8));
        assert!((found.forecast(1)[(0, 1)] - found.next[(0, 1)]).abs() < 1e-15);
        assert!((found.forecast(5_000)[(0, 1)] - found.mean[(0, 1)]).abs() < 1e-9);
        let path = found.path(0, 2);
        assert!(path.len() == 1_500 && path.iter().all(|rho| rho.abs() < 1.0));
        // the path's value of a row is what the rows before it lead to
        let until: Vec<&[f64]> = found.fits.iter().map(|fit| &fit.standardised[..700]).collect();
        let slow = scaled(&last(&until, &found.second_moments, found.a, found.b));
        assert!((path[700] - slow[(0, 2)]).abs() < 1e-12);
        let constant = of(&drawn(0.0, 0.0, 1_500, 9));
        assert!(constant.a < 0.05, "{}", constant.a);
    }

    #[test]
    fn one_asset_correlates_with_nothing() {
        let found = fit(&drawn(0.05, 0.9, 100, 1)[..1], Family::Normal);
        assert!(matches!(found, Err(DccError::One)));
        let still = fit(&[vec![0.0; 300], vec![1.0; 300]], Family::Normal).map(|dcc| dcc.a);
        assert!(matches!(still, Err(DccError::Fit { at: 0, .. })));
    }
}
