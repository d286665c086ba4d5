//! An answer: weights, what they achieve, and what proves them.

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
