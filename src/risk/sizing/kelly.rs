//! Kelly's fraction of capital for one bet, from the record of such bets.
//!
//! f* = (p·b − q)/b for wins of share p that pay b times what losses cost (Kelly 1956); what is sized is a
//! quarter of it, cut by what moves alike: f = ¼·f*·√(1 − ρ²), held between 0.5 % and 25 % of capital. A
//! bet of no edge has no size: the least size never makes one. The share is taken as the position itself,
//! the stricter reading: who loses only a part of a position, down to its stop, could hold f over that
//! part. Deliberately absent: ruin by leverage of several bets at once, which is `portfolio`'s Kelly.

use crate::maths::statistics::mean;
use serde::Serialize;

/// The record of bets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Bets that won or lost.
    pub trades: usize,
    /// p: wins among them.
    pub win_rate: f64,
    /// b: the mean win over the mean loss; infinite where nothing was lost.
    pub payoff: f64,
    /// p·b − q: the mean result in units of the mean loss.
    pub edge: f64,
}

/// What evidence too thin is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thin {
    /// No bet.
    #[default]
    Nothing,
    /// The least size, where there is an edge at all.
    Least,
}

/// The rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Share of the full fraction.
    pub fraction: f64,
    /// Least size of a bet.
    pub least: f64,
    /// Greatest size of a bet.
    pub most: f64,
    /// Correlation with what is held, above which there is no bet.
    pub correlation_max: f64,
    /// Fewer bets are thin evidence.
    pub trades_min: usize,
    /// A lower win rate is.
    pub win_rate_min: f64,
    /// A lower edge is.
    pub edge_min: f64,
    /// What thin evidence is good for.
    pub thin: Thin,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fraction: 0.25,
            least: 0.005,
            most: 0.25,
            correlation_max: 0.7,
            trades_min: 30,
            win_rate_min: 0.45,
            edge_min: 0.01,
            thin: Thin::Nothing,
        }
    }
}

/// Why a size is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The formula.
    Formula,
    /// The formula gave less than the least.
    Least,
    /// The formula gave more than the most.
    Most,
    /// Nothing is to be won.
    NoEdge,
    /// What is held moves too much alike.
    Correlation,
    /// Too few bets.
    FewTrades,
    /// Nothing was ever lost: what a win pays for a loss is unknown.
    NoLosses,
    /// Too few wins.
    FewWins,
    /// Too little edge.
    SmallEdge,
}

/// A size, and why.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KellySize {
    /// f*, which may be negative.
    pub full: f64,
    /// Share of capital.
    pub size: f64,
    /// Why.
    pub reason: Reason,
}

impl Evidence {
    /// From the results of bets; those of exactly nothing are none. No bet at all has no edge.
    #[must_use]
    pub fn of(results: &[f64]) -> Evidence {
        let wins: Vec<f64> = results.iter().copied().filter(|r| *r > 0.0).collect();
        let losses: Vec<f64> = results.iter().filter(|r| **r < 0.0).map(|r| -r).collect();
        let trades = wins.len() + losses.len();
        let win_rate = if trades == 0 { 0.0 } else { wins.len() as f64 / trades as f64 };
        let payoff = match (wins.is_empty(), losses.is_empty()) {
            (true, _) => 0.0,
            (false, true) => f64::INFINITY,
            (false, false) => mean(&wins) / mean(&losses),
        };
        let lost = 1.0 - win_rate;
        let edge = if lost == 0.0 && win_rate > 0.0 { payoff } else { win_rate * payoff - lost };
        Evidence { trades, win_rate, payoff, edge }
    }

    /// f* = (p·b − q)/b; p where nothing was lost.
    #[must_use]
    pub fn full(&self) -> f64 {
        if self.payoff <= 0.0 {
            return -1.0;
        }
        self.win_rate - (1.0 - self.win_rate) / self.payoff
    }
}

/// The size of the next such bet, when `correlation` is how it moves with what is held.
#[must_use]
pub fn size(evidence: &Evidence, correlation: f64, settings: &Settings) -> KellySize {
    let full = evidence.full();
    let nothing = |reason| KellySize { full, size: 0.0, reason };
    if evidence.trades == 0 {
        return nothing(Reason::FewTrades);
    }
    if full.is_nan() || full <= 0.0 {
        return nothing(Reason::NoEdge);
    }
    if correlation > settings.correlation_max {
        return nothing(Reason::Correlation);
    }
    let thin = if evidence.trades < settings.trades_min {
        Some(Reason::FewTrades)
    } else if evidence.payoff.is_infinite() {
        Some(Reason::NoLosses)
    } else if evidence.win_rate < settings.win_rate_min {
        Some(Reason::FewWins)
    } else if evidence.edge < settings.edge_min {
        Some(Reason::SmallEdge)
    } else {
        None
    };
    match (thin, settings.thin) {
        (Some(reason), Thin::Nothing) => return nothing(reason),
        (Some(reason), Thin::Least) => return KellySize { full, size: settings.least, reason },
        (None, _) => {}
    }
    let alike = (1.0 - correlation * correlation).max(0.0).sqrt();
    let formula = settings.fraction * full * alike;
    let (size, reason) = if formula < settings.least {
        (settings.least, Reason::Least)
    } else if formula > settings.most {
        (settings.most, Reason::Most)
    } else {
        (formula, Reason::Formula)
    };
    KellySize { full, size, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(trades: usize, win_rate: f64, payoff: f64) -> Evidence {
        Evidence { trades, win_rate, payoff, edge: win_rate * payoff - (1.0 - win_rate) }
    }

    fn sized(evidence: &Evidence, correlation: f64) -> (f64, Reason) {
        let found = size(evidence, correlation, &Settings::default());
        (found.size, found.reason)
    }

    #[test]
    fn sizes_on_paper() {
        // p 0.6, b 1.5: (0.9 − 0.4)/1.5 = 1/3; a quarter of it 1/12; ρ 0.6 leaves 0.8
        let good = evidence(100, 0.6, 1.5);
        assert!((sized(&good, 0.0).0 - 1.0 / 12.0).abs() < 1e-15);
        assert!((sized(&good, 0.6).0 - 0.8 / 12.0).abs() < 1e-15);
        // what hedges is cut as much by the formula, and never refused
        assert!((sized(&good, -0.8).0 - 0.6 / 12.0).abs() < 1e-15);
        assert_eq!(sized(&good, 0.7001), (0.0, Reason::Correlation));
        // p 0.5, b 1.03: an edge of 1.5 %, a formula below the least
        assert_eq!(sized(&evidence(40, 0.5, 1.03), 0.0), (0.005, Reason::Least));
        let sure = Settings { fraction: 1.0, ..Settings::default() };
        assert_eq!(size(&evidence(40, 0.9, 2.0), 0.0, &sure).reason, Reason::Most);
    }

    #[test]
    fn the_least_never_makes_a_bet() {
        let thin = Settings { thin: Thin::Least, ..Settings::default() };
        for (win_rate, payoff) in [(0.5, 1.0), (0.4, 1.2), (0.0, 0.0)] {
            let none = evidence(1_000, win_rate, payoff);
            assert!(size(&none, 0.0, &thin).size <= 0.0, "{win_rate} {payoff}");
        }
        let few = evidence(29, 0.6, 1.5);
        assert_eq!(
            size(&few, 0.0, &thin),
            KellySize { full: few.full(), size: 0.005, reason: Reason::FewTrades }
        );
        assert_eq!(sized(&few, 0.0), (0.0, Reason::FewTrades));
        assert_eq!(sized(&evidence(30, 0.44, 3.0), 0.0), (0.0, Reason::FewWins));
        assert_eq!(sized(&evidence(30, 0.5, 1.019), 0.0), (0.0, Reason::SmallEdge));
    }

    #[test]
    fn evidence_of_results() {
        let found = Evidence::of(&[0.02, -0.01, 0.0, 0.04, -0.02]);
        assert_eq!(found.trades, 4);
        assert!((found.win_rate - 0.5).abs() < 1e-15 && (found.payoff - 2.0).abs() < 1e-12);
        assert!((found.edge - 0.5).abs() < 1e-12 && (found.full() - 0.25).abs() < 1e-12);
        // nothing lost: the full fraction is the win rate, all of it
        let lucky = Evidence::of(&[0.01; 40]);
        assert!((lucky.full() - 1.0).abs() < 1e-15 && lucky.edge.is_infinite());
        assert!(Evidence::of(&[-0.01; 3]).full() < 0.0 && Evidence::of(&[]).full() < 0.0);
    }
}
