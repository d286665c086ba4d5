//! The interior point.

use super::active::polish;
use super::{Certificate, Convex, Limits, Solution, Status, add, dot};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

const STEPS_MAX: usize = 120;
/// Complementarity and residuals, relative to the size of the problem, at which it rests.
const TOLERANCE: f64 = 1e-13;
/// What is good enough where rounding stops it sooner.
const TOLERABLE: f64 = 1e-8;
/// Share of the way to the boundary that a step takes.
const BOUNDARY: f64 = 0.995;
/// Added to the diagonal, relative to one and to its size, so that a singular matrix has a factor.
const RIDGE: f64 = 1e-14;

/// A set of slacks, each with its dual: s = e − B·x for rows, ±(x − bound) for bounds.
struct Pairs {
    slack: Vec<f64>,
    dual: Vec<f64>,
}

impl Pairs {
    fn product(&self) -> f64 {
        dot(&self.slack, &self.dual)
    }

    fn step_max(&self, slack: &[f64], dual: &[f64]) -> (f64, f64) {
        (longest(&self.slack, slack), longest(&self.dual, dual))
    }
}

/// How far one may go until the first of them is nothing.
fn longest(from: &[f64], step: &[f64]) -> f64 {
    let falls = from.iter().zip(step).filter(|(_, d)| **d < 0.0);
    falls.map(|(x, d)| -x / d).fold(f64::INFINITY, f64::min)
}

/// Which variables have a bound, as places, on which side.
struct Bounds {
    places: Vec<usize>,
    values: Vec<f64>,
    sign: f64,
}

impl Bounds {
    fn of(values: &[f64], sign: f64) -> Bounds {
        let places: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
        let values = places.iter().map(|&i| values[i]).collect();
        Bounds { places, values, sign }
    }

    fn slack(&self, x: &[f64], at: usize) -> f64 {
        self.sign * (x[self.places[at]] - self.values[at])
    }
}

/// A step of all unknowns.
struct Step {
    x: Vec<f64>,
    equality: Vec<f64>,
    slacks: [Vec<f64>; 3],
    duals: [Vec<f64>; 3],
}

struct State<'a, F> {
    objective: &'a F,
    limits: &'a Limits,
    bounds: [Bounds; 2],
    x: Vec<f64>,
    equality: Vec<f64>,
    // lower bounds, upper bounds, inequalities
    pairs: [Pairs; 3],
    // scales the objective, so that its gradient is of size one
    scale: f64,
}

/// Newton's system, factored.
struct System {
    factor: faer::linalg::solvers::Llt<f64>,
    // H⁻¹Aᵀ and A·H⁻¹·Aᵀ
    columns: Mat<f64>,
    schur: Option<faer::linalg::solvers::PartialPivLu<f64>>,
}

/// Solves a programme from `start`, which need not be feasible.
///
/// # Panics
/// When the lengths of start, limits and objective differ.
pub fn solve(objective: &impl Convex, limits: &Limits, start: &[f64]) -> Solution {
    let n = start.len();
    assert_eq!((limits.lower.len(), limits.upper.len()), (n, n), "Invariant: a bound a variable");
    let mut state = State::new(objective, limits, start);
    let mut best: Option<(f64, Solution)> = None;
    let mut stalled = 0;
    let mut iterations = 0;
    // of the last point that is one: a step towards nothing may end in no number
    let mut infeasibility = 0.0;
    while iterations < STEPS_MAX {
        let merit = state.merit();
        infeasibility = state.infeasibility();
        let is_better = best.as_ref().is_none_or(|(least, _)| merit < 0.9 * *least);
        if is_better || best.as_ref().is_none_or(|(least, _)| merit < *least) {
            best = Some((merit, state.solution(iterations)));
        }
        stalled = if is_better { 0 } else { stalled + 1 };
        if merit < TOLERANCE || stalled > 12 {
            break;
        }
        if !state.advance() {
            break;
        }
        iterations += 1;
    }
    let (merit, mut solution) = best.unwrap_or_else(|| (f64::INFINITY, state.solution(0)));
    solution.iterations = iterations;
    solution.certify(objective, limits);
    solution.status = if merit < TOLERABLE {
        Status::Optimal
    } else if infeasibility > 1e-6 {
        Status::Infeasible
    } else {
        Status::Stopped
    };
    if solution.status == Status::Optimal
        && let Some(quadratic) = objective.quadratic()
    {
        polish(quadratic, limits, &mut solution);
    }
    solution
}

impl<'a, F: Convex> State<'a, F> {
    fn new(objective: &'a F, limits: &'a Limits, start: &[f64]) -> State<'a, F> {
        let mut x = start.to_vec();
        // strictly between its bounds
        for (i, value) in x.iter_mut().enumerate() {
            let (low, high) = (limits.lower[i], limits.upper[i]);
            if low.is_finite() && high.is_finite() {
                // bounds that cross leave nothing, which the residuals will say
                let margin = 0.05 * (high - low).max(0.0);
                *value = value.min(high - margin).max(low + margin);
            } else if low.is_finite() {
                *value = value.max(low + 1e-3);
            } else if high.is_finite() {
                *value = value.min(high - 1e-3);
            }
        }
        let mut gradient = vec![0.0; x.len()];
        objective.gradient(&x, &mut gradient);
        let size = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let scale = if size > 0.0 { 1.0 / size } else { 1.0 };
        let bounds = [Bounds::of(&limits.lower, 1.0), Bounds::of(&limits.upper, -1.0)];
        let apart = |bounds: &Bounds| -> Pairs {
            let slack: Vec<f64> =
                (0..bounds.places.len()).map(|at| bounds.slack(&x, at).max(1e-2)).collect();
            Pairs { dual: vec![1.0; slack.len()], slack }
        };
        let rows = &limits.inequalities;
        let slack: Vec<f64> =
            (0..rows.len()).map(|at| (rows.right[at] - dot(rows.row(at), &x)).max(1e-2)).collect();
        let inequalities = Pairs { dual: vec![1.0; slack.len()], slack };
        let pairs = [apart(&bounds[0]), apart(&bounds[1]), inequalities];
        let equality = vec![0.0; limits.equalities.len()];
        State { objective, limits, bounds, x, equality, pairs, scale }
    }

    fn count(&self) -> usize {
        self.pairs.iter().map(|pairs| pairs.slack.len()).sum()
    }

    fn complementarity(&self) -> f64 {
        let many = self.count().max(1) as f64;
        self.pairs.iter().map(Pairs::product).sum::<f64>() / many
    }

    /// Gradient of the Lagrangian.
    fn stationarity(&self) -> Vec<f64> {
        let mut to = vec![0.0; self.x.len()];
        self.objective.gradient(&self.x, &mut to);
        to.iter_mut().for_each(|g| *g *= self.scale);
        for (at, &y) in self.equality.iter().enumerate() {
            add(&mut to, self.limits.equalities.row(at), y);
        }
        for (at, &z) in self.pairs[2].dual.iter().enumerate() {
            add(&mut to, self.limits.inequalities.row(at), z);
        }
        for (bounds, pairs) in self.bounds.iter().zip(&self.pairs) {
            for (at, &place) in bounds.places.iter().enumerate() {
                to[place] -= bounds.sign * pairs.dual[at];
            }
        }
        to
    }

    /// A·x − b.
    fn imbalance(&self) -> Vec<f64> {
        let rows = &self.limits.equalities;
        (0..rows.len()).map(|at| dot(rows.row(at), &self.x) - rows.right[at]).collect()
    }

    /// What the slacks are beside what they should be.
    fn slack_error(&self, which: usize, at: usize) -> f64 {
        let truth = if which < 2 {
            self.bounds[which].slack(&self.x, at)
        } else {
            let rows = &self.limits.inequalities;
            rows.right[at] - dot(rows.row(at), &self.x)
        };
        self.pairs[which].slack[at] - truth
    }

    fn infeasibility(&self) -> f64 {
        let mut worst = self.imbalance().iter().fold(0.0_f64, |m, r| m.max(r.abs()));
        for which in 0..3 {
            for at in 0..self.pairs[which].slack.len() {
                worst = worst.max(self.slack_error(which, at).abs());
            }
        }
        worst
    }

    /// The greatest of the residuals and the complementarity.
    fn merit(&self) -> f64 {
        let stationary = self.stationarity().iter().fold(0.0_f64, |m, r| m.max(r.abs()));
        stationary.max(self.infeasibility()).max(self.complementarity())
    }

    /// One step; false where Newton's system has no factor.
    fn advance(&mut self) -> bool {
        let Some(system) = self.system() else { return false };
        let many = self.count();
        let mean = self.complementarity();
        let predictor = self.step(&system, 0.0, None);
        let step = if many == 0 {
            predictor
        } else {
            let (primal, dual) = self.reach(&predictor);
            let (primal, dual) = (primal.min(1.0), dual.min(1.0));
            let ahead: f64 = (0..3)
                .map(|which| {
                    let pairs = &self.pairs[which];
                    (0..pairs.slack.len())
                        .map(|at| {
                            (pairs.slack[at] + primal * predictor.slacks[which][at])
                                * (pairs.dual[at] + dual * predictor.duals[which][at])
                        })
                        .sum::<f64>()
                })
                .sum::<f64>()
                / many as f64;
            let centre = (ahead / mean).clamp(0.0, 1.0).powi(3);
            self.step(&system, centre * mean, Some(&predictor))
        };
        let (primal, dual) = self.reach(&step);
        let domain = self.objective.step_max(&self.x, &step.x);
        // a quadratic's primal and dual steps may differ only where it has no curvature; one length is safe
        let length = (BOUNDARY * primal.min(dual)).min(1.0).min(domain);
        add(&mut self.x, &step.x, length);
        add(&mut self.equality, &step.equality, length);
        for which in 0..3 {
            add(&mut self.pairs[which].slack, &step.slacks[which], length);
            add(&mut self.pairs[which].dual, &step.duals[which], length);
        }
        self.x.iter().all(|x| x.is_finite())
    }

    fn reach(&self, step: &Step) -> (f64, f64) {
        let mut both = (f64::INFINITY, f64::INFINITY);
        for which in 0..3 {
            let (s, z) = self.pairs[which].step_max(&step.slacks[which], &step.duals[which]);
            both = (both.0.min(s), both.1.min(z));
        }
        both
    }

    fn system(&self) -> Option<System> {
        let n = self.x.len();
        let mut hessian = Mat::<f64>::zeros(n, n);
        self.objective.add_hessian(&self.x, &mut hessian);
        for column in 0..n {
            for row in column..n {
                hessian[(row, column)] *= self.scale;
            }
        }
        for (bounds, pairs) in self.bounds.iter().zip(&self.pairs) {
            for (at, &place) in bounds.places.iter().enumerate() {
                hessian[(place, place)] += pairs.dual[at] / pairs.slack[at];
            }
        }
        for at in 0..self.limits.inequalities.len() {
            let row = self.limits.inequalities.row(at);
            let weight = self.pairs[2].dual[at] / self.pairs[2].slack[at];
            for column in (0..n).filter(|&j| row[j] != 0.0) {
                for other in column..n {
                    hessian[(other, column)] += weight * row[column] * row[other];
                }
            }
        }
        for i in 0..n {
            hessian[(i, i)] += RIDGE * (1.0 + hessian[(i, i)]);
        }
        let factor = hessian.llt(Side::Lower).ok()?;
        let rows = &self.limits.equalities;
        let m = rows.len();
        let mut columns = Mat::from_fn(n, m, |i, j| rows.row(j)[i]);
        factor.solve_in_place(&mut columns);
        let schur = (m > 0).then(|| {
            let products = Mat::from_fn(m, m, |i, j| {
                rows.row(i).iter().enumerate().map(|(k, a)| a * columns[(k, j)]).sum::<f64>()
            });
            products.partial_piv_lu()
        });
        Some(System { factor, columns, schur })
    }

    /// Newton's step towards complementarity `target`, with the second-order terms of a predictor.
    fn step(&self, system: &System, target: f64, predictor: Option<&Step>) -> Step {
        let n = self.x.len();
        // s·dz + z·ds = target − s·z − ds'·dz'
        let wanted = |which: usize, at: usize| {
            let pairs = &self.pairs[which];
            let second = predictor.map_or(0.0, |p| p.slacks[which][at] * p.duals[which][at]);
            target - pairs.slack[at] * pairs.dual[at] - second
        };
        let mut right = self.stationarity();
        right.iter_mut().for_each(|r| *r = -*r);
        for which in 0..3 {
            let pairs = &self.pairs[which];
            for at in 0..pairs.slack.len() {
                // ds = −error + ∂s·dx, dz = (wanted − z·ds)/s; ∂s is ±1 or −G
                let constant = (wanted(which, at) + pairs.dual[at] * self.slack_error(which, at))
                    / pairs.slack[at];
                if which < 2 {
                    right[self.bounds[which].places[at]] += self.bounds[which].sign * constant;
                } else {
                    add(&mut right, self.limits.inequalities.row(at), -constant);
                }
            }
        }
        let mut x = Mat::from_fn(n, 1, |i, _| right[i]);
        system.factor.solve_in_place(&mut x);
        let mut equality = Vec::new();
        if let Some(schur) = &system.schur {
            let rows = &self.limits.equalities;
            let imbalance = self.imbalance();
            let mut over = Mat::from_fn(rows.len(), 1, |at, _| {
                let moved: f64 = rows.row(at).iter().enumerate().map(|(k, a)| a * x[(k, 0)]).sum();
                moved + imbalance[at]
            });
            schur.solve_in_place(&mut over);
            for at in 0..rows.len() {
                for i in 0..n {
                    x[(i, 0)] -= system.columns[(i, at)] * over[(at, 0)];
                }
            }
            equality = (0..rows.len()).map(|at| over[(at, 0)]).collect();
        }
        let x: Vec<f64> = (0..n).map(|i| x[(i, 0)]).collect();
        let slacks: [Vec<f64>; 3] = std::array::from_fn(|which| {
            (0..self.pairs[which].slack.len())
                .map(|at| {
                    let moved = if which < 2 {
                        self.bounds[which].sign * x[self.bounds[which].places[at]]
                    } else {
                        -dot(self.limits.inequalities.row(at), &x)
                    };
                    moved - self.slack_error(which, at)
                })
                .collect()
        });
        let duals: [Vec<f64>; 3] = std::array::from_fn(|which| {
            let pairs = &self.pairs[which];
            (0..pairs.slack.len())
                .map(|at| {
                    (wanted(which, at) - pairs.dual[at] * slacks[which][at]) / pairs.slack[at]
                })
                .collect()
        });
        Step { x, equality, slacks, duals }
    }

    /// The point in the objective's own units.
    fn solution(&self, iterations: usize) -> Solution {
        let n = self.x.len();
        let unscaled = |duals: &[f64]| duals.iter().map(|z| z / self.scale).collect::<Vec<f64>>();
        let spread = |which: usize| {
            let mut to = vec![0.0; n];
            for (at, &place) in self.bounds[which].places.iter().enumerate() {
                to[place] = self.pairs[which].dual[at] / self.scale;
            }
            to
        };
        Solution {
            x: self.x.clone(),
            equality_duals: unscaled(&self.equality),
            inequality_duals: unscaled(&self.pairs[2].dual),
            lower_duals: spread(0),
            upper_duals: spread(1),
            status: Status::Stopped,
            certificate: Certificate::default(),
            iterations,
        }
    }
}
