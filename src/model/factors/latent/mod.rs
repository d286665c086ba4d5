//! Factors found in the assets themselves that have dynamics of their own, by a Kalman filter.
//!
//! x_t = Λf_t + e_t with e_t ~ N(0, D), D diagonal; f_t = Φf_{t−1} + u_t with u_t ~ N(0, Q). x are returns,
//! centred and over their deviations. Quasi maximum likelihood by expectation and maximisation (Shumway and
//! Stoffer 1982; Doz, Giannone and Reichlin 2012) from the principal components. Since D is diagonal, the
//! filter's updates are as small as the factors: Λ'D⁻¹Λ and Λ'D⁻¹x_t are all it reads of the assets. The
//! first row's factors have the variance that all have, V = Q + ΦVΦ', so that nothing depends on the
//! factors' units; after every step they are turned so that V is one, Λ'D⁻¹Λ is diagonal and falls, and
//! most of a factor's loadings are positive. What the first row alone would say of Φ and Q is left out of
//! the steps, which moves them by less than a row of so many can.
//!
//! Whether the dynamics are there at all is not for the likelihood to say: returns whose size clusters, or
//! more factors than there are, raise it without any. The test is a score's: of the factors that a model
//! without dynamics sees in each row, g_t, the products g_t g'_{t−1} have a mean of nothing, whatever the
//! sizes; their sum over its own deviation is χ² with as many degrees as Φ has entries (as White's 1980
//! errors are).

#[cfg(test)]
mod tests;

use super::assembled;
use super::statistical::{self, StatisticalError};
use crate::maths::special::gamma_upper;
use crate::maths::statistics::mean;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Latent {
    /// Slopes of assets on factors of variance one, in the returns' units, `[asset, factor]`.
    pub loadings: Mat<f64>,
    /// Factors by all rows, `[factor][row]`.
    pub smoothed: Vec<Vec<f64>>,
    /// Factors by what was known until a row's end, `[factor][row]`.
    pub filtered: Vec<Vec<f64>>,
    /// Φ.
    pub transition: Mat<f64>,
    /// Greatest size of Φ's eigenvalues: the share of a factor that is left a row later.
    pub persistence: f64,
    /// Variances that factors leave, by asset.
    pub own: Vec<f64>,
    /// Mean of the next row's returns, by asset.
    pub next_mean: Vec<f64>,
    /// Covariance of the next row's returns.
    pub next_covariance: Mat<f64>,
    /// Logarithm of the likelihood of the returns.
    pub log_likelihood: f64,
    /// The same with factors that have no dynamics.
    pub still: f64,
    /// Whether the search for that came to rest; where not, the two do not compare.
    pub still_converged: bool,
    /// Probability of factors that follow their past as these do, where none does; none where rows are fewer
    /// than three times Φ's entries.
    pub p_value: Option<f64>,
    /// Assets to whose own variance no more is left than `OWN_MIN`: copies of others, or of the factors.
    pub explained_whole: Vec<usize>,
    /// Steps of expectation and maximisation.
    pub iterations: usize,
    /// Whether they came to rest.
    pub converged: bool,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LatentError {
    /// The components that it starts from.
    #[error(transparent)]
    Components(#[from] StatisticalError),
    /// More factors than variances and correlations can tell apart (Ledermann 1937).
    #[error(
        "{factors} factors of {assets} assets cannot be told apart: (assets − factors)² must be above \
         assets + factors"
    )]
    Many {
        /// Asked.
        factors: usize,
        /// There.
        assets: usize,
    },
    /// Too little to learn dynamics from.
    #[error("{rows} rows: dynamics of {factors} factors need at least {needed}")]
    Few {
        /// There.
        rows: usize,
        /// Factors.
        factors: usize,
        /// Needed.
        needed: usize,
    },
    /// Factors that do not come back.
    #[error(
        "the factors wander: what is left of them a row later is {0:.4} of them; fit returns, not prices"
    )]
    Wanders(f64),
    /// Matrices without an inverse.
    #[error(
        "the filter's variances have no inverse after {0} steps: leave out assets that are copies of others"
    )]
    Singular(usize),
}

const STEPS_MAX: usize = 2_000;
/// Gain of the likelihood's logarithm, over its size, at which it rests.
const REST: f64 = 1e-10;
/// Least share of an asset's variance that factors leave it.
const OWN_MIN: f64 = 1e-4;
/// A variance that changes by less from row to row stays.
const STEADY: f64 = 1e-15;

/// Finds factors with dynamics; so many, or as many as the eigenvalue ratio says (one at least).
///
/// # Errors
/// Too few rows or assets, an asset that never moves, factors that cannot be told apart or that wander.
pub fn fit(columns: &[Vec<f64>], asked: Option<usize>) -> Result<Latent, LatentError> {
    let start = statistical::fit(columns, asked)?;
    let (n, rows, many) = (columns.len(), columns[0].len(), start.factors.len());
    if (n - many).pow(2) <= n + many {
        return Err(LatentError::Many { factors: many, assets: n });
    }
    let needed = 10 * (many + 1);
    if rows < needed {
        return Err(LatentError::Few { rows, factors: many, needed });
    }
    let means: Vec<f64> = columns.iter().map(|column| mean(column)).collect();
    let size = |(column, middle): (&Vec<f64>, &f64)| {
        (column.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / rows as f64).sqrt()
    };
    let sizes: Vec<f64> = columns.iter().zip(&means).map(size).collect();
    let scaled = Mat::from_fn(n, rows, |i, t| (columns[i][t] - means[i]) / sizes[i]);
    let first = Model {
        loadings: Mat::from_fn(n, many, |i, k| start.loadings[(i, k)] / sizes[i]),
        own: start.own.iter().zip(&sizes).map(|(v, s)| (v / (s * s)).max(OWN_MIN)).collect(),
        transition: Mat::zeros(many, many),
        shocks: Mat::identity(many, many),
    };
    let still = climbed(&scaled, first.clone(), false)?;
    let p_value = p_value(&still.states.filtered);
    let moving = climbed(&scaled, still.model.clone(), true)?;
    let Climbed { model, states, .. } = moving;
    let series = |states: &Mat<f64>| {
        (0..many).map(|k| states.row(k).iter().copied().collect()).collect::<Vec<Vec<f64>>>()
    };
    let ahead = &model.transition * states.filtered.subcols(rows - 1, 1);
    let loadings = Mat::from_fn(n, many, |i, k| sizes[i] * model.loadings[(i, k)]);
    let own: Vec<f64> = model.own.iter().zip(&sizes).map(|(v, s)| v * s * s).collect();
    let shift = &loadings * ahead;
    // in the returns' own units
    let unit = rows as f64 * sizes.iter().map(|s| s.ln()).sum::<f64>();
    Ok(Latent {
        next_mean: (0..n).map(|i| means[i] + shift[(i, 0)]).collect(),
        next_covariance: assembled(&loadings, &states.next, &own),
        explained_whole: (0..n).filter(|&i| model.own[i] <= OWN_MIN).collect(),
        p_value,
        still_converged: still.converged,
        log_likelihood: moving.log_likelihood - unit,
        still: still.log_likelihood - unit,
        iterations: still.iterations + moving.iterations,
        converged: moving.converged,
        persistence: persistence(&model.transition)
            .ok_or(LatentError::Singular(moving.iterations))?,
        smoothed: series(&states.smoothed),
        filtered: series(&states.filtered),
        transition: model.transition,
        loadings,
        own,
    })
}

/// Λ, D, Φ, Q of scaled returns.
#[derive(Clone, Debug)]
struct Model {
    loadings: Mat<f64>,
    own: Vec<f64>,
    transition: Mat<f64>,
    shocks: Mat<f64>,
}

/// What rows of returns say of the factors.
struct States {
    log_likelihood: f64,
    /// `[factor, row]`.
    filtered: Mat<f64>,
    /// `[factor, row]`.
    smoothed: Mat<f64>,
    /// Σ over rows of the factors' variances given all rows.
    spread: Mat<f64>,
    /// The same of the first and of the last row.
    ends: [Mat<f64>; 2],
    /// Σ over rows but the first of the covariances with the row before.
    lagged: Mat<f64>,
    /// Variance of the next row's factors.
    next: Mat<f64>,
}

/// Where a search came to.
struct Climbed {
    model: Model,
    states: States,
    log_likelihood: f64,
    iterations: usize,
    converged: bool,
}

fn climbed(x: &Mat<f64>, mut model: Model, moves: bool) -> Result<Climbed, LatentError> {
    let squares: Vec<f64> = (0..x.nrows()).map(|i| x.row(i).iter().map(|x| x * x).sum()).collect();
    let mut iterations = 0;
    let mut best: Option<Climbed> = None;
    loop {
        let states = model.states(x, &squares).ok_or(LatentError::Singular(iterations))?;
        let log_likelihood = states.log_likelihood;
        let before = best.as_ref().map_or(f64::NEG_INFINITY, |best| best.log_likelihood);
        // near the end the first row may pull it down again: the best point is kept
        let converged = log_likelihood - before < REST * log_likelihood.abs();
        if let Some(last) = best.take().filter(|_| log_likelihood < before) {
            return Ok(Climbed { converged, ..last });
        }
        let found = Climbed { model: model.clone(), states, log_likelihood, iterations, converged };
        if converged || iterations == STEPS_MAX {
            return Ok(found);
        }
        let states = &found.states;
        let better = model.better(x, &squares, states, moves);
        let better = better.ok_or(LatentError::Singular(iterations))?;
        let left = persistence(&better.transition).ok_or(LatentError::Singular(iterations))?;
        if left >= 1.0 {
            return Err(LatentError::Wanders(left));
        }
        model = better.turned().ok_or(LatentError::Singular(iterations))?;
        best = Some(found);
        iterations += 1;
    }
}

/// The score's test of factors, `[factor, row]`, that follow their past.
fn p_value(factors: &Mat<f64>) -> Option<f64> {
    let (many, rows) = (factors.nrows(), factors.ncols());
    let entries = many * many;
    if rows < 3 * entries + 1 {
        return None;
    }
    let products = Mat::from_fn(entries, rows - 1, |at, t| {
        factors[(at / many, t + 1)] * factors[(at % many, t)]
    });
    let sum = Mat::from_fn(entries, 1, |at, _| products.row(at).iter().sum::<f64>());
    let spread = symmetric(&(&products * products.transpose()));
    let scaled = spread.llt(Side::Lower).ok()?.solve(&sum);
    let statistic: f64 = (0..entries).map(|at| sum[(at, 0)] * scaled[(at, 0)]).sum();
    Some(gamma_upper(0.5 * entries as f64, 0.5 * statistic))
}

/// Greatest size of the eigenvalues.
fn persistence(transition: &Mat<f64>) -> Option<f64> {
    let values = transition.eigenvalues().ok()?;
    Some(values.iter().map(|v| v.re.hypot(v.im)).fold(0.0, f64::max))
}

fn inverse(of: &Mat<f64>) -> Option<Mat<f64>> {
    let n = of.nrows();
    Some(of.llt(Side::Lower).ok()?.solve(Mat::<f64>::identity(n, n)))
}

/// ln of the determinant of a positive definite matrix.
fn ln_determinant(of: &Mat<f64>) -> Option<f64> {
    let factor = of.llt(Side::Lower).ok()?;
    Some((0..of.nrows()).map(|k| 2.0 * factor.L()[(k, k)].ln()).sum())
}

fn symmetric(of: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(of.nrows(), of.nrows(), |i, j| 0.5 * (of[(i, j)] + of[(j, i)]))
}

fn apart(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let many = a.nrows();
    let all = (0..many).flat_map(|i| (0..many).map(move |j| (i, j)));
    all.map(|at| (a[at] - b[at]).abs()).fold(0.0, f64::max)
}

/// Variances of a row, which hold for all rows behind once they stand still.
#[derive(Clone)]
struct Variances {
    /// Before the row's returns.
    before: Mat<f64>,
    /// After them.
    after: Mat<f64>,
    /// ln |S| of the returns' variance, but for Σ ln D.
    ln_spread: f64,
}

impl Model {
    fn many(&self) -> usize {
        self.transition.nrows()
    }

    /// Λ'D⁻¹.
    fn weighted(&self) -> Mat<f64> {
        Mat::from_fn(self.many(), self.own.len(), |k, i| self.loadings[(i, k)] / self.own[i])
    }

    /// Variances row by row until they stand still.
    fn variances(&self, information: &Mat<f64>, rows: usize) -> Option<Vec<Variances>> {
        let mut all: Vec<Variances> = Vec::new();
        let mut before = self.variance();
        while all.len() < rows {
            let sharper = symmetric(&(inverse(&before)? + information));
            let after = symmetric(&inverse(&sharper)?);
            let ln_spread = ln_determinant(&before)? + ln_determinant(&sharper)?;
            let next = symmetric(
                &(&self.transition * &after * self.transition.transpose() + &self.shocks),
            );
            let is_steady = apart(&next, &before) < STEADY;
            all.push(Variances { before, after, ln_spread });
            if is_steady {
                break;
            }
            before = next;
        }
        Some(all)
    }

    /// Filter and smoother (Rauch, Tung and Striebel 1965); `squares` are Σ x² of every asset.
    fn states(&self, x: &Mat<f64>, squares: &[f64]) -> Option<States> {
        let (n, rows, many) = (x.nrows(), x.ncols(), self.many());
        let weighted = self.weighted();
        let information = symmetric(&(&weighted * &self.loadings));
        let seen = &weighted * x;
        let variances = self.variances(&information, rows)?;
        let at = |row: usize| &variances[row.min(variances.len() - 1)];
        let of_row = n as f64 * (2.0 * std::f64::consts::PI).ln()
            + self.own.iter().map(|v| v.ln()).sum::<f64>();
        let mut twice = rows as f64 * of_row
            + squares.iter().zip(&self.own).map(|(square, own)| square / own).sum::<f64>();
        let mut filtered = Mat::<f64>::zeros(many, rows);
        let mut expected = Mat::<f64>::zeros(many, rows);
        let mut news = vec![0.0; many];
        for row in 0..rows {
            if row > 0 {
                multiply(&self.transition, &filtered, row - 1, &mut expected, row);
            }
            // Λ'D⁻¹ of what was not expected
            for (k, news) in news.iter_mut().enumerate() {
                let pulled: f64 = (0..many).map(|j| information[(k, j)] * expected[(j, row)]).sum();
                *news = seen[(k, row)] - pulled;
                twice -= expected[(k, row)] * (seen[(k, row)] + *news);
            }
            let variances = at(row);
            twice += variances.ln_spread;
            for k in 0..many {
                let moved: f64 = (0..many).map(|j| variances.after[(k, j)] * news[j]).sum();
                filtered[(k, row)] = expected[(k, row)] + moved;
                twice -= news[k] * moved;
            }
        }
        let gain = |row: usize| -> Option<Mat<f64>> {
            let next = inverse(&at(row + 1).before)?;
            Some(&at(row).after * self.transition.transpose() * next)
        };
        let mut smoothed = filtered.clone();
        let mut spread = at(rows - 1).after.clone();
        let last = spread.clone();
        let (mut sum, mut lagged) = (spread.clone(), Mat::<f64>::zeros(many, many));
        // the gain of rows whose variances stand still, and the lagged covariance once all do
        let mut held: Option<(Mat<f64>, Option<Mat<f64>>)> = None;
        for row in (0..rows - 1).rev() {
            let is_steady = row + 1 >= variances.len();
            let (gain, still) = match held.take() {
                Some(held) if is_steady => held,
                _ => (gain(row)?, None),
            };
            for k in 0..many {
                let turned: f64 = (0..many)
                    .map(|j| gain[(k, j)] * (smoothed[(j, row + 1)] - expected[(j, row + 1)]))
                    .sum();
                smoothed[(k, row)] += turned;
            }
            let mut next_still = None;
            if let Some(with) = still {
                lagged += &with;
                next_still = Some(with);
            } else {
                let with = &spread * gain.transpose();
                lagged += &with;
                let change = &spread - &at(row + 1).before;
                let next = symmetric(&(&at(row).after + &gain * change * gain.transpose()));
                if is_steady && apart(&next, &spread) < STEADY {
                    next_still = Some(with);
                }
                spread = next;
            }
            sum += &spread;
            held = Some((gain, next_still));
        }
        let after = &at(rows - 1).after;
        let next =
            symmetric(&(&self.transition * after * self.transition.transpose() + &self.shocks));
        let (log_likelihood, ends) = (-0.5 * twice, [spread, last]);
        Some(States { log_likelihood, filtered, smoothed, spread: sum, ends, lagged, next })
    }

    /// The model of greatest likelihood, were the factors what the rows say of them.
    fn better(&self, x: &Mat<f64>, squares: &[f64], states: &States, moves: bool) -> Option<Model> {
        let (n, rows, many) = (x.nrows(), x.ncols(), self.many());
        let factors = &states.smoothed;
        let moments = symmetric(&(factors * factors.transpose() + &states.spread));
        let with = x * factors.transpose();
        let loadings =
            (moments.llt(Side::Lower).ok()?.solve(with.transpose())).transpose().to_owned();
        let own = (0..n)
            .map(|i| {
                let shared: f64 = (0..many).map(|k| loadings[(i, k)] * with[(i, k)]).sum();
                ((squares[i] - shared) / rows as f64).max(OWN_MIN)
            })
            .collect();
        let square = |row: usize| factors.subcols(row, 1) * factors.subcols(row, 1).transpose();
        let early = symmetric(&(&moments - square(rows - 1) - &states.ends[1]));
        let late = symmetric(&(&moments - square(0) - &states.ends[0]));
        let between = factors.subcols(1, rows - 1) * factors.subcols(0, rows - 1).transpose()
            + &states.lagged;
        let transition = if moves {
            early.llt(Side::Lower).ok()?.solve(between.transpose()).transpose().to_owned()
        } else {
            Mat::zeros(many, many)
        };
        let left = late - &transition * between.transpose();
        let shocks = symmetric(&(left * faer::Scale(1.0 / (rows - 1) as f64)));
        Some(Model { loadings, own, transition, shocks })
    }

    /// V = Q + ΦVΦ' by doubling: Φ, Φ², Φ⁴, ...
    fn variance(&self) -> Mat<f64> {
        let (mut variance, mut power) = (self.shocks.clone(), self.transition.clone());
        // the power of 2⁶⁴ of anything that comes back is nothing
        for _ in 0..64 {
            let more = &power * &variance * power.transpose();
            if apart(&more, &Mat::zeros(self.many(), self.many())) == 0.0 {
                break;
            }
            variance += more;
            power = &power * &power;
        }
        symmetric(&variance)
    }

    /// The same model with factors of variance one, in falling order of what they say of the assets.
    fn turned(&self) -> Option<Model> {
        let many = self.many();
        let factor = self.variance().llt(Side::Lower).ok()?;
        let lower = Mat::from_fn(many, many, |i, j| if j <= i { factor.L()[(i, j)] } else { 0.0 });
        let loadings = &self.loadings * &lower;
        let said = Mat::from_fn(many, many, |j, k| {
            (0..self.own.len()).map(|i| loadings[(i, j)] * loadings[(i, k)] / self.own[i]).sum()
        });
        let parts = symmetric(&said).self_adjoint_eigen(Side::Lower).ok()?;
        let turn = Mat::from_fn(many, many, |i, k| parts.U()[(i, many - 1 - k)]);
        let mut loadings = loadings * &turn;
        // f = L·U·h, h the turned factors
        let mut back = lower * &turn;
        for k in 0..many {
            if loadings.col(k).iter().sum::<f64>() < 0.0 {
                loadings.col_mut(k).iter_mut().for_each(|slope| *slope = -*slope);
                back.col_mut(k).iter_mut().for_each(|entry| *entry = -*entry);
            }
        }
        let by = back.partial_piv_lu().solve(Mat::<f64>::identity(many, many));
        let transition = &by * &self.transition * &back;
        let shocks = symmetric(&(&by * &self.shocks * by.transpose()));
        Some(Model { loadings, own: self.own.clone(), transition, shocks })
    }
}

/// A column of `to` is a matrix times a column of `from`.
fn multiply(by: &Mat<f64>, from: &Mat<f64>, column: usize, to: &mut Mat<f64>, at: usize) {
    for k in 0..by.nrows() {
        to[(k, at)] = (0..by.ncols()).map(|j| by[(k, j)] * from[(j, column)]).sum();
    }
}
