//! Risk budgets of factors: weights whose factors explain what was asked for of the variance.
//!
//! Returns are a + B·f + e, e uncorrelated with f. A book w has exposures y = Bᵀw, and factor k explains
//! y_k(Ωy)_k of its variance, Ω the factors' covariance: what `risk::budget` counts. Budgets fix y but for
//! its size: risk parity on Ω (signs turned where a short exposure is wanted). Among the weights with
//! exposures in these proportions, those of least variance for their exposure are taken, scaled to add up
//! to one: what no factor explains is as small as it can be. Roncalli and Weisang (2016) ask for the same
//! with the contribution y_k(B⁺Σw)_k, which is this one where the residuals lie in no factor's direction.

use super::allocation::{Allocation, AllocationError, Objective};
use super::parity::risk_parity;
use super::problem::{Constraints, Estimates, product, variance};
use super::quadratic::{homogeneous, whole};
use crate::model::covariance::correlations;
use faer::Mat;

/// Factors of assets.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Names.
    pub names: Vec<String>,
    /// B, `[asset, factor]`.
    pub slopes: Mat<f64>,
    /// Ω.
    pub covariance: Mat<f64>,
}

/// What a factor has of a book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// y_k.
    pub exposure: f64,
    /// y_k(Ωy)_k over the book's variance.
    pub of_variance: f64,
}

impl Factors {
    /// What each has of a book of this variance.
    #[must_use]
    pub fn shares(&self, weights: &[f64], variance: f64) -> Vec<Share> {
        let exposures = self.exposures(weights);
        let slope = product(&self.covariance, &exposures);
        let both = exposures.iter().zip(&slope);
        both.map(|(&exposure, slope)| Share { exposure, of_variance: exposure * slope / variance })
            .collect()
    }

    fn exposures(&self, weights: &[f64]) -> Vec<f64> {
        let column = |k: usize| self.slopes.col(k).iter().zip(weights).map(|(b, w)| b * w).sum();
        (0..self.names.len()).map(column).collect()
    }
}

/// Weights whose factors explain the variance in proportion to budgets; a negative budget asks for a short
/// exposure. `warm` are the weights of a problem nearby.
///
/// # Errors
/// A budget of nothing, factors without variance, bounds within which no weights have such exposures,
/// constraints that the ratio does not know.
pub fn factor_parity(
    estimates: &Estimates,
    factors: &Factors,
    budgets: &[f64],
    constraints: &Constraints,
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let many = budgets.len();
    if let Some(at) = budgets.iter().position(|b| !b.is_finite() || *b == 0.0) {
        let words = format!(
            "the risk budget of factor `{}` is {}; give a share that is not 0, below 0 for a short exposure",
            factors.names[at], budgets[at]
        );
        return Err(AllocationError::Numbers(words));
    }
    if many > estimates.mean.len() {
        let words = format!(
            "{many} factors of {} assets: give budgets to no more factors than assets",
            estimates.mean.len()
        );
        return Err(AllocationError::Numbers(words));
    }
    if is_singular(&estimates.covariance) {
        let words = "some combination of the assets has no variance (no more returns than assets, or assets \
                     that are copies): exposures leave the weights open; take more rows, or leave assets out";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let sign = |k: usize| budgets[k].signum();
    let turned = Mat::from_fn(many, many, |i, j| sign(i) * sign(j) * factors.covariance[(i, j)]);
    let sizes: Vec<f64> = budgets.iter().map(|b| b.abs()).collect();
    let wanted = risk_parity(&turned, &sizes, None)?.weights;
    let rows: Vec<(Vec<f64>, f64)> = (0..many)
        .map(|k| (factors.slopes.col(k).iter().copied().collect(), sign(k) * wanted[k]))
        .collect();
    let found = homogeneous(estimates, constraints, &rows, "risk-parity of factors", warm);
    let mut found = found?.ok_or_else(|| {
        let wanted = rows.iter().zip(&factors.names);
        let wanted: Vec<String> =
            wanted.map(|((_, value), name)| format!("{name} {value:.4}")).collect();
        AllocationError::Numbers(format!(
            "no weights within the bounds have exposures in the proportion that the budgets need ({}): \
             widen the bounds (--long-short, --lower -2), or give a factor another share or direction",
            wanted.join(", ")
        ))
    })?;
    let sum: f64 = found.x.iter().sum();
    let gross: f64 = found.x.iter().map(|x| x.abs()).sum();
    if sum < NET * gross {
        let words = "the weights with these exposures add up to nothing: no part of a whole can be named; \
                     give a factor another share or direction";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let value = variance(&estimates.covariance, &found.x) / (sum * sum);
    found.certificate = found.certificate.times(1.0 / (sum * sum));
    Ok(whole(&found, Objective { name: "variance", value }))
}

/// Net of gross that counts as nothing.
const NET: f64 = 1e-6;
/// The least eigenvalue of a correlation matrix that is more than rounding.
const SINGULAR: f64 = 1e-11;

fn is_singular(covariance: &Mat<f64>) -> bool {
    let least = |correlation: Mat<f64>| {
        let values = correlation.self_adjoint_eigenvalues(faer::Side::Lower);
        values.map_or(0.0, |values| values.into_iter().fold(f64::INFINITY, f64::min))
    };
    correlations(covariance).map_or(true, |(_, correlation)| least(correlation) < SINGULAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;
    use crate::model::covariance::{Estimator, covariance};
    use crate::model::factors::given;
    use crate::risk::budget::{factor_shares, held};

    /// Assets on two correlated factors, and the factors' own returns.
    fn world(assets: usize, seed: u64) -> (Estimates, Factors, Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let mut random = Random::new(seed, 0);
        let rows = 600;
        let first: Vec<f64> = (0..rows).map(|_| 0.01 * random.normal()).collect();
        let second: Vec<f64> = first.iter().map(|f| 0.3 * f + 0.006 * random.normal()).collect();
        let columns: Vec<Vec<f64>> = (0..assets)
            .map(|_| {
                let (a, b) = (0.4 + random.unit(), 2.0 * random.unit() - 0.7);
                let own = 0.004 + 0.01 * random.unit();
                let each = first.iter().zip(&second);
                each.map(|(f, g)| a * f + b * g + own * random.normal()).collect()
            })
            .collect();
        let series = vec![first, second];
        let fit = given::fit(&columns, &series).expect("fits");
        let slopes = Mat::from_fn(assets, 2, |i, k| fit.regressions[i].slopes[k]);
        let shared = covariance(&series, Estimator::Sample).expect("rows").matrix;
        let names = vec!["first".to_owned(), "second".to_owned()];
        let estimates = Estimates {
            assets: (0..assets).map(|i| format!("a{i}")).collect(),
            mean: vec![0.0; assets],
            covariance: covariance(&columns, Estimator::Sample).expect("rows").matrix,
        };
        (estimates, Factors { names, slopes, covariance: shared }, columns, series)
    }

    fn free(assets: usize) -> Constraints {
        Constraints { lower: vec![f64::NEG_INFINITY; assets], ..Constraints::long_only(assets) }
    }

    #[test]
    fn factors_explain_what_was_asked_for() {
        for (seed, budgets) in
            [(1, [0.5, 0.5]), (2, [0.8, 0.2]), (3, [1.0, 3.0]), (4, [0.7, -0.3]), (5, [2.0, -1.0])]
        {
            let (known, factors, columns, series) = world(12, seed);
            let found = factor_parity(&known, &factors, &budgets, &free(12), None).expect("free");
            assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            // counted by the regression of the book itself
            let book = held(&columns, &found.weights);
            let shares = factor_shares(&book, &series).expect("fits");
            let wanted = budgets[0].abs() / budgets[1].abs();
            assert!((shares[0] / shares[1] / wanted - 1.0).abs() < 1e-8, "{seed}: {shares:?}");
            let own = factors.shares(&found.weights, found.objective.value);
            for (own, regressed) in own.iter().zip(&shares) {
                assert!((own.of_variance - regressed).abs() < 1e-9, "{own:?} {regressed}");
            }
            assert!((own[1].exposure < 0.0) == (budgets[1] < 0.0), "{own:?}");
        }
    }

    /// Among weights with the same exposures none has less variance: moves within the exposures' null space.
    #[test]
    fn the_rest_is_as_small_as_it_can_be() {
        let (known, factors, ..) = world(8, 7);
        let found = factor_parity(&known, &factors, &[1.0, 1.0], &free(8), None).expect("free");
        // on paper: Σ⁻¹B(BᵀΣ⁻¹B)⁻¹y
        use faer::linalg::solvers::Solve;
        let inverse = known.covariance.partial_piv_lu().solve(&factors.slopes);
        let y = Mat::from_fn(2, 1, |k, _| factors.exposures(&found.weights)[k]);
        let inner = factors.slopes.transpose() * &inverse;
        let paper = &inverse * inner.partial_piv_lu().solve(&y);
        for i in 0..8 {
            assert!((paper[(i, 0)] - found.weights[i]).abs() < 1e-9, "{i}");
        }
    }

    #[test]
    fn long_only_keeps_both_or_says_that_it_cannot() {
        let (mut kept, mut refused) = (0, 0);
        for seed in 0..20 {
            let (known, factors, ..) = world(10, 100 + seed);
            let plain = Constraints::long_only(10);
            match factor_parity(&known, &factors, &[0.5, 0.5], &plain, None) {
                Ok(found) => {
                    kept += 1;
                    assert!(found.weights.iter().all(|w| *w >= 0.0));
                    let own = factors.shares(&found.weights, found.objective.value);
                    let apart = own[0].of_variance - own[1].of_variance;
                    assert!(apart.abs() < 1e-8, "{seed} {own:?}");
                    let again =
                        factor_parity(&known, &factors, &[0.5, 0.5], &plain, Some(&found.weights));
                    let again = again.expect("as before");
                    assert!(again.iterations <= 2, "{}", again.iterations);
                    for (again, found) in again.weights.iter().zip(&found.weights) {
                        assert!((again - found).abs() < 1e-9, "{seed}: {again} {found}");
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("widen the bounds"), "{seed} {error}");
                }
            }
        }
        assert!(kept > 3 && refused > 3, "{kept} {refused}");
        let (known, factors, ..) = world(3, 1);
        let plain = Constraints::long_only(3);
        assert!(factor_parity(&known, &factors, &[0.5, 0.0], &plain, None).is_err());
        // a copy leaves weights open
        let from = |i: usize| i.min(2);
        let copied = Estimates {
            assets: vec![String::new(); 4],
            mean: vec![0.0; 4],
            covariance: Mat::from_fn(4, 4, |i, j| known.covariance[(from(i), from(j))]),
        };
        let slopes = Mat::from_fn(4, 2, |i, k| factors.slopes[(from(i), k)]);
        let factors = Factors { slopes, ..factors };
        let refused = factor_parity(&copied, &factors, &[0.5, 0.5], &free(4), None);
        assert!(refused.is_err_and(|error| error.to_string().contains("copies")));
    }
}
