//! European options: Black-76 on a forward (Black 1976), Black-Scholes on a spot as its case, in f64.
//!
//! Deribit's convention: T = (expiry − t)/365 days, no rate, coin price = value/F.

use crate::maths::distribution::{normal_cdf, normal_density};
use serde::Deserialize;

/// Call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To buy.
    Call,
    /// To sell.
    Put,
}

/// An option and the market it stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Black {
    /// Forward price at expiry.
    pub forward: f64,
    /// Strike.
    pub strike: f64,
    /// Annual volatility (0.65).
    pub volatility: f64,
    /// Years left.
    pub years: f64,
    /// Annual continuous rate.
    pub rate: f64,
    /// Call or put.
    pub right: Right,
}

/// First and second derivatives of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Greeks {
    /// To the forward.
    pub delta: f64,
    /// Delta's to the forward.
    pub gamma: f64,
    /// To the volatility, for a change of one (100 points).
    pub vega: f64,
    /// To time, a year's passing.
    pub theta: f64,
}

impl Black {
    fn spread(&self) -> f64 {
        self.volatility * self.years.max(0.0).sqrt()
    }

    fn first(&self) -> f64 {
        (self.forward / self.strike).ln() / self.spread() + 0.5 * self.spread()
    }

    fn sign(&self) -> f64 {
        if self.right == Right::Call { 1.0 } else { -1.0 }
    }

    fn discount(&self) -> f64 {
        (-self.rate * self.years.max(0.0)).exp()
    }

    /// Value, in what the strike is in.
    #[must_use]
    pub fn value(&self) -> f64 {
        let sign = self.sign();
        if self.spread() <= 0.0 {
            return self.discount() * (sign * (self.forward - self.strike)).max(0.0);
        }
        let (first, second) = (self.first(), self.first() - self.spread());
        let paid =
            self.forward * normal_cdf(sign * first) - self.strike * normal_cdf(sign * second);
        self.discount() * sign * paid
    }

    /// Derivatives; zero gamma, vega and theta at expiry.
    #[must_use]
    pub fn greeks(&self) -> Greeks {
        let (sign, discount) = (self.sign(), self.discount());
        if self.spread() <= 0.0 {
            let inside = sign * (self.forward - self.strike) > 0.0;
            let delta = if inside { discount * sign } else { 0.0 };
            return Greeks { delta, ..Greeks::default() };
        }
        let density = normal_density(self.first());
        let decay = self.forward * density * self.volatility / (2.0 * self.years.sqrt());
        Greeks {
            delta: discount * sign * normal_cdf(sign * self.first()),
            gamma: discount * density / (self.forward * self.spread()),
            vega: discount * self.forward * density * self.years.sqrt(),
            theta: self.rate * self.value() - discount * decay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(right: Right) -> Black {
        Black { forward: 105.0, strike: 100.0, volatility: 0.4, years: 0.5, rate: 0.03, right }
    }

    #[test]
    fn parity_holds() {
        let (call, put) = (option(Right::Call), option(Right::Put));
        let parity = call.discount() * (call.forward - call.strike);
        assert!((call.value() - put.value() - parity).abs() < 1e-12);
        assert!((call.greeks().delta - put.greeks().delta - call.discount()).abs() < 1e-12);
    }

    #[test]
    fn derivatives_are_differences() {
        for right in [Right::Call, Right::Put] {
            let at = option(right);
            let greeks = at.greeks();
            let value = |change: fn(&mut Black, f64), by: f64| {
                let mut moved = at;
                change(&mut moved, by);
                moved.value()
            };
            let slope = |change: fn(&mut Black, f64), h: f64| {
                (value(change, h) - value(change, -h)) / (2.0 * h)
            };
            let forward: fn(&mut Black, f64) = |black, by| black.forward += by;
            let delta = slope(forward, 1e-3);
            let gamma = (value(forward, 0.01) - 2.0 * at.value() + value(forward, -0.01)) / 1e-4;
            let vega = slope(|black, by| black.volatility += by, 1e-5);
            let theta = -slope(|black, by| black.years += by, 1e-5);
            for (ours, truth) in [
                (greeks.delta, delta),
                (greeks.gamma, gamma),
                (greeks.vega, vega),
                (greeks.theta, theta),
            ] {
                assert!(
                    (ours - truth).abs() < 1e-5 * truth.abs().max(1.0),
                    "{ours} against {truth}"
                );
            }
        }
    }

    #[test]
    fn at_expiry_it_is_worth_what_it_pays() {
        let done = Black { years: 0.0, ..option(Right::Call) };
        assert_eq!((done.value(), done.greeks().delta), (5.0, 1.0));
        let worthless = Black { years: -1.0, ..option(Right::Put) };
        assert_eq!((worthless.value(), worthless.greeks().delta), (0.0, 0.0));
    }
}
