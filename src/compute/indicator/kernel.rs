//! Which indicator, over what shape, and what is wrong with a request.

/// An indicator and its settings. Windows count steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// Mean of the window. Input: value.
    Sma {
        /// Steps, at least 1.
        window: usize,
    },
    /// Exponential mean, rate 2/(window + 1), seeded with the first value. Input: value.
    Ema {
        /// Steps, at least 1.
        window: usize,
    },
    /// Mean with weights 1 (oldest) to `window` (newest). Input: value.
    Wma {
        /// Steps, at least 1.
        window: usize,
    },
    /// Relative strength index, 0 to 100 (Wilder 1978). Input: value.
    Rsi {
        /// Changes, at least 1.
        window: usize,
    },
    /// Difference of two EMAs and its EMA (Appel 1979). Input: value. Outputs: line, signal.
    Macd {
        /// Steps of the fast mean, at least 1.
        fast: usize,
        /// Steps of the slow mean, above `fast`.
        slow: usize,
        /// Steps of the signal's mean, at least 1.
        signal: usize,
    },
    /// Mean and bands of `width` population deviations (Bollinger 2001). Input: value. Outputs: middle,
    /// upper, lower.
    Bollinger {
        /// Steps, at least 1.
        window: usize,
        /// Deviations from the mean to a band, finite and not negative.
        width: f64,
    },
    /// Average true range (Wilder 1978). Inputs: high, low, close.
    Atr {
        /// Steps, at least 1.
        window: usize,
    },
    /// Volume-weighted mean price of the window; NaN where nothing traded. Inputs: price, volume.
    Vwap {
        /// Steps, at least 1.
        window: usize,
    },
    /// Sample deviation of log returns, per step (not annualised). Input: price, positive.
    Volatility {
        /// Returns, at least 2.
        window: usize,
    },
    /// Distance from the mean in population deviations; 0 in a flat window. Input: value.
    ZScore {
        /// Steps, at least 2.
        window: usize,
    },
    /// Order-flow imbalance: sum of the events of the window (Cont, Kukanov and Stoikov 2014,
    /// equation 10). Inputs: bid price, bid size, ask price, ask size.
    Ofi {
        /// Events, at least 1.
        window: usize,
    },
    /// Toxicity of the flow, 0 to 1, over volume buckets (Easley, López de Prado and O'Hara 2012).
    /// Inputs: bought and sold volume of each bucket; NaN where nothing traded.
    Vpin {
        /// Buckets, at least 1.
        window: usize,
    },
}

impl Kernel {
    /// Name in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Kernel::Sma { .. } => "sma",
            Kernel::Ema { .. } => "ema",
            Kernel::Wma { .. } => "wma",
            Kernel::Rsi { .. } => "rsi",
            Kernel::Macd { .. } => "macd",
            Kernel::Bollinger { .. } => "bollinger",
            Kernel::Atr { .. } => "atr",
            Kernel::Vwap { .. } => "vwap",
            Kernel::Volatility { .. } => "volatility",
            Kernel::ZScore { .. } => "zscore",
            Kernel::Ofi { .. } => "ofi",
            Kernel::Vpin { .. } => "vpin",
        }
    }

    /// Input planes.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        match self {
            Kernel::Atr { .. } => 3,
            Kernel::Ofi { .. } => 4,
            Kernel::Vwap { .. } | Kernel::Vpin { .. } => 2,
            _ => 1,
        }
    }

    /// Output planes.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        match self {
            Kernel::Macd { .. } => 2,
            Kernel::Bollinger { .. } => 3,
            _ => 1,
        }
    }

    /// Whether a value depends on the one before it, so that one series has nothing to run abreast.
    #[must_use]
    pub const fn is_recurrence(&self) -> bool {
        matches!(
            self,
            Kernel::Ema { .. } | Kernel::Rsi { .. } | Kernel::Macd { .. } | Kernel::Atr { .. }
        )
    }

    /// Steps before the first output.
    #[must_use]
    pub const fn warm_up(&self) -> usize {
        match *self {
            Kernel::Rsi { window } | Kernel::Volatility { window } | Kernel::Ofi { window } => {
                window
            }
            Kernel::Macd { slow, signal, .. } => slow + signal - 2,
            Kernel::Sma { window }
            | Kernel::Ema { window }
            | Kernel::Wma { window }
            | Kernel::Bollinger { window, .. }
            | Kernel::Atr { window }
            | Kernel::Vwap { window }
            | Kernel::ZScore { window }
            | Kernel::Vpin { window } => window - 1,
        }
    }

    /// Says what is wrong with the settings.
    pub(super) fn check(&self) -> Result<(), BatchError> {
        let (shortest, least) = match *self {
            Kernel::Volatility { window } | Kernel::ZScore { window } => (window, 2),
            Kernel::Macd { fast, slow, signal } => {
                if fast >= slow {
                    return Err(BatchError::Order { fast, slow });
                }
                (fast.min(signal), 1)
            }
            Kernel::Sma { window }
            | Kernel::Ema { window }
            | Kernel::Wma { window }
            | Kernel::Rsi { window }
            | Kernel::Bollinger { window, .. }
            | Kernel::Atr { window }
            | Kernel::Vwap { window }
            | Kernel::Ofi { window }
            | Kernel::Vpin { window } => (window, 1),
        };
        if shortest < least {
            return Err(BatchError::Window { window: shortest, least });
        }
        match *self {
            Kernel::Bollinger { width, .. } if !(width.is_finite() && width >= 0.0) => {
                Err(BatchError::Width(width))
            }
            _ => Ok(()),
        }
    }
}

/// A plane `[t][series]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub steps: usize,
    /// Numbers in a row.
    pub series: usize,
}

impl Shape {
    /// Numbers in a plane, if that can be counted.
    #[must_use]
    pub const fn len(&self) -> Option<usize> {
        self.steps.checked_mul(self.series)
    }

    /// Whether the plane holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps == 0 || self.series == 0
    }
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// A window that holds too little.
    #[error("a window of {window} steps; this indicator needs at least {least}")]
    Window {
        /// Asked for.
        window: usize,
        /// Needed.
        least: usize,
    },
    /// Means of MACD out of order.
    #[error("the fast mean ({fast} steps) must be shorter than the slow one ({slow})")]
    Order {
        /// Steps of the fast mean.
        fast: usize,
        /// Steps of the slow mean.
        slow: usize,
    },
    /// A band width that is none.
    #[error("a band width of {0} deviations; it must be finite and not negative")]
    Width(f64),
    /// Wrong number of planes.
    #[error("{given} {what} planes; {name} has {needed}")]
    Planes {
        /// Which indicator.
        name: &'static str,
        /// `input` or `output`.
        what: &'static str,
        /// Planes given.
        given: usize,
        /// Planes needed.
        needed: usize,
    },
    /// A plane of another size than the shape says.
    #[error("{what} plane {plane} holds {given} numbers; {steps} steps of {series} series differ")]
    Size {
        /// `input` or `output`.
        what: &'static str,
        /// Which plane, from zero.
        plane: usize,
        /// Numbers in it.
        given: usize,
        /// Steps of the shape.
        steps: usize,
        /// Series of the shape.
        series: usize,
    },
}
