//! Weighted moving average.

use super::error::{self, BadSettings, Unusable};

/// Weighted moving average of the last w values, weights 1 (oldest) to w (newest), over w(w+1)/2.
///
/// A step ages all values by one weight, which takes the plain sum off the weighted one. Both sums are
/// kept running and fresh, as in `Window`; a fresh weighted sum gives the n-th value of its block
/// weight n, which is the final weight when the block is the window.
#[derive(Clone, Debug)]
pub struct Wma {
    values: Box<[f64]>,
    next: usize,
    full: bool,
    running: Sums,
    fresh: Sums,
    one_over_weights: f64,
}

/// Sums relative to an origin.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    origin: f64,
    plain: f64,
    weighted: f64,
}

impl Wma {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Wma, BadSettings> {
        let len = error::window(window, 1)?;
        Ok(Wma {
            values: vec![0.0; len].into_boxed_slice(),
            next: 0,
            full: false,
            running: Sums::default(),
            fresh: Sums::default(),
            one_over_weights: 2.0 / (len as f64 * (len as f64 + 1.0)),
        })
    }

    /// Takes a value; the mean from the w-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<f64>, Unusable> {
        let x = error::value(x)?;
        let len = self.values.len();
        let place = &mut self.values[self.next];
        if self.full {
            let Sums { origin, plain, weighted } = self.running;
            let weighted = weighted + (len as f64 * (x - origin) - plain);
            self.running = Sums { origin, plain: plain + (x - *place), weighted };
        } else if self.next == 0 {
            self.fresh.origin = x;
        }
        *place = x;
        self.next += 1;
        let apart = x - self.fresh.origin;
        self.fresh.plain += apart;
        self.fresh.weighted += self.next as f64 * apart;
        if self.next == len {
            (self.running, self.fresh) = (self.fresh, Sums { origin: x, ..Sums::default() });
            (self.next, self.full) = (0, true);
        }
        Ok(self.value())
    }

    /// The mean, once the window is full.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let Sums { origin, weighted, .. } = self.running;
        self.full.then_some(origin + weighted * self.one_over_weights)
    }
}
