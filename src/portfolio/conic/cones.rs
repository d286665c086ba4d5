//! A conic programme in the words of a text book, handed to Clarabel (Goulart and Chen 2024).
//!
//! minimise c·x over lines (linear forms with a constant) that must be nothing, not negative, or
//! stand in a second-order or an exponential cone.

use crate::maths::programme::{Certificate, Status};
use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};

/// A constant and multiples of variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub terms: Vec<(usize, f64)>,
    pub constant: f64,
}

impl Line {
    /// One variable.
    pub fn of(variable: usize) -> Line {
        Line { terms: vec![(variable, 1.0)], constant: 0.0 }
    }

    /// A constant.
    pub fn constant(constant: f64) -> Line {
        Line { terms: Vec::new(), constant }
    }

    /// A sum of multiples.
    pub fn sum(terms: impl IntoIterator<Item = (usize, f64)>) -> Line {
        Line { terms: terms.into_iter().collect(), constant: 0.0 }
    }

    /// With another, `times` as much of it.
    pub fn plus(mut self, other: &Line, times: f64) -> Line {
        self.terms.extend(other.terms.iter().map(|&(at, by)| (at, times * by)));
        self.constant += times * other.constant;
        self
    }

    /// Its value at a point.
    pub fn at(&self, x: &[f64]) -> f64 {
        self.constant + self.terms.iter().map(|&(at, by)| by * x[at]).sum::<f64>()
    }
}

/// The programme.
#[derive(Clone, Debug, Default)]
pub(super) struct Cones {
    variables: usize,
    linear: Vec<f64>,
    zero: Vec<Line>,
    positive: Vec<Line>,
    norms: Vec<Vec<Line>>,
    exponentials: Vec<[Line; 3]>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(super) struct Solved {
    pub x: Vec<f64>,
    pub status: Status,
    pub is_unbounded: bool,
    pub certificate: Certificate,
    pub iterations: usize,
}

/// What the solver is asked for, first and where it does not get there.
const TOLERANCES: [f64; 2] = [1e-11, 1e-9];
/// What is taken of a search that could not get nearer: gap, and residual of the limits.
const GAP_MAX: f64 = 1e-7;
const RESIDUAL_MAX: f64 = 1e-6;
const STEPS_MAX: u32 = 200;

impl Cones {
    /// New free variables, the first of them.
    pub fn variables(&mut self, count: usize) -> usize {
        let first = self.variables;
        self.variables += count;
        self.linear.resize(self.variables, 0.0);
        first
    }

    /// A new free variable.
    pub fn variable(&mut self) -> usize {
        self.variables(1)
    }

    /// New variables that are not negative.
    pub fn positives(&mut self, count: usize) -> usize {
        let first = self.variables(count);
        (first..first + count).for_each(|at| self.at_least_nothing(Line::of(at)));
        first
    }

    /// Adds to the objective.
    pub fn cost(&mut self, line: &Line, times: f64) {
        line.terms.iter().for_each(|&(at, by)| self.linear[at] += times * by);
    }

    /// line = 0.
    pub fn nothing(&mut self, line: Line) {
        self.zero.push(line);
    }

    /// line ≥ 0.
    pub fn at_least_nothing(&mut self, line: Line) {
        self.positive.push(line);
    }

    /// less ≤ more.
    pub fn at_most(&mut self, less: &Line, more: &Line) {
        self.at_least_nothing(more.clone().plus(less, -1.0));
    }

    /// ‖lines‖ ≤ bound.
    pub fn norm(&mut self, bound: Line, lines: impl IntoIterator<Item = Line>) {
        let mut cone = vec![bound];
        cone.extend(lines);
        self.norms.push(cone);
    }

    /// y·e^(x/y) ≤ z, y > 0.
    pub fn exponential(&mut self, x: Line, y: Line, z: Line) {
        self.exponentials.push([x, y, z]);
    }

    /// x² ≤ y·z, y and z not negative.
    pub fn product(&mut self, x: &Line, y: &Line, z: &Line) {
        let twice = Line::default().plus(x, 2.0);
        self.norm(y.clone().plus(z, 1.0), [twice, y.clone().plus(z, -1.0)]);
    }

    /// Solves it.
    pub fn solve(&self) -> Solved {
        let mut rows: Vec<&Line> = Vec::new();
        let mut cones = Vec::new();
        rows.extend(&self.zero);
        cones.push(SupportedConeT::ZeroConeT(self.zero.len()));
        rows.extend(&self.positive);
        cones.push(SupportedConeT::NonnegativeConeT(self.positive.len()));
        for norm in &self.norms {
            rows.extend(norm);
            cones.push(SupportedConeT::SecondOrderConeT(norm.len()));
        }
        for exponential in &self.exponentials {
            rows.extend(exponential);
            cones.push(SupportedConeT::ExponentialConeT());
        }
        // the solver keeps b − Ax in the cones: A is minus what the lines say
        let (mut places, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (at, line) in rows.iter().enumerate() {
            for &(variable, by) in line.terms.iter().filter(|(_, by)| *by != 0.0) {
                places.push(at);
                columns.push(variable);
                values.push(-by);
            }
        }
        let a = CscMatrix::new_from_triplets(rows.len(), self.variables, places, columns, values);
        let right: Vec<f64> = rows.iter().map(|line| line.constant).collect();
        let flat = CscMatrix::zeros((self.variables, self.variables));
        let ask = |tolerance: f64| {
            let settings = DefaultSettingsBuilder::default()
                .verbose(false)
                .max_iter(STEPS_MAX)
                .tol_gap_abs(tolerance)
                .tol_gap_rel(tolerance)
                .tol_feas(tolerance)
                .build()
                .unwrap_or_default();
            // sizes and cones are made above and fit
            let solver = DefaultSolver::new(&flat, &self.linear, &a, &right, &cones, settings);
            solver.map_or_else(|_| Solved::nowhere(Status::Stopped, 0), Solved::of)
        };
        let first = ask(TOLERANCES[0]);
        if first.status != Status::Stopped || first.is_unbounded {
            return first;
        }
        let second = ask(TOLERANCES[1]);
        Solved { iterations: first.iterations + second.iterations, ..second }
    }
}

impl Solved {
    fn of(mut solver: DefaultSolver<f64>) -> Solved {
        solver.solve();
        let found = &solver.solution;
        let gap = (found.obj_val - found.obj_val_dual).abs();
        let certificate = Certificate {
            primal: found.obj_val,
            dual: found.obj_val_dual,
            gap,
            kkt_residual: found.r_prim.max(found.r_dual),
        };
        let is_near = gap <= GAP_MAX * found.obj_val.abs().max(1.0)
            && certificate.kkt_residual <= RESIDUAL_MAX;
        let iterations = found.iterations as usize;
        let status = match found.status {
            SolverStatus::Solved => Status::Optimal,
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => {
                return Solved::nowhere(Status::Infeasible, iterations);
            }
            SolverStatus::DualInfeasible | SolverStatus::AlmostDualInfeasible => {
                let nowhere = Solved::nowhere(Status::Stopped, iterations);
                return Solved { is_unbounded: true, ..nowhere };
            }
            _ if is_near => Status::Optimal,
            _ => Status::Stopped,
        };
        Solved { x: found.x.clone(), status, is_unbounded: false, certificate, iterations }
    }

    fn nowhere(status: Status, iterations: usize) -> Solved {
        let certificate =
            Certificate { primal: f64::NAN, dual: f64::NAN, gap: f64::NAN, kkt_residual: f64::NAN };
        Solved { x: Vec::new(), status, is_unbounded: false, certificate, iterations }
    }
}
