//! What is to be simulated, checked once.

use super::draws::Draws;
use crate::compute::philox::Student;
use crate::compute::quantile::{QuantileTable, Side};
use crate::maths::distribution::{Tail, chi_square_quantile};
use crate::maths::linear::{CholeskyError, cholesky};

/// One asset's process, in units of one step's return (0.01 is one percent).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asset {
    /// Mean return μ of a step.
    pub mean: f32,
    /// ω.
    pub omega: f32,
    /// α.
    pub alpha: f32,
    /// γ, what a fall adds to α.
    pub gamma: f32,
    /// β.
    pub beta: f32,
    /// Variance of the first step.
    pub start: f32,
}

impl Asset {
    /// A volatility that stays, as a standard deviation.
    #[must_use]
    pub fn constant(mean: f64, volatility: f64) -> Asset {
        let start = (volatility * volatility) as f32;
        Asset { mean: mean as f32, beta: 1.0, start, ..Asset::default() }
    }

    fn check(&self, index: usize) -> Result<(), JobError> {
        let named = [
            ("mean", self.mean, f32::NEG_INFINITY),
            ("omega", self.omega, 0.0),
            ("alpha", self.alpha, 0.0),
            ("alpha + gamma", self.alpha + self.gamma, 0.0),
            ("beta", self.beta, 0.0),
            ("variance", self.start, 0.0),
        ];
        for (name, value, least) in named {
            if !value.is_finite() || value < least {
                return Err(JobError::Parameter { asset: index, name, value });
            }
        }
        Ok(())
    }
}

/// How returns of several steps add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compounding {
    /// A step's return is logarithmic: they add, expm1 at the end.
    Log,
    /// A step's return is simple: (1 + R)(1 + r) − 1.
    Simple,
}

/// Where shocks come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Shocks {
    /// Normal.
    Normal,
    /// Student's t, each asset its own (Bailey's form).
    Student(Student),
    /// Normals mixed by one number a path and step: the multivariate t.
    MixedStudent {
        /// ν.
        nu: f64,
        /// √((ν − 2)/χ²) by probability.
        mixing: QuantileTable,
    },
    /// Days of standardised residuals, `rows[asset * days + day]`.
    Days {
        /// The residuals.
        rows: Vec<f32>,
        /// How many days.
        days: u32,
    },
}

impl Shocks {
    /// The multivariate t of variance one with `nu` > 2 degrees of freedom.
    ///
    /// # Errors
    /// When `nu` leaves no variance.
    pub fn mixed_student(nu: f64) -> Result<Shocks, JobError> {
        if !(nu.is_finite() && nu > 2.0) {
            return Err(JobError::Freedom(nu));
        }
        let mixing = |side| {
            let tail = match side {
                Side::Lower(p) => Tail::Lower(p),
                Side::Upper(p) => Tail::Upper(p),
            };
            ((nu - 2.0) / chi_square_quantile(nu, tail)).sqrt()
        };
        Ok(Shocks::MixedStudent { nu, mixing: QuantileTable::new(mixing) })
    }

    /// Student's t, each asset its own, with `nu` > 2 degrees of freedom.
    ///
    /// # Errors
    /// When `nu` leaves no variance.
    pub fn student(nu: f64) -> Result<Shocks, JobError> {
        Student::new(nu).map(Shocks::Student).ok_or(JobError::Freedom(nu))
    }
}

/// How the assets' normals hang together.
#[derive(Clone, Debug, PartialEq)]
pub enum Dependence {
    /// Not at all (or the shocks bring their own).
    Independent,
    /// Lower triangular factor of the correlations, rows packed: row j holds j + 1 numbers.
    Cholesky(Vec<f32>),
    /// `loadings[asset * factors + factor]` and what each asset has of its own.
    Factors {
        /// How many factors.
        factors: usize,
        /// b.
        loadings: Vec<f32>,
        /// d.
        own: Vec<f32>,
    },
}

impl Dependence {
    /// Factors a correlation matrix (rows in one piece).
    ///
    /// # Errors
    /// When it has no factor.
    pub fn correlated(correlations: &[f64], assets: usize) -> Result<Dependence, CholeskyError> {
        let factor = cholesky(correlations, assets)?;
        let packed = (0..assets)
            .flat_map(|row| factor[row * assets..=row * assets + row].iter().map(|&x| x as f32))
            .collect();
        Ok(Dependence::Cholesky(packed))
    }

    /// Numbers drawn a step for `assets` assets.
    #[must_use]
    pub fn width(&self, assets: usize) -> usize {
        match self {
            Dependence::Independent | Dependence::Cholesky(_) => assets,
            Dependence::Factors { factors, .. } => factors + assets,
        }
    }
}

/// Why nothing can be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JobError {
    /// No asset, or no step.
    #[error("{assets} assets over {steps} steps; give at least one of each")]
    Empty {
        /// Assets.
        assets: usize,
        /// Steps.
        steps: u32,
    },
    /// A number that no process has.
    #[error("asset {asset}: {name} is {value}; it must be finite, and only the mean negative")]
    Parameter {
        /// Which, from zero.
        asset: usize,
        /// What.
        name: &'static str,
        /// Its value.
        value: f32,
    },
    /// Degrees of freedom.
    #[error("{0} degrees of freedom; a Student's t of variance one needs more than 2")]
    Freedom(f64),
    /// Sizes that do not fit.
    #[error("{what}: {found} numbers where {wanted} are wanted")]
    Shape {
        /// Of what.
        what: &'static str,
        /// Given.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// A residual or a loading that is no number.
    #[error("{what} {index} is {value}, which is no finite number")]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// Which, from zero.
        index: usize,
        /// What stands there.
        value: f32,
    },
    /// Shocks that bring their own dependence.
    #[error("{0} shocks keep their own dependence; a correlation beside them would count twice")]
    Twice(&'static str),
    /// Shocks whose measure cannot be changed.
    #[error(
        "only normals and a multivariate Student's t can be tilted; days of history and each asset's own t \
         cannot"
    )]
    Tilt,
}

/// A checked job.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    seed: u64,
    steps: u32,
    assets: Vec<Asset>,
    shocks: Shocks,
    dependence: Dependence,
    compounding: Compounding,
    pub(super) draws: Draws,
}

impl Paths {
    /// Checks every number.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn new(
        seed: u64,
        steps: u32,
        assets: Vec<Asset>,
        shocks: Shocks,
        dependence: Dependence,
        compounding: Compounding,
    ) -> Result<Paths, JobError> {
        if assets.is_empty() || steps == 0 {
            return Err(JobError::Empty { assets: assets.len(), steps });
        }
        assets.iter().enumerate().try_for_each(|(index, asset)| asset.check(index))?;
        let n = assets.len();
        match &dependence {
            Dependence::Independent => {}
            Dependence::Cholesky(packed) => {
                sized("the Cholesky factor", packed, n * (n + 1) / 2)?;
            }
            Dependence::Factors { factors, loadings, own } => {
                sized("factor loadings", loadings, n * factors)?;
                sized("own parts", own, n)?;
            }
        }
        let alone = matches!(dependence, Dependence::Independent);
        match &shocks {
            Shocks::Student(_) if !alone => {
                return Err(JobError::Twice("each asset's own Student"));
            }
            Shocks::Days { rows, days } => {
                if !alone {
                    return Err(JobError::Twice("historical"));
                }
                if *days == 0 {
                    return Err(JobError::Shape { what: "days of history", found: 0, wanted: 1 });
                }
                sized("residuals", rows, n * *days as usize)?;
            }
            _ => {}
        }
        Ok(Paths { seed, steps, assets, shocks, dependence, compounding, draws: Draws::Plain })
    }

    /// The same process with other shocks.
    ///
    /// # Errors
    /// Shocks that do not go with its dependence.
    pub fn shocked(&self, shocks: Shocks) -> Result<Paths, JobError> {
        let (assets, dependence) = (self.assets.clone(), self.dependence.clone());
        Paths::new(self.seed, self.steps, assets, shocks, dependence, self.compounding)
    }

    /// The same paths by other draws.
    pub(super) fn drawn(&self, draws: Draws) -> Paths {
        Paths { draws, ..self.clone() }
    }

    /// The assets.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The key.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Steps.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The shocks.
    #[must_use]
    pub fn shocks(&self) -> &Shocks {
        &self.shocks
    }

    /// The dependence.
    #[must_use]
    pub fn dependence(&self) -> &Dependence {
        &self.dependence
    }

    /// How returns add up.
    #[must_use]
    pub fn compounding(&self) -> Compounding {
        self.compounding
    }
}

fn sized(what: &'static str, numbers: &[f32], wanted: usize) -> Result<(), JobError> {
    if numbers.len() != wanted {
        return Err(JobError::Shape { what, found: numbers.len(), wanted });
    }
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(JobError::NotFinite { what, index, value: numbers[index] }),
        None => Ok(()),
    }
}
