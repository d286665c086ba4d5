//! The words of `bot4 var`'s arguments, and what they stand for.

use crate::risk::process::Model;
use crate::risk::reduction::Reduction;
use clap::ValueEnum;

/// How scenarios are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodName {
    /// Paths of a model
    Mc,
    /// The history's own returns
    Historical,
    /// Volatility models with days of history as shocks (the same as `--method mc --model fhs`)
    Fhs,
    /// A closed form
    Parametric,
}

/// What moves the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ModelName {
    /// Normal returns
    Normal,
    /// Student's t
    T,
    /// GARCH(1,1) with normal shocks
    Garch,
    /// GARCH(1,1) with Student's t
    GarchT,
    /// GJR with Student's t: falls raise volatility more
    Gjr,
    /// GARCH volatilities with days of standardised residuals
    Fhs,
    /// GJR volatilities with days of standardised residuals
    GjrFhs,
}

impl ModelName {
    pub(super) fn model(self) -> Model {
        match self {
            ModelName::Normal => Model::Normal,
            ModelName::T => Model::StudentT,
            ModelName::Garch => Model::Garch,
            ModelName::GarchT => Model::GarchT,
            ModelName::Gjr => Model::Gjr,
            ModelName::Fhs => Model::Filtered,
            ModelName::GjrFhs => Model::FilteredGjr,
        }
    }

    pub(super) fn of(model: Model) -> ModelName {
        match model {
            Model::Normal => ModelName::Normal,
            Model::StudentT => ModelName::T,
            Model::Garch => ModelName::Garch,
            Model::GarchT => ModelName::GarchT,
            Model::Gjr => ModelName::Gjr,
            Model::Filtered => ModelName::Fhs,
            Model::FilteredGjr => ModelName::GjrFhs,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            ModelName::Normal => "normal",
            ModelName::T => "t",
            ModelName::Garch => "garch",
            ModelName::GarchT => "garch-t",
            ModelName::Gjr => "gjr",
            ModelName::Fhs => "fhs",
            ModelName::GjrFhs => "gjr-fhs",
        }
    }
}

/// How a horizon is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ScaleName {
    /// Step by step
    #[default]
    Walk,
    /// One step times the square root of the horizon
    Sqrt,
}

/// How options are revalued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum RevaluationName {
    /// In full, every scenario
    #[default]
    Full,
    /// By delta, gamma and vega
    DeltaGamma,
}

/// How paths tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReductionName {
    /// Every path with its mirror image
    Antithetic,
    /// Delta and gamma as a control of options' full values
    Control,
    /// Paths from nearer the tail, weighted
    Importance,
    /// Scrambled Sobol points in 32 replicates
    Sobol,
}

impl ReductionName {
    pub(super) fn reduction(self) -> Reduction {
        match self {
            ReductionName::Antithetic => Reduction::Antithetic,
            ReductionName::Control => Reduction::Control,
            ReductionName::Importance => Reduction::Importance,
            ReductionName::Sobol => Reduction::Sobol,
        }
    }
}
