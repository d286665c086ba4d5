//! An answer: weights, what they achieve, and what proves them; or why there is none.

use super::problem::Conflict;
use crate::maths::programme::{Certificate, Solution, Status};

/// Weights and their proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// One weight an asset.
    pub weights: Vec<f64>,
    /// What was made as small or as great as possible.
    pub objective: Objective,
    /// How it ended.
    pub status: Status,
    /// What proves it; none where a method is a recipe and optimises nothing.
    pub certificate: Option<Certificate>,
    /// Newton's steps, or sweeps.
    pub iterations: usize,
}

/// A named figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// What it is.
    pub name: &'static str,
    /// Its value a period.
    pub value: f64,
}

impl Allocation {
    /// Of a recipe.
    #[must_use]
    pub fn of_recipe(weights: Vec<f64>, name: &'static str, value: f64) -> Allocation {
        let objective = Objective { name, value };
        Allocation { weights, objective, status: Status::Optimal, certificate: None, iterations: 0 }
    }

    /// Of a solved programme whose first variables are the weights, times `scale`.
    #[must_use]
    pub fn of_solution(
        solution: &Solution,
        assets: usize,
        scale: f64,
        objective: Objective,
    ) -> Allocation {
        Allocation {
            weights: solution.x[..assets].iter().map(|x| x * scale).collect(),
            objective,
            status: solution.status,
            certificate: Some(solution.certificate),
            iterations: solution.iterations,
        }
    }
}

/// Why there is no allocation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// Constraints that leave nothing.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A ratio that nothing makes positive.
    #[error(
        "no weights have a mean, less costs and doubt, above the risk-free rate of {0}: the ratio has no \
         maximum"
    )]
    NoReward(f64),
    /// Constraints that a method does not know.
    #[error("{method} takes {takes}; leave the other constraints out or take another method")]
    Constraints {
        /// Which.
        method: &'static str,
        /// What it can keep to.
        takes: &'static str,
    },
    /// Numbers that have no portfolio.
    #[error("{0}")]
    Numbers(String),
    /// A search without an end.
    #[error("the search stopped after {iterations} steps with a residual of {residual:.1e}")]
    Stopped {
        /// Steps.
        iterations: usize,
        /// What was left.
        residual: f64,
    },
}

/// Turns a status into an outcome.
pub(super) fn ended(
    found: Solution,
    conflict: impl FnOnce() -> Conflict,
) -> Result<Solution, AllocationError> {
    match found.status {
        Status::Optimal => Ok(found),
        Status::Infeasible => Err(conflict().into()),
        Status::Stopped => Err(AllocationError::Stopped {
            iterations: found.iterations,
            residual: found.certificate.kkt_residual,
        }),
    }
}
