//! Recurrences: EMA, MACD, RSI, ATR. Their errors fade at the rate at which they forget.

use super::error::{self, BadSettings, Unusable};

#[inline]
fn towards(mean: f64, x: f64, rate: f64) -> f64 {
    mean + (x - mean) * rate
}

/// Exponential moving average: `e += (x − e)·2/(w + 1)`, seeded with the first value.
#[derive(Clone, Copy, Debug)]
pub struct Ema {
    window: usize,
    rate: f64,
    mean: f64,
    /// Values taken, up to `window`.
    count: usize,
}

impl Ema {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Ema, BadSettings> {
        let window = error::window(window, 1)?;
        Ok(Ema { window, rate: 2.0 / (window as f64 + 1.0), mean: 0.0, count: 0 })
    }

    /// Takes a value; the mean from the w-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<f64>, Unusable> {
        self.step(error::value(x)?);
        Ok(self.value())
    }

    /// The mean, once w values were seen.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.count == self.window).then_some(self.mean)
    }

    #[inline]
    fn step(&mut self, x: f64) -> f64 {
        self.mean = if self.count == 0 { x } else { towards(self.mean, x, self.rate) };
        self.count += usize::from(self.count < self.window);
        self.mean
    }
}

/// Line, signal and their difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// Fast mean minus slow mean.
    pub line: f64,
    /// Exponential mean of the line.
    pub signal: f64,
    /// Line minus signal.
    pub histogram: f64,
}

/// Moving-average convergence and divergence: EMA(fast) − EMA(slow) and an EMA of it.
///
/// Source: Appel, *The Moving Average Convergence-Divergence Method*, 1979; usual settings 12, 26, 9.
/// The means start with the first value, the signal with the first line, which is zero.
#[derive(Clone, Copy, Debug)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    /// Values still to come before the first output.
    wait: usize,
    line: f64,
}

impl Macd {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`; a fast mean that is not shorter than the slow one.
    pub fn new(fast: usize, slow: usize, signal: usize) -> Result<Macd, BadSettings> {
        let (fast_mean, slow_mean) = (Ema::new(fast)?, Ema::new(slow)?);
        if fast >= slow {
            return Err(BadSettings::Order { fast, slow });
        }
        let wait = slow + signal.max(1) - 1;
        Ok(Macd { fast: fast_mean, slow: slow_mean, signal: Ema::new(signal)?, wait, line: 0.0 })
    }

    /// Takes a value; outputs from the (slow + signal − 1)-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<Convergence>, Unusable> {
        let x = error::value(x)?;
        self.line = self.fast.step(x) - self.slow.step(x);
        self.signal.step(self.line);
        self.wait = self.wait.saturating_sub(1);
        Ok(self.value())
    }

    /// The outputs, once there are enough values.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<Convergence> {
        let (line, signal) = (self.line, self.signal.mean);
        (self.wait == 0).then_some(Convergence { line, signal, histogram: line - signal })
    }
}

/// Wilder's mean: the plain mean of the first w values, then `m += (x − m)/w`.
#[derive(Clone, Copy, Debug)]
struct Wilder {
    window: usize,
    rate: f64,
    mean: f64,
    count: usize,
}

impl Wilder {
    fn new(window: usize) -> Result<Wilder, BadSettings> {
        let window = error::window(window, 1)?;
        Ok(Wilder { window, rate: 1.0 / window as f64, mean: 0.0, count: 0 })
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.count == self.window
    }

    #[inline]
    fn step(&mut self, x: f64) {
        // a plain mean is the recurrence with rates 1, 1/2, …, 1/w
        if self.count < self.window {
            self.count += 1;
            self.mean = towards(self.mean, x, 1.0 / self.count as f64);
        } else {
            self.mean = towards(self.mean, x, self.rate);
        }
    }
}

/// Relative strength index: 100·U/(U + D) with Wilder's means U of gains and D of losses; 50 where
/// nothing has moved.
///
/// Source: Wilder, *New Concepts in Technical Trading Systems*, 1978, section VI; usual setting 14.
#[derive(Clone, Copy, Debug)]
pub struct Rsi {
    gain: Wilder,
    loss: Wilder,
    before: Option<f64>,
}

impl Rsi {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Rsi, BadSettings> {
        let mean = Wilder::new(window)?;
        Ok(Rsi { gain: mean, loss: mean, before: None })
    }

    /// Takes a value; the index, 0 to 100, from the (w + 1)-th on.
    #[inline]
    pub fn update(&mut self, x: f64) -> Result<Option<f64>, Unusable> {
        let x = error::value(x)?;
        if let Some(before) = self.before.replace(x) {
            let change = x - before;
            self.gain.step(change.max(0.0));
            self.loss.step((-change).max(0.0));
        }
        Ok(self.value())
    }

    /// The index, once w changes were seen.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let moved = self.gain.mean + self.loss.mean;
        let index = if moved > 0.0 { self.gain.mean * 100.0 / moved } else { 50.0 };
        self.gain.is_full().then_some(index)
    }
}

/// Average true range: Wilder's mean of max(high, close') − min(low, close'), close' the close before;
/// the first bar's range is high − low.
///
/// Source: Wilder 1978, section III; usual setting 14.
#[derive(Clone, Copy, Debug)]
pub struct Atr {
    mean: Wilder,
    close: Option<f64>,
}

impl Atr {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<Atr, BadSettings> {
        Ok(Atr { mean: Wilder::new(window)?, close: None })
    }

    /// Takes a bar; the average from the w-th on. A close outside its bar's range is taken as it is:
    /// some venues' bars have one.
    #[inline]
    pub fn update(&mut self, high: f64, low: f64, close: f64) -> Result<Option<f64>, Unusable> {
        let (high, low, close) = (error::value(high)?, error::value(low)?, error::value(close)?);
        if low > high {
            return Err(Unusable::Bar { low, high });
        }
        let before = self.close.replace(close);
        let range = before.map_or(high - low, |before| high.max(before) - low.min(before));
        self.mean.step(range);
        Ok(self.value())
    }

    /// The average, once w bars were seen.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.mean.is_full().then_some(self.mean.mean)
    }
}
