//! Where a resting order stands in a captured queue: estimates of the volume ahead of it.
//!
//! A capture shows sizes by price, not orders. Placed behind everything displayed, an order moves up
//! when the level trades; whether it also moves up when someone cancels is a guess, and each model
//! is one guess. The probabilistic ones follow Rigtorp ("Estimating order queue position", 2013) and
//! the family of functions that hftbacktest documents: a cancel lies ahead with probability
//! `f(ahead) / (f(ahead) + f(behind))`, `f(x) = x^n` or `ln(1 + x)`.

use crate::maths::random::ln;

/// How cancels of others move our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueModel {
    /// Cancels happen behind us as long as there is anyone: only trades advance the queue.
    TradesOnly,
    /// Cancels lie ahead with probability `ahead^n / (ahead^n + behind^n)`.
    Power(u8),
    /// Cancels lie ahead with probability `ln(1 + ahead) / (ln(1 + ahead) + ln(1 + behind))`.
    Logarithm,
    /// Every cancel was ahead of us: the bound from above.
    Optimistic,
    /// We stand behind all that is displayed, newcomers included, and fill only by what trades
    /// beyond it: the bound from below.
    Pessimistic,
}

impl QueueModel {
    /// Volume ahead after `cancelled` lots left a level on which `ahead` stood before us and `behind`
    /// after us; never negative, never more than what remains displayed.
    #[must_use]
    pub fn after_cancel(self, ahead: f64, behind: f64, cancelled: f64) -> f64 {
        let remaining = (ahead + behind - cancelled).max(0.0);
        let share_ahead = match self {
            QueueModel::Pessimistic => return remaining,
            QueueModel::TradesOnly => 0.0,
            QueueModel::Optimistic => 1.0,
            QueueModel::Power(n) => share(power(ahead, n), power(behind, n)),
            QueueModel::Logarithm => share(ln(1.0 + ahead), ln(1.0 + behind)),
        };
        // What a side cannot give, the other gives.
        let from_ahead = (share_ahead * cancelled).min(ahead);
        let from_behind = (cancelled - from_ahead).min(behind);
        (ahead - (cancelled - from_behind)).clamp(0.0, remaining)
    }

    /// Volume ahead after a level grew to `displayed`.
    #[must_use]
    pub fn after_growth(self, ahead: f64, displayed: f64) -> f64 {
        match self {
            QueueModel::Pessimistic => displayed,
            _ => ahead.min(displayed),
        }
    }
}

fn power(x: f64, n: u8) -> f64 {
    (0..n).fold(1.0, |product, _| product * x)
}

fn share(ahead: f64, behind: f64) -> f64 {
    if ahead + behind > 0.0 { ahead / (ahead + behind) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODELS: [QueueModel; 6] = [
        QueueModel::Optimistic,
        QueueModel::Power(3),
        QueueModel::Power(1),
        QueueModel::Logarithm,
        QueueModel::TradesOnly,
        QueueModel::Pessimistic,
    ];

    #[test]
    fn hand_made_cases() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(QueueModel::TradesOnly.after_cancel(30.0, 70.0, 50.0), 30.0);
        close(QueueModel::TradesOnly.after_cancel(30.0, 70.0, 80.0), 20.0); // behind has only 70
        close(QueueModel::Optimistic.after_cancel(30.0, 70.0, 10.0), 20.0);
        close(QueueModel::Power(1).after_cancel(30.0, 70.0, 10.0), 27.0);
        close(QueueModel::Power(2).after_cancel(30.0, 70.0, 10.0), 30.0 - 10.0 * 9.0 / 58.0);
        close(QueueModel::Pessimistic.after_cancel(30.0, 70.0, 10.0), 90.0);
        close(QueueModel::Logarithm.after_cancel(5.0, 5.0, 2.0), 4.0);
    }

    proptest! {
        #[test]
        fn every_model_lies_between_the_bounds(
            ahead in 0u32..1_000, behind in 0u32..1_000, cancelled in 0u32..2_000
        ) {
            let (ahead, behind) = (f64::from(ahead), f64::from(behind));
            let cancelled = f64::from(cancelled).min(ahead + behind);
            let after = MODELS.map(|model| model.after_cancel(ahead, behind, cancelled));
            let (low, high) = (after[0], after[5]);
            prop_assert!((high - (ahead + behind - cancelled)).abs() < 1e-9);
            for (model, after) in MODELS.into_iter().zip(after) {
                prop_assert!(after >= low - 1e-9 && after <= high + 1e-9, "{model:?}: {after}");
                let grown = model.after_growth(after, high + 5.0);
                prop_assert!(grown >= after, "{model:?}: growth moves nobody up");
            }
            prop_assert!(after[4] <= ahead + 1e-9, "trades-only never falls back");
        }
    }
}
