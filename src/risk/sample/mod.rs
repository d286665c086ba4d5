//! The tail of a sample, however it was drawn, with error bars and what the way of drawing gained.
//!
//! A sample is profits x with weights w (one each, unless importance was sampled), drawn by a `Design` that
//! says which of them are independent of which. Every figure is built of means of functions of a path, so
//! one rule serves all designs: the mean, and the variance of that mean under the design.
//! - F(x) = Σ w·1{x_i ≤ x}/n. The quantile at p = 1 − level interpolates between order statistics, the k-th
//!   standing at Σ_{j<k} w_j/(n − 1), which without weights is FORMATS' definition;
//! - VaR's standard error: σ, the standard error of F at the quantile, turned into money by the quantiles at
//!   p ± 1.96 σ, so that no density is estimated (sectioning: Asmussen and Glynn 2007, III.4);
//! - ES = mean of (q − x)₊/F(q) − q; its error by the influence function (q − x)₊/p, since the derivative
//!   with respect to q is nothing;
//! - with a control y, whose own quantile and shortfall a long run knows: f − β(c − C), c the same function
//!   of y at its own quantile, β by regression, C from the long run, whose error is added (Hesterberg and
//!   Nelson 1998);
//! - the gain is the variance that as many plain paths would have over the variance found.

use crate::compute::tail::NORMAL_95;

/// Which profits are independent of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// All of each other.
    Independent,
    /// The i-th of the first half belongs to the i-th of the second.
    Pairs,
    /// So many of one measure, then the others of another.
    Strata(usize),
    /// So many replicates of equal size, one after the other.
    Replicates(usize),
}

/// A control, and its long run.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// Of the sample's own paths.
    pub own: Vec<f32>,
    /// Of other paths, many times as many.
    pub long: Vec<f32>,
}

/// What was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Profits.
    pub profits: Vec<f32>,
    /// Their weights; empty where each is one.
    pub weights: Vec<f32>,
    /// How.
    pub design: Design,
    /// A control of independent profits.
    pub control: Option<Control>,
}

/// A figure with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// One standard error.
    pub std_error: f64,
    /// Variance of plain paths, as many, over this one's.
    pub gain: f64,
}

/// The tail at a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TailFigures {
    /// Level.
    pub level: f64,
    /// Value at risk.
    pub var: Figure,
    /// Expected shortfall.
    pub es: Figure,
}

/// The sorted end of a weighted sample.
struct Sorted {
    profits: Vec<f64>,
    // weight before each, over n − 1
    places: Vec<f64>,
}

impl Sorted {
    /// The end that holds at least `share` of the weight.
    fn end(sample: &Sample, share: f64) -> Sorted {
        let n = sample.profits.len();
        let mut order: Vec<u32> = (0..n as u32).collect();
        let by_profit = |&a: &u32, &b: &u32| {
            sample.profits[a as usize].total_cmp(&sample.profits[b as usize]).then(a.cmp(&b))
        };
        let mut many = ((share * n as f64) as usize + 64).min(n);
        loop {
            if many < n {
                order.select_nth_unstable_by(many - 1, by_profit);
            }
            let weight: f64 = order[..many].iter().map(|&i| sample.weight(i as usize)).sum();
            if many == n || weight > share * n as f64 + 1.0 {
                break;
            }
            many = (2 * many).min(n);
        }
        order[..many].sort_unstable_by(by_profit);
        let mut before = 0.0;
        let places = order[..many].iter().map(|&i| {
            let place = before / (n - 1) as f64;
            before += sample.weight(i as usize);
            place
        });
        let places = places.collect();
        let profits = order[..many].iter().map(|&i| f64::from(sample.profits[i as usize]));
        Sorted { profits: profits.collect(), places }
    }

    /// The quantile at a share of the weight.
    fn quantile(&self, share: f64) -> f64 {
        let above = self.places.partition_point(|&place| place <= share);
        if above == 0 {
            return self.profits[0];
        }
        if above == self.profits.len() {
            return self.profits[above - 1];
        }
        let (low, high) = (self.places[above - 1], self.places[above]);
        let way = if high > low { (share - low) / (high - low) } else { 0.0 };
        self.profits[above - 1] + way * (self.profits[above] - self.profits[above - 1])
    }
}

/// A mean and its variance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mean {
    value: f64,
    variance: f64,
}

impl Sample {
    fn weight(&self, at: usize) -> f64 {
        self.weights.get(at).map_or(1.0, |&weight| f64::from(weight))
    }

    /// The mean of a function of a path, under the design.
    fn mean(&self, f: impl Fn(usize) -> f64) -> Mean {
        let n = self.profits.len();
        match self.design {
            Design::Independent => mean_of((0..n).map(f)),
            Design::Pairs => {
                let half = n / 2;
                mean_of((0..half).map(|i| 0.5 * (f(i) + f(half + i))))
            }
            Design::Strata(first) => {
                let parts = [mean_of((0..first).map(&f)), mean_of((first..n).map(&f))];
                let shares = [first as f64 / n as f64, (n - first) as f64 / n as f64];
                Mean {
                    value: shares[0] * parts[0].value + shares[1] * parts[1].value,
                    variance: shares[0].powi(2) * parts[0].variance
                        + shares[1].powi(2) * parts[1].variance,
                }
            }
            Design::Replicates(count) => {
                let size = n / count;
                mean_of(
                    (0..count)
                        .map(|r| (r * size..(r + 1) * size).map(&f).sum::<f64>() / size as f64),
                )
            }
        }
    }

    /// The mean of f, freed of what its control c explains; `long` is the control's mean from a long run.
    fn controlled(&self, f: impl Fn(usize) -> f64, c: impl Fn(usize) -> f64, long: Mean) -> Mean {
        let n = self.profits.len();
        let (plain, control) = (mean_of((0..n).map(&f)), mean_of((0..n).map(&c)));
        let product = |i: usize| (f(i) - plain.value) * (c(i) - control.value);
        let covariance = (0..n).map(product).sum::<f64>() / (n as f64 * (n as f64 - 1.0));
        // β minimises Var f − 2β Cov + β²(Var c + Var of the long run)
        let whole = control.variance + long.variance;
        let beta = if whole > 0.0 { covariance / whole } else { 0.0 };
        Mean {
            value: plain.value - beta * (control.value - long.value),
            variance: (plain.variance - beta * covariance).max(0.0),
        }
    }

    /// Measures the tail at a level.
    ///
    /// # Panics
    /// With fewer than two profits.
    #[must_use]
    pub fn tail(&self, level: f64) -> TailFigures {
        let (n, p) = (self.profits.len() as f64, 1.0 - level);
        let profit = |i: usize| f64::from(self.profits[i]);
        let sorted = Sorted::end(self, (p + 6.0 * (p * level / n).sqrt()).min(1.0));
        let control = self.control.as_ref().map(|control| {
            let own = |i: usize| f64::from(control.own[i]);
            (own, Long::new(&control.long, p))
        });
        let first = sorted.quantile(p);
        let below = |q: f64| move |i: usize| if profit(i) <= q { self.weight(i) } else { 0.0 };
        // where a control says that these paths have too many or too few losses, another share is the tail
        let (share, distribution) = match &control {
            None => (p, self.mean(below(first))),
            Some((own, long)) => {
                let c = |i: usize| if own(i) <= long.quantile { 1.0 } else { 0.0 };
                let found = self.controlled(below(first), c, long.below);
                let plain = mean_of((0..self.profits.len()).map(below(first))).value;
                (p + plain - found.value, found)
            }
        };
        let q = sorted.quantile(share);
        let sigma = distribution.variance.sqrt();
        let wide = sorted.quantile(share + NORMAL_95 * sigma)
            - sorted.quantile((share - NORMAL_95 * sigma).max(0.0));
        let excess = |i: usize| self.weight(i) * (q - profit(i)).max(0.0);
        let (excess_mean, mass) = match &control {
            None => (self.mean(excess), self.mean(below(q)).value),
            Some((own, long)) => {
                let c = |i: usize| (long.quantile - own(i)).max(0.0);
                (self.controlled(excess, c, long.excess), p)
            }
        };
        let mass = if mass > 0.0 { mass } else { p };
        // what plain paths would have: second moments under the plain measure are means with one weight
        let square = |i: usize| self.weight(i) * (q - profit(i)).max(0.0).powi(2);
        let plain = self.mean(square).value - excess_mean.value.powi(2);
        TailFigures {
            level,
            var: Figure {
                value: 0.0 - q,
                std_error: wide / (2.0 * NORMAL_95),
                gain: p * level / n / distribution.variance,
            },
            es: Figure {
                value: excess_mean.value / mass - q,
                std_error: excess_mean.variance.sqrt() / p,
                gain: plain / n / excess_mean.variance,
            },
        }
    }
}

/// A control's tail, from its long run.
struct Long {
    quantile: f64,
    below: Mean,
    excess: Mean,
}

impl Long {
    fn new(long: &[f32], p: f64) -> Long {
        let rank = ((long.len() - 1) as f64 * p) as usize;
        let mut ranked = long.to_vec();
        let quantile = f64::from(*ranked.select_nth_unstable_by(rank, f32::total_cmp).1);
        let profits = || long.iter().map(|&x| f64::from(x));
        Long {
            quantile,
            below: mean_of(profits().map(|x| if x <= quantile { 1.0 } else { 0.0 })),
            excess: mean_of(profits().map(|x| (quantile - x).max(0.0))),
        }
    }
}

/// Mean of independent numbers and its variance.
fn mean_of(numbers: impl Iterator<Item = f64>) -> Mean {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    // around the first number, so that what all have in common cancels nothing
    let mut numbers = numbers.peekable();
    let around = numbers.peek().copied().unwrap_or(0.0);
    for x in numbers {
        let x = x - around;
        n += 1.0;
        sum += x;
        squares += x * x;
    }
    let variance = if n > 1.0 { ((squares - sum * sum / n) / (n - 1.0) / n).max(0.0) } else { 0.0 };
    Mean { value: around + if n > 0.0 { sum / n } else { 0.0 }, variance }
}

#[cfg(test)]
mod tests;
