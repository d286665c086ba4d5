//! The arguments that say how covariance is estimated.

use crate::model::covariance::{Covariance, CovarianceError, Estimator, covariance};
use clap::{Args, ValueEnum};

/// How covariance is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum EstimatorName {
    /// The sample's
    #[default]
    Sample,
    /// Exponentially weighted with --half-life
    Ewma,
    /// Ledoit and Wolf's linear shrinkage
    LedoitWolf,
    /// Oracle-approximating shrinkage
    Oas,
    /// Ledoit and Wolf's analytical nonlinear shrinkage
    Nonlinear,
    /// Eigenvalues below the random edge flattened
    Denoise,
    /// Gerber's statistic
    Gerber,
    /// What --factors principal components share, and what they leave each asset
    Factors,
    /// The next period's, by GARCH-t and dynamic conditional correlation
    Dcc,
}

/// How covariance is estimated.
#[derive(Clone, Debug, Args)]
pub struct EstimatorArgs {
    /// How covariance is estimated
    #[arg(long, value_enum, default_value = "sample")]
    covariance: EstimatorName,
    /// Rows after which a weight of ewma has halved
    #[arg(long, default_value_t = 40.0, value_name = "ROWS", allow_negative_numbers = true)]
    half_life: f64,
    /// Principal components of `factors`; by the eigenvalue ratio without
    #[arg(long, value_name = "N")]
    factors: Option<usize>,
}

impl EstimatorArgs {
    /// The covariance of these assets' columns.
    ///
    /// # Errors
    /// What the estimator refuses, with the asset's name where it is one's.
    pub fn estimate(
        &self,
        columns: &[Vec<f64>],
        assets: &[String],
    ) -> Result<Covariance, EstimateError> {
        covariance(columns, self.estimator()).map_err(|error| EstimateError::of(error, assets))
    }

    fn estimator(&self) -> Estimator {
        match self.covariance {
            EstimatorName::Sample => Estimator::Sample,
            EstimatorName::Ewma => Estimator::Weighted(self.half_life),
            EstimatorName::LedoitWolf => Estimator::LedoitWolf,
            EstimatorName::Oas => Estimator::Oas,
            EstimatorName::Nonlinear => Estimator::Nonlinear,
            EstimatorName::Denoise => Estimator::Denoised,
            EstimatorName::Gerber => Estimator::Gerber(0.5),
            EstimatorName::Factors => Estimator::Factors(self.factors),
            EstimatorName::Dcc => Estimator::Dynamic,
        }
    }

    /// Whether it is the sample's.
    pub fn is_sample(&self) -> bool {
        self.covariance == EstimatorName::Sample
    }

    /// Its name.
    pub fn name(&self) -> String {
        super::optimize::name(&self.covariance)
    }
}

/// A covariance that cannot be estimated.
#[derive(Debug, thiserror::Error)]
#[error("{asset}{error}")]
pub struct EstimateError {
    /// Which asset, where it is one's.
    asset: String,
    /// Why.
    error: CovarianceError,
}

impl EstimateError {
    /// With the name of the asset that it is about.
    pub fn of(error: CovarianceError, assets: &[String]) -> EstimateError {
        let asset = match error {
            CovarianceError::Still(at) => format!("`{}`: ", assets[at]),
            _ => String::new(),
        };
        EstimateError { asset, error }
    }
}
