//! Volume-weighted average price, of a window and of a session.

use super::error::{self, BadSettings, Unusable};
use super::window::{Terms, Window};

/// Σ(p − c)·v and Σv.
#[derive(Clone, Copy, Debug)]
struct PriceVolume;

impl Terms<2, 2> for PriceVolume {
    #[inline]
    fn terms([price, size]: [f64; 2], origin: f64) -> [f64; 2] {
        [(price - origin) * size, size]
    }
}

/// Σp·v / Σv over the last w trades (or bars).
#[derive(Clone, Debug)]
pub struct Vwap {
    window: Window<2, 2>,
    /// Sized trades among the last w; without any there is no price.
    sized: Window<1, 1>,
}

/// Counts trades with a size, exactly.
#[derive(Clone, Copy, Debug)]
struct Sized;

impl Terms<1, 1> for Sized {
    #[inline]
    fn terms([size]: [f64; 1], _origin: f64) -> [f64; 1] {
        [if size > 0.0 { 1.0 } else { 0.0 }]
    }
}

impl Vwap {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Vwap, BadSettings> {
        let len = error::window(window, 1)?;
        Ok(Vwap { window: Window::new(len), sized: Window::new(len) })
    }

    /// Takes a trade; the mean price from the w-th on, `None` while nothing in the window has a size.
    #[inline]
    pub fn update(&mut self, price: f64, size: f64) -> Result<Option<f64>, Unusable> {
        let (price, size) = (error::value(price)?, error::size(size)?);
        self.window.push::<PriceVolume>([price, size]);
        self.sized.push::<Sized>([size]);
        Ok(self.value())
    }

    /// The mean price.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let (_, [sized]) = self.sized.sums()?;
        let (origin, [value, volume]) = self.window.sums()?;
        (sized > 0.0 && volume > 0.0).then(|| origin + value / volume)
    }
}

/// Σp·v / Σv since the start of the session; Neumaier's compensated sums, so millions of trades lose
/// nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionVwap {
    origin: Option<f64>,
    value: Compensated,
    volume: Compensated,
}

/// Neumaier 1974: the sum, and what rounding took from it.
#[derive(Clone, Copy, Debug, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    #[inline]
    fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let larger_first = self.sum.abs() >= x.abs();
        let (large, small) = if larger_first { (self.sum, x) } else { (x, self.sum) };
        self.lost += (large - sum) + small;
        self.sum = sum;
    }

    #[inline]
    fn total(self) -> f64 {
        self.sum + self.lost
    }
}

impl SessionVwap {
    /// An empty session.
    #[must_use]
    pub fn new() -> SessionVwap {
        SessionVwap::default()
    }

    /// Takes a trade; the mean price once something had a size.
    #[inline]
    pub fn update(&mut self, price: f64, size: f64) -> Result<Option<f64>, Unusable> {
        let (price, size) = (error::value(price)?, error::size(size)?);
        let origin = *self.origin.get_or_insert(price);
        self.value.add((price - origin) * size);
        self.volume.add(size);
        Ok(self.value())
    }

    /// The mean price, once something had a size.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let volume = self.volume.total();
        Some(self.origin? + self.value.total() / volume).filter(|_| volume > 0.0)
    }

    /// Starts a new session.
    pub fn reset(&mut self) {
        *self = SessionVwap::default();
    }
}
