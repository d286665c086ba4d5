//! A multivariate Hawkes process with one exponential decay: settings, seed -> times and kinds.
//!
//! `lambda_i(t) = mu_i + sum over events j at s < t of beta G_ij exp(-beta (t - s))` (Hawkes 1971):
//! an event of kind j has on average `G_ij` direct children of kind i. Times come by thinning
//! (Ogata 1981): intensity only falls between events, so its value now bounds what follows. One
//! decay makes the excitation a recursion: O(1) per event.
//! The caller states the rates it wants; `mu = (I - G) Lambda` follows from the stationary mean.
//! Invariant: the spectral radius of G is below 1, proved at construction by Collatz and Wielandt's
//! bound, so the process is stationary.

use crate::maths::random::{Random, exp_minus};
use crate::units::Nanos;

/// Kinds of events.
pub const KINDS: usize = 6;

/// What happens in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A limit order to buy arrives.
    LimitBuy = 0,
    /// A limit order to sell arrives.
    LimitSell = 1,
    /// A bid is withdrawn.
    CancelBuy = 2,
    /// An ask is withdrawn.
    CancelSell = 3,
    /// A market order to buy arrives.
    MarketBuy = 4,
    /// A market order to sell arrives.
    MarketSell = 5,
}

impl Kind {
    /// Every kind, at its index.
    pub const ALL: [Kind; KINDS] = [
        Kind::LimitBuy,
        Kind::LimitSell,
        Kind::CancelBuy,
        Kind::CancelSell,
        Kind::MarketBuy,
        Kind::MarketSell,
    ];
}

/// What the process is to look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HawkesSettings {
    /// Stationary events per second, all kinds together.
    pub rate: f64,
    /// Share of each kind; sums to 1.
    pub shares: [f64; KINDS],
    /// `G[i][j]`: mean direct children of kind i per event of kind j.
    pub branching: [[f64; KINDS]; KINDS],
    /// `beta`, per second.
    pub decay: f64,
}

/// Why settings make no stationary process.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum HawkesError {
    /// Not positive and finite.
    #[error("`{name}` is {value}; it must be positive and finite")]
    NotPositive {
        /// The setting.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// Shares that are no shares.
    #[error("the shares of the kinds sum to {sum}; they must sum to 1, none negative")]
    Shares {
        /// Their sum.
        sum: f64,
    },
    /// Explodes.
    #[error(
        "the branching ratio may be as high as {ratio}; it must stay below 1, lower `branching`"
    )]
    Explosive {
        /// Upper bound of the spectral radius.
        ratio: f64,
    },
    /// A kind that its parents alone would make more frequent than asked.
    #[error("kind {kind:?} would need a negative base rate ({base}); raise its share")]
    BaseRate {
        /// Which.
        kind: Kind,
        /// What it would need per second.
        base: f64,
    },
}

impl HawkesSettings {
    /// Defaults at a rate: shares as on a liquid perpetual (many limits and cancels, few trades),
    /// branching ratio about 0.6, trades exciting trades of their side and cancels of the other.
    #[must_use]
    pub fn at_rate(rate: f64) -> HawkesSettings {
        let mut branching = [[0.0; KINDS]; KINDS];
        for side in 0..2 {
            let (same, other) = (side, 1 - side);
            let mut set = |child: usize, parent: usize, mean: f64| branching[child][parent] = mean;
            set(same, same, 0.30); // limits call limits
            set(other, same, 0.10);
            set(2 + same, same, 0.15); // and their cancels
            set(same, 2 + same, 0.18); // a cancel comes back as a limit
            set(2 + same, 2 + same, 0.25);
            set(4 + same, 4 + same, 0.35); // trades call trades
            set(same, 4 + same, 0.15);
            set(2 + other, 4 + same, 0.20); // and drive away the other side
            set(other, 4 + same, 0.10);
        }
        let shares = [0.235, 0.235, 0.225, 0.225, 0.04, 0.04];
        HawkesSettings { rate, shares, branching, decay: rate * 0.1 }
    }

    /// Stationary events per second by kind.
    #[must_use]
    pub fn intensities(&self) -> [f64; KINDS] {
        self.shares.map(|share| share * self.rate)
    }

    /// An upper bound of the spectral radius of G: `max_i (G x)_i / x_i` for a positive x, here
    /// after a hundred power steps on `G + 1e-9`.
    #[must_use]
    pub fn branching_ratio(&self) -> f64 {
        let mut x = [1.0; KINDS];
        let mut bound = f64::INFINITY;
        for _ in 0..100 {
            let total: f64 = x.iter().sum();
            let next: [f64; KINDS] = std::array::from_fn(|i| {
                self.branching[i].iter().zip(&x).map(|(g, x)| g * x).sum::<f64>() + 1e-9 * total
            });
            bound = next.iter().zip(&x).map(|(next, x)| next / x).fold(0.0, f64::max).min(bound);
            let largest = next.iter().copied().fold(0.0, f64::max);
            x = next.map(|value| value / largest);
        }
        bound
    }
}

/// The process.
#[derive(Clone, Debug)]
pub struct Hawkes {
    base: [f64; KINDS],
    /// `beta G`, by parent and child.
    jumps: [[f64; KINDS]; KINDS],
    decay: f64,
    excitation: [f64; KINDS],
    now: Nanos,
    /// Part of a nanosecond not yet counted.
    carry: f64,
    random: Random,
}

impl Hawkes {
    /// A process that starts at time zero, unexcited.
    ///
    /// # Errors
    /// When the settings make no stationary process.
    pub fn new(settings: &HawkesSettings, random: Random) -> Result<Hawkes, HawkesError> {
        for (name, value) in [("rate", settings.rate), ("decay", settings.decay)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(HawkesError::NotPositive { name, value });
            }
        }
        let sum: f64 = settings.shares.iter().sum();
        if !((sum - 1.0).abs() < 1e-9 && settings.shares.iter().all(|share| *share >= 0.0)) {
            return Err(HawkesError::Shares { sum });
        }
        let every = || settings.branching.iter().flatten();
        let ratio = settings.branching_ratio();
        if !(ratio < 1.0 && every().all(|mean| *mean >= 0.0 && mean.is_finite())) {
            return Err(HawkesError::Explosive { ratio });
        }
        let means = settings.intensities();
        let mut base = means;
        for (kind, base) in Kind::ALL.into_iter().zip(&mut base) {
            let from_parents = settings.branching[kind as usize].iter().zip(&means);
            *base -= from_parents.map(|(g, mean)| g * mean).sum::<f64>();
            if *base < 0.0 {
                return Err(HawkesError::BaseRate { kind, base: *base });
            }
        }
        let jumps = std::array::from_fn(|parent| {
            std::array::from_fn(|child| settings.branching[child][parent] * settings.decay)
        });
        let decay = settings.decay;
        let excitation = [0.0; KINDS];
        Ok(Hawkes { base, jumps, decay, excitation, now: Nanos(0), carry: 0.0, random })
    }

    /// Intensities at the last event, after its jump.
    #[must_use]
    pub fn intensities(&self) -> [f64; KINDS] {
        std::array::from_fn(|kind| self.base[kind] + self.excitation[kind])
    }

    /// Time passes in which nothing can happen.
    pub fn pause(&mut self, span: Nanos) {
        self.now = self.now.plus(span);
    }

    /// The next event.
    pub fn next_event(&mut self) -> (Nanos, Kind) {
        let mut waited = 0.0;
        let kind = loop {
            let bound: f64 = self.intensities().iter().sum();
            let wait = self.random.exponential() / bound;
            waited += wait;
            let fade = exp_minus(self.decay * wait);
            self.excitation.iter_mut().for_each(|value| *value *= fade);
            let mut draw = self.random.unit() * bound;
            let struck = self.intensities().iter().position(|intensity| {
                draw -= intensity;
                draw < 0.0
            });
            if let Some(kind) = struck {
                break kind;
            }
        };
        let nanos = waited * 1e9 + self.carry;
        self.carry = nanos - nanos.floor();
        self.now = self.now.plus(Nanos(nanos as u64));
        for (value, jump) in self.excitation.iter_mut().zip(&self.jumps[kind]) {
            *value += jump;
        }
        (self.now, Kind::ALL[kind])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 20_260_911;

    /// `(I - G)^-1` by Neumann's series, which converges because the ratio is below 1.
    fn resolvent(settings: &HawkesSettings) -> [[f64; KINDS]; KINDS] {
        let unit = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
        let mut sum: [[f64; KINDS]; KINDS] =
            std::array::from_fn(|i| std::array::from_fn(|j| unit(i, j)));
        for _ in 0..500 {
            sum = std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    unit(i, j)
                        + (0..KINDS).map(|k| settings.branching[i][k] * sum[k][j]).sum::<f64>()
                })
            });
        }
        sum
    }

    #[test]
    fn rates_are_the_stationary_ones_within_their_error_bars() {
        let settings = HawkesSettings::at_rate(1_000.0);
        let mut process = Hawkes::new(&settings, Random::new(SEED, 0)).unwrap();
        let mut counts = [0u64; KINDS];
        let mut end = Nanos(0);
        for _ in 0..1_000_000 {
            let (at, kind) = process.next_event();
            counts[kind as usize] += 1;
            end = at;
        }
        let seconds = end.0 as f64 * 1e-9;
        let means = settings.intensities();
        let r = resolvent(&settings);
        for kind in Kind::ALL {
            let at = kind as usize;
            // Hawkes 1971: counts over T have variance T (R diag(Lambda) R')_ii in the long run.
            let variance: f64 = (0..KINDS).map(|k| r[at][k] * r[at][k] * means[k]).sum();
            let error = (variance / seconds).sqrt();
            let found = counts[at] as f64 / seconds;
            let off = (found - means[at]) / error;
            assert!(off.abs() < 4.0, "{kind:?}: {found} against {} +- {error}", means[at]);
        }
    }

    #[test]
    fn the_recursion_equals_the_sum_over_all_events_before() {
        let settings = HawkesSettings::at_rate(5_000.0);
        let mut process = Hawkes::new(&settings, Random::new(SEED, 1)).unwrap();
        let mut events: Vec<(Nanos, Kind)> = Vec::new();
        let direct = |events: &[(Nanos, Kind)], spoil: f64| -> [f64; KINDS] {
            let now = events.last().unwrap().0;
            std::array::from_fn(|i| {
                let excited = events.iter().map(|(at, parent)| {
                    let age = now.since(*at).0 as f64 * 1e-9;
                    let mean = settings.branching[i][*parent as usize];
                    mean * settings.decay * (-settings.decay * spoil * age).exp()
                });
                process_base(&settings)[i] + excited.sum::<f64>()
            })
        };
        let worst = |a: [f64; KINDS], b: [f64; KINDS]| {
            a.iter().zip(&b).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max)
        };
        for _ in 0..500 {
            events.push(process.next_event());
            // Times are whole nanoseconds here and exact in the process: 1e-9 s times beta.
            assert!(worst(process.intensities(), direct(&events, 1.0)) < 1e-5);
        }
        let canary = direct(&events, 1.05);
        assert!(worst(process.intensities(), canary) > 1e-3, "a wrong decay must be caught");
    }

    fn process_base(settings: &HawkesSettings) -> [f64; KINDS] {
        Hawkes::new(settings, Random::new(0, 0)).unwrap().base
    }

    #[test]
    fn an_explosive_or_impossible_process_is_refused() {
        let mut settings = HawkesSettings::at_rate(1_000.0);
        assert!(settings.branching_ratio() < 0.8);
        settings.branching[0][0] = 1.0;
        assert!(matches!(
            Hawkes::new(&settings, Random::new(0, 0)),
            Err(HawkesError::Explosive { ratio }) if ratio >= 1.0
        ));
        let mut settings = HawkesSettings::at_rate(1_000.0);
        settings.branching[4][0] = 0.3;
        settings.branching[0][4] = 0.0;
        assert!(matches!(
            Hawkes::new(&settings, Random::new(0, 0)),
            Err(HawkesError::BaseRate { kind: Kind::MarketBuy, .. })
        ));
        let bad = HawkesSettings { rate: f64::NAN, ..HawkesSettings::at_rate(1.0) };
        assert!(matches!(
            Hawkes::new(&bad, Random::new(0, 0)),
            Err(HawkesError::NotPositive { name: "rate", .. })
        ));
    }
}
