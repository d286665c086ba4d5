//! What a constructor refuses, and what an update refuses.

/// Longest window: bounds the memory of one indicator to 16 MiB.
pub const WINDOW_MAX: usize = 1 << 20;

/// Largest magnitude of a value: its square, a million times, is far from overflow.
pub const VALUE_MAX: f64 = 1e100;

/// Settings that make no indicator.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BadSettings {
    /// A window too short or too long.
    #[error("a window of {window}; it must be between {least} and {WINDOW_MAX}")]
    Window {
        /// Asked for.
        window: usize,
        /// Shortest allowed.
        least: usize,
    },
    /// Means of MACD out of order.
    #[error("the fast mean ({fast} updates) must be shorter than the slow one ({slow})")]
    Order {
        /// Updates of the fast mean.
        fast: usize,
        /// Updates of the slow mean.
        slow: usize,
    },
    /// A band width that is none.
    #[error("a band width of {0} deviations; it must be finite and not negative")]
    Width(f64),
    /// A volume bucket that holds nothing, or more than the sums can count.
    #[error("a bucket of {0} lots; it must be between 1 and 2^60")]
    Bucket(i64),
}

/// An input that was ignored; the indicator is as before.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// NaN, infinite, or beyond `VALUE_MAX`.
    #[error("{0} is no value: it must be finite and of magnitude at most {VALUE_MAX:e}")]
    Value(f64),
    /// A price that has no logarithm, or that no bar can have.
    #[error("{0} is no price: it must be positive and at most {VALUE_MAX:e}")]
    Price(f64),
    /// A negative size, or no number.
    #[error("{0} is no size: it must be zero or more and at most {VALUE_MAX:e}")]
    Size(f64),
    /// A size in lots that is negative or too large.
    #[error("{0} lots are no size: it must be between 0 and 2^60")]
    Lots(i64),
    /// A bar whose range does not hold together.
    #[error("no bar: low {low}, high {high}")]
    Bar {
        /// Low of the bar.
        low: f64,
        /// High of the bar.
        high: f64,
    },
    /// A book with an empty side.
    #[error("a book with an empty side has no touch to compare")]
    OneSided,
}

/// A window within bounds.
pub(super) fn window(window: usize, least: usize) -> Result<usize, BadSettings> {
    if (least..=WINDOW_MAX).contains(&window) {
        Ok(window)
    } else {
        Err(BadSettings::Window { window, least })
    }
}

#[inline]
pub(super) fn value(x: f64) -> Result<f64, Unusable> {
    if x.abs() <= VALUE_MAX { Ok(x) } else { Err(Unusable::Value(x)) }
}

#[inline]
pub(super) fn price(x: f64) -> Result<f64, Unusable> {
    if (f64::MIN_POSITIVE..=VALUE_MAX).contains(&x) { Ok(x) } else { Err(Unusable::Price(x)) }
}

#[inline]
pub(super) fn size(x: f64) -> Result<f64, Unusable> {
    if (0.0..=VALUE_MAX).contains(&x) { Ok(x) } else { Err(Unusable::Size(x)) }
}
