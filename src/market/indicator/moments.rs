//! Mean and deviation of a window: SMA, Bollinger bands, z-score, volatility.

use super::error::{self, BadSettings, Unusable};
use super::window::{Terms, Window};
use crate::compute::logarithm::log_return;

/// Σ(x − c).
#[derive(Clone, Copy, Debug)]
struct First;

impl Terms<1, 1> for First {
    #[inline]
    fn terms([x]: [f64; 1], origin: f64) -> [f64; 1] {
        [x - origin]
    }
}

/// Σ(x − c) and Σ(x − c)².
#[derive(Clone, Copy, Debug)]
struct Second;

impl Terms<1, 2> for Second {
    #[inline]
    fn terms([x]: [f64; 1], origin: f64) -> [f64; 2] {
        let apart = x - origin;
        [apart, apart * apart]
    }
}

/// Simple moving average: the mean of the last w values.
#[derive(Clone, Debug)]
pub struct Sma {
    window: Window<1, 1>,
    one_over_len: f64,
}

impl Sma {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Sma, BadSettings> {
        let len = error::window(window, 1)?;
        Ok(Sma { window: Window::new(len), one_over_len: 1.0 / len as f64 })
    }

    /// Takes a value; the mean from the w-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<f64>, Unusable> {
        self.window.push::<First>([error::value(x)?]);
        Ok(self.value())
    }

    /// The mean, once the window is full.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let (origin, [sum]) = self.window.sums()?;
        Some(origin + sum * self.one_over_len)
    }
}

/// Window of values with mean and squared distance from it.
#[derive(Clone, Debug)]
struct Spread {
    window: Window<1, 2>,
    one_over_len: f64,
    latest: f64,
    /// Newest values that are all the same: a window of nothing else is flat to the last bit, where
    /// sums about an older origin would leave a rest of rounding.
    same: usize,
}

impl Spread {
    fn new(window: usize, least: usize) -> Result<Spread, BadSettings> {
        let len = error::window(window, least)?;
        let one_over_len = 1.0 / len as f64;
        Ok(Spread { window: Window::new(len), one_over_len, latest: f64::NAN, same: 0 })
    }

    #[inline]
    fn push(&mut self, x: f64) {
        self.same = if x.to_bits() == self.latest.to_bits() { self.same + 1 } else { 1 };
        self.latest = x;
        self.window.push::<Second>([x]);
    }

    /// Mean, and the sum of squared distances from it, once the window is full.
    #[inline]
    fn moments(&self) -> Option<(f64, f64)> {
        let (origin, [sum, squares]) = self.window.sums()?;
        if self.same >= self.window.len() {
            return Some((self.latest, 0.0));
        }
        let mean = sum * self.one_over_len;
        Some((origin + mean, (squares - sum * mean).max(0.0)))
    }
}

/// Middle, upper and lower Bollinger band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// Mean of the window.
    pub middle: f64,
    /// Mean plus the width.
    pub upper: f64,
    /// Mean minus the width.
    pub lower: f64,
}

/// Bollinger bands: mean ± k population deviations (divisor w) of the last w values.
///
/// Source: Bollinger, *Bollinger on Bollinger Bands*, 2001; usual settings w = 20, k = 2.
#[derive(Clone, Debug)]
pub struct Bollinger {
    spread: Spread,
    width: f64,
}

impl Bollinger {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`; a width that is negative or no number.
    pub fn new(window: usize, width: f64) -> Result<Bollinger, BadSettings> {
        if !(width.is_finite() && width >= 0.0) {
            return Err(BadSettings::Width(width));
        }
        Ok(Bollinger { spread: Spread::new(window, 1)?, width })
    }

    /// Takes a value; bands from the w-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<Bands>, Unusable> {
        self.spread.push(error::value(x)?);
        Ok(self.value())
    }

    /// The bands, once the window is full.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<Bands> {
        let (middle, squares) = self.spread.moments()?;
        let band = (squares * self.spread.one_over_len).sqrt() * self.width;
        Some(Bands { middle, upper: middle + band, lower: middle - band })
    }
}

/// z-score: distance of the newest value from the mean of the last w (itself among them), in
/// population deviations. In a flat window the distance is zero, and so is the score.
#[derive(Clone, Debug)]
pub struct ZScore {
    spread: Spread,
}

impl ZScore {
    /// # Errors
    /// A window below 2 or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<ZScore, BadSettings> {
        Ok(ZScore { spread: Spread::new(window, 2)? })
    }

    /// Takes a value; the score from the w-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<f64>, Unusable> {
        self.spread.push(error::value(x)?);
        Ok(self.value())
    }

    /// The score, once the window is full.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let (mean, squares) = self.spread.moments()?;
        let deviation = (squares * self.spread.one_over_len).sqrt();
        Some(if deviation > 0.0 { (self.spread.latest - mean) / deviation } else { 0.0 })
    }
}

/// Rolling volatility: sample deviation (divisor w − 1) of the last w log returns, per update.
///
/// Multiply by √(updates per year) to annualise; updates must then be evenly spaced.
#[derive(Clone, Debug)]
pub struct Volatility {
    spread: Spread,
    before: Option<f64>,
    one_over_rest: f64,
}

impl Volatility {
    /// # Errors
    /// A window below 2 or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Volatility, BadSettings> {
        let spread = Spread::new(window, 2)?;
        let one_over_rest = 1.0 / (spread.window.len() as f64 - 1.0);
        Ok(Volatility { spread, before: None, one_over_rest })
    }

    /// Takes a positive price; the deviation from the (w + 1)-th on.
    #[inline]
    pub fn update(&mut self, price: f64) -> Result<Option<f64>, Unusable> {
        let price = error::price(price)?;
        if let Some(before) = self.before.replace(price) {
            self.spread.push(log_return(price, before));
        }
        Ok(self.value())
    }

    /// The deviation, once w returns are known.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let (_, squares) = self.spread.moments()?;
        Some((squares * self.one_over_rest).sqrt())
    }
}
