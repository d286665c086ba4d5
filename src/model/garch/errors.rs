//! Standard errors of fitted parameters.
//!
//! The curvature A = −∂²ln L/n from differences of the exact slopes, the scores' covariance B. By curvature
//! alone: A⁻¹/n; robust to a wrong density (White 1982; Bollerslev and Wooldridge 1992): A⁻¹·B·A⁻¹/n.
//! Where ω is set by a target, it has no error of its own and the others' take the target as known.

use super::path::{PARAMETERS, Series, Slopes};
use super::{Parameters, Spec, Volatility};
use crate::model::garch::Family;
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;

/// One error a parameter, in the order μ, ω, α, γ, β, ν, λ; NaN of those that were not fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandardErrors {
    /// From the curvature.
    pub curvature: Slopes,
    /// From curvature and scores.
    pub robust: Slopes,
}

/// Which parameters are fitted.
fn fitted(spec: Spec) -> Vec<usize> {
    let mut places = vec![2, 4];
    if !spec.targeted {
        places.push(1);
    }
    if spec.mean {
        places.push(0);
    }
    if spec.volatility != Volatility::Garch {
        places.push(3);
    }
    if spec.family != Family::Normal {
        places.push(5);
    }
    if spec.family == Family::Skewed {
        places.push(6);
    }
    places.sort_unstable();
    places
}

/// The level that ω keeps the variance at, where it does.
struct Target {
    level: Option<f64>,
}

impl Target {
    fn apply(&self, p: &Parameters) -> Parameters {
        let omega = self.level.map_or(p.omega, |level| level * (1.0 - p.persistence()));
        Parameters { omega, ..*p }
    }

    /// Slopes along the line on which ω follows α, γ and β.
    fn slopes(&self, mut slopes: Slopes) -> Slopes {
        if let Some(level) = self.level {
            let by_omega = slopes[1];
            for (place, share) in [(2, 1.0), (3, 0.5), (4, 1.0)] {
                slopes[place] -= level * share * by_omega;
            }
        }
        slopes
    }
}

/// Relative step of the differences.
const STEP: f64 = 1e-5;

/// Errors at a fit; NaN where the curvature has no inverse.
pub(super) fn standard_errors(series: &Series, p: &Parameters, spec: Spec) -> StandardErrors {
    let places = fitted(spec);
    let size = places.len();
    let n = series.returns.len() as f64;
    let level = spec.targeted.then(|| p.omega / (1.0 - p.persistence()));
    let target = Target { level };
    let mut curvature = Mat::<f64>::zeros(size, size);
    for (column, &place) in places.iter().enumerate() {
        let value = p.get(place);
        let step = STEP * value.abs().max(1e-3);
        let slope = |by: f64| {
            let moved = target.apply(&p.with(place, value + by));
            target.slopes(series.likelihood(&moved).1)
        };
        let (above, below) = (slope(step), slope(-step));
        for (row, &other) in places.iter().enumerate() {
            curvature[(row, column)] = -(above[other] - below[other]) / (2.0 * step * n);
        }
    }
    let curvature = Mat::from_fn(size, size, |i, j| 0.5 * (curvature[(i, j)] + curvature[(j, i)]));
    let mut scores: Vec<Slopes> = Vec::with_capacity(series.returns.len());
    series.walk(p, |step| scores.push(target.slopes(step.slopes)));
    let mean = |k: usize| scores.iter().map(|score| score[k]).sum::<f64>() / n;
    let means: Vec<f64> = places.iter().map(|&k| mean(k)).collect();
    let spread = Mat::from_fn(size, size, |i, j| {
        let products = scores.iter().map(|s| (s[places[i]] - means[i]) * (s[places[j]] - means[j]));
        products.sum::<f64>() / (n - 1.0)
    });
    let inverse = curvature.partial_piv_lu().inverse();
    let robust = &inverse * &spread * &inverse;
    let errors = |matrix: &Mat<f64>| {
        let mut errors = [f64::NAN; PARAMETERS];
        places.iter().enumerate().for_each(|(at, &k)| errors[k] = (matrix[(at, at)] / n).sqrt());
        errors
    };
    StandardErrors { curvature: errors(&inverse), robust: errors(&robust) }
}
