//! Convex programmes: a smooth convex objective over linear equalities, inequalities and bounds.
//!
//! minimise f(x) subject to A·x = b, G·x ≤ h, l ≤ x ≤ u.
//! Method: a primal-dual interior point with Mehrotra's predictor and corrector (Mehrotra 1992; Nocedal and
//! Wright 2006, chapter 16.6; Boyd and Vandenberghe 2004, chapter 11), Newton's system condensed to the
//! variables and the equalities, followed, where f is quadratic, by one step onto the active set that the
//! duals name, which makes weights at a bound stand exactly there. A quadratic whose solution lies near a
//! known point is solved from that point's active set, without the interior.
//! Outcome is not an error: a `Solution` says how it ended, and carries what proves it: the duals, the dual
//! value, the gap, and the greatest residual of the conditions of Karush, Kuhn and Tucker.

mod active;
mod interior;

#[cfg(test)]
mod tests;

pub use interior::solve;

use faer::Mat;

/// A smooth convex function.
pub trait Convex {
    /// Its value.
    fn value(&self, x: &[f64]) -> f64;

    /// Sets its gradient.
    fn gradient(&self, x: &[f64], to: &mut [f64]);

    /// Adds its second derivatives to the lower triangle.
    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>);

    /// How far `x` may go along `step` and stay in its domain, with something to spare.
    fn step_max(&self, _x: &[f64], _step: &[f64]) -> f64 {
        1.0
    }

    /// Its value minus the gradient times x: what the dual value is made of.
    fn conjugate(&self, x: &[f64]) -> f64 {
        let mut gradient = vec![0.0; x.len()];
        self.gradient(x, &mut gradient);
        self.value(x) - dot(&gradient, x)
    }

    /// What the gradient's residuals are measured by: its own greatest part.
    fn slope_size(&self, _x: &[f64], gradient: &[f64]) -> f64 {
        gradient.iter().fold(0.0, |m, g| m.max(g.abs()))
    }

    /// The quadratic that it is, if it is one.
    fn quadratic(&self) -> Option<&Quadratic> {
        None
    }
}

/// ½xᵀPx + cᵀx.
#[derive(Clone, Debug)]
pub struct Quadratic {
    /// P, symmetric and positive semidefinite.
    pub matrix: Mat<f64>,
    /// c.
    pub linear: Vec<f64>,
}

impl Quadratic {
    fn product(&self, x: &[f64]) -> Vec<f64> {
        let mut to = vec![0.0; x.len()];
        for (column, &value) in x.iter().enumerate() {
            let column = self.matrix.col(column);
            for (sum, entry) in to.iter_mut().zip(column.iter()) {
                *sum += entry * value;
            }
        }
        to
    }
}

impl Convex for Quadratic {
    fn value(&self, x: &[f64]) -> f64 {
        0.5 * dot(&self.product(x), x) + dot(&self.linear, x)
    }

    fn gradient(&self, x: &[f64], to: &mut [f64]) {
        let product = self.product(x);
        to.iter_mut().zip(product.iter().zip(&self.linear)).for_each(|(g, (p, c))| *g = p + c);
    }

    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>) {
        for column in 0..x.len() {
            for row in column..x.len() {
                to[(row, column)] += self.matrix[(row, column)];
            }
        }
    }

    /// The parts of the sums, which do not cancel where a quadratic has its bottom.
    fn slope_size(&self, x: &[f64], _gradient: &[f64]) -> f64 {
        let mut sums: Vec<f64> = self.linear.iter().map(|c| c.abs()).collect();
        for (column, value) in x.iter().enumerate() {
            let column = self.matrix.col(column);
            sums.iter_mut().zip(column.iter()).for_each(|(s, m)| *s += (m * value).abs());
        }
        sums.into_iter().fold(0.0, f64::max)
    }

    fn quadratic(&self) -> Option<&Quadratic> {
        Some(self)
    }
}

/// Linear rows: each a list of coefficients and what stands on the right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Coefficients, one row after the other.
    pub matrix: Vec<f64>,
    /// Right-hand sides.
    pub right: Vec<f64>,
}

impl Rows {
    /// Adds a row.
    pub fn push(&mut self, row: &[f64], right: f64) {
        self.matrix.extend_from_slice(row);
        self.right.push(right);
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.right.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.right.is_empty()
    }

    /// A row's coefficients.
    #[must_use]
    pub fn row(&self, at: usize) -> &[f64] {
        let width = self.matrix.len() / self.right.len();
        &self.matrix[at * width..(at + 1) * width]
    }
}

/// What may not be left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// A·x = b.
    pub equalities: Rows,
    /// G·x ≤ h.
    pub inequalities: Rows,
    /// l; minus infinity where there is none.
    pub lower: Vec<f64>,
    /// u; infinity where there is none.
    pub upper: Vec<f64>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Proven to the accuracy of the certificate.
    Optimal,
    /// The limits leave nothing, or nothing proves that they leave something.
    Infeasible,
    /// The search stopped before it came to rest; its best point is returned.
    Stopped,
}

/// A point and what proves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// x.
    pub x: Vec<f64>,
    /// Duals of the equalities.
    pub equality_duals: Vec<f64>,
    /// Duals of the inequalities, not negative.
    pub inequality_duals: Vec<f64>,
    /// Duals of the lower bounds, not negative.
    pub lower_duals: Vec<f64>,
    /// Duals of the upper bounds, not negative.
    pub upper_duals: Vec<f64>,
    /// How it ended.
    pub status: Status,
    /// What proves it.
    pub certificate: Certificate,
    /// Newton's steps.
    pub iterations: usize,
}

/// What proves a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Certificate {
    /// The objective at the point.
    pub primal: f64,
    /// No feasible point has a smaller one.
    pub dual: f64,
    /// Their distance.
    pub gap: f64,
    /// The greatest residual of the optimality conditions, relative to the size of what the gradient is
    /// made of.
    pub kkt_residual: f64,
}

impl Certificate {
    /// Of the same programme with its objective in other units.
    #[must_use]
    pub fn times(self, unit: f64) -> Certificate {
        Certificate {
            primal: unit * self.primal,
            dual: unit * self.dual,
            gap: unit * self.gap,
            ..self
        }
    }
}

impl Solution {
    /// Recomputes the certificate from the point and its duals alone.
    pub(crate) fn certify(&mut self, objective: &impl Convex, limits: &Limits) {
        let n = self.x.len();
        let mut gradient = vec![0.0; n];
        objective.gradient(&self.x, &mut gradient);
        let size = objective.slope_size(&self.x, &gradient);
        let mut stationary = gradient;
        let mut dual = objective.conjugate(&self.x);
        let mut feasibility = 0.0_f64;
        let mut complementary = 0.0_f64;
        for (at, &y) in self.equality_duals.iter().enumerate() {
            let (row, right) = (limits.equalities.row(at), limits.equalities.right[at]);
            add(&mut stationary, row, y);
            dual -= y * right;
            feasibility = feasibility.max((dot(row, &self.x) - right).abs());
        }
        for (at, &z) in self.inequality_duals.iter().enumerate() {
            let (row, right) = (limits.inequalities.row(at), limits.inequalities.right[at]);
            add(&mut stationary, row, z);
            dual -= z * right;
            let slack = right - dot(row, &self.x);
            feasibility = feasibility.max(-slack);
            complementary = complementary.max((slack * z).abs());
        }
        let lower = self.lower_duals.iter().zip(&limits.lower);
        let upper = self.upper_duals.iter().zip(&limits.upper);
        for (i, ((&z_low, &low), (&z_high, &high))) in lower.zip(upper).enumerate() {
            stationary[i] += z_high - z_low;
            for (z, bound, sign) in [(z_low, low, 1.0), (z_high, high, -1.0)] {
                if bound.is_finite() {
                    let slack = sign * (self.x[i] - bound);
                    dual += sign * z * bound;
                    feasibility = feasibility.max(-slack);
                    complementary = complementary.max((slack * z).abs());
                }
            }
        }
        let apart = stationary.iter().fold(0.0_f64, |m, r| m.max(r.abs()));
        let primal = objective.value(&self.x);
        let scale = size.max(f64::MIN_POSITIVE);
        self.certificate = Certificate {
            primal,
            dual,
            gap: (primal - dual).abs(),
            kkt_residual: (apart / scale).max(feasibility).max(complementary / scale),
        };
    }
}

/// Solves a programme whose solution lies near a known point, if one is given: a quadratic from the limits
/// that the point touches, where that comes to rest; else as `solve` does from `start`.
///
/// # Panics
/// When the lengths of start, point, limits and objective differ.
pub fn solve_near(
    objective: &impl Convex,
    limits: &Limits,
    start: &[f64],
    point: Option<&[f64]>,
) -> Solution {
    let quick = point.zip(objective.quadratic());
    let quick = quick.and_then(|(point, quadratic)| active::near(quadratic, limits, point));
    quick.unwrap_or_else(|| solve(objective, limits, start))
}

/// Σ a·b.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    // four sums side by side, so that the additions do not wait for each other
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a4.zip(b4) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// `to` += `times`·`row`.
pub fn add(to: &mut [f64], row: &[f64], times: f64) {
    to.iter_mut().zip(row).for_each(|(sum, x)| *sum += times * x);
}
