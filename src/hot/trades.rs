//! What the market itself traded: the last price, and the volume of the last minute.
//!
//! Volume is kept by second of the lane's clock, so that the minute is the running second and the 59
//! before it, whatever the number of trades. Only trades on the book count; where a stream carries both,
//! aggregates repeat the trades that they are made of and are left out.
//! Deliberately absent: what is made of it (`gate`).

use crate::ledger::StateHash;
use crate::record::{Tape, Trade};
use crate::units::{Lots, Nanos, Ticks};

/// Seconds that the volume is kept for.
pub const VOLUME_SECONDS: usize = 60;

/// Lots that one second counts at most, so that sixty of them never overflow.
const SECOND_MAX: i64 = 1 << 56;

/// Trades of one instrument.
#[derive(Clone, Debug)]
pub struct Trades {
    last: Ticks,
    last_at: Nanos,
    /// Sum of `by_second`.
    volume: i64,
    /// The running second; `by_second[second % VOLUME_SECONDS]` is its volume.
    second: u64,
    by_second: [i64; VOLUME_SECONDS],
    /// A trade that is no aggregate was seen.
    single: bool,
}

impl Default for Trades {
    fn default() -> Trades {
        Trades {
            last: Ticks(0),
            last_at: Nanos(0),
            volume: 0,
            second: 0,
            by_second: [0; VOLUME_SECONDS],
            single: false,
        }
    }
}

impl Trades {
    /// Takes a trade.
    #[inline]
    pub fn on_trade(&mut self, trade: &Trade, now: Nanos) {
        if !trade.on_book || trade.price <= Ticks(0) {
            return;
        }
        (self.last, self.last_at) = (trade.price, now);
        if trade.aggregated && self.single {
            return;
        }
        if !trade.aggregated && !self.single {
            self.single = true;
            self.forget_volume();
        }
        self.on_time(now);
        let lots = trade.lots.0.clamp(0, SECOND_MAX);
        let place = &mut self.by_second[(self.second % VOLUME_SECONDS as u64) as usize];
        let before = *place;
        *place = (before + lots).min(SECOND_MAX);
        self.volume += *place - before;
    }

    /// Time passes: seconds leave the minute.
    #[inline]
    pub fn on_time(&mut self, now: Nanos) {
        let second = now.0 / Nanos::SECOND.0;
        if second > self.second {
            self.advance(second);
        }
    }

    #[cold]
    fn advance(&mut self, second: u64) {
        let passed = (second - self.second).min(VOLUME_SECONDS as u64);
        for step in 1..=passed {
            let place =
                &mut self.by_second[((second - passed + step) % VOLUME_SECONDS as u64) as usize];
            self.volume -= std::mem::take(place);
        }
        self.second = second;
    }

    /// The last price, while it is not older than `age_max`.
    #[must_use]
    #[inline]
    pub fn last(&self, age_max: Nanos, now: Nanos) -> Option<Ticks> {
        let fresh = self.last > Ticks(0) && now.since(self.last_at) <= age_max;
        fresh.then_some(self.last)
    }

    /// Volume of the last minute, as of the last trade or timer.
    #[must_use]
    #[inline]
    pub const fn volume(&self) -> Lots {
        Lots(self.volume)
    }

    fn forget_volume(&mut self) {
        self.by_second = [0; VOLUME_SECONDS];
        self.volume = 0;
    }

    /// A life begins, whose clock counts from another zero.
    pub fn restart(&mut self) {
        *self = Trades::default();
    }

    /// Saves the trades or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("trades");
        tape.pod(&mut self.last);
        tape.pod(&mut self.last_at);
        tape.pod(&mut self.second);
        tape.pods(&mut self.by_second);
        tape.flag(&mut self.single);
        if self.by_second.iter().any(|lots| !(0..=SECOND_MAX).contains(lots)) {
            tape.refuse(self.second);
            self.forget_volume();
        }
        self.volume = self.by_second.iter().sum();
    }

    /// Mixes the whole state into `hash`.
    pub fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.last.0 as u64);
        hash.word(self.last_at.0);
        hash.word(self.second << 1 | u64::from(self.single));
        self.by_second.iter().for_each(|lots| hash.word(*lots as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{InstrumentId, Side, UnixNanos};
    use proptest::prelude::*;

    fn trade(lots: i64, aggregated: bool) -> Trade {
        Trade {
            instrument: InstrumentId(0),
            id: 0,
            price: Ticks(100),
            lots: Lots(lots),
            aggressor: Side::Buy,
            aggregated,
            on_book: true,
            event_time: UnixNanos(0),
            transaction_time: UnixNanos(0),
        }
    }

    #[test]
    fn the_last_price_grows_old_and_liquidations_are_none() {
        let mut trades = Trades::default();
        let minute = Nanos(60 * Nanos::SECOND.0);
        assert_eq!(trades.last(minute, Nanos(0)), None);
        trades.on_trade(&trade(1, false), Nanos(5));
        assert_eq!(trades.last(minute, minute.plus(Nanos(5))), Some(Ticks(100)));
        assert_eq!(trades.last(minute, minute.plus(Nanos(6))), None);
        trades.on_trade(&Trade { on_book: false, price: Ticks(7), ..trade(9, false) }, minute);
        assert_eq!((trades.last, trades.volume()), (Ticks(100), Lots(1)));
    }

    #[test]
    fn aggregates_do_not_count_twice() {
        let mut trades = Trades::default();
        trades.on_trade(&trade(10, true), Nanos(1));
        assert_eq!(trades.volume(), Lots(10), "a stream of aggregates alone");
        trades.on_trade(&trade(4, false), Nanos(2));
        trades.on_trade(&trade(6, false), Nanos(3));
        trades.on_trade(&trade(10, true), Nanos(4));
        assert_eq!(trades.volume(), Lots(10), "the same as two trades and as their aggregate");
    }

    proptest! {
        /// Against a list of all trades, summed anew at each question.
        #[test]
        fn the_volume_is_that_of_sixty_seconds(
            steps in prop::collection::vec((0u64..40_000, 0i64..1_000), 1..200),
            spoil in any::<bool>(),
        ) {
            let (mut trades, mut all, mut now) = (Trades::default(), Vec::new(), 0u64);
            for (millis, lots) in steps {
                now += millis * 1_000_000;
                trades.on_trade(&trade(lots, false), Nanos(now));
                all.push((now / Nanos::SECOND.0, lots));
                let second = now / Nanos::SECOND.0;
                let least = second.saturating_sub(VOLUME_SECONDS as u64 - 1);
                let naive: i64 = all.iter().filter(|(at, _)| *at >= least).map(|(_, lots)| lots).sum();
                prop_assert_eq!(trades.volume(), Lots(naive));
                if spoil {
                    // canary: a window one second longer is another sum, as soon as it holds anything
                    let longer = second.saturating_sub(VOLUME_SECONDS as u64);
                    let more: i64 = all.iter().filter(|(at, _)| *at == longer && longer < least)
                        .map(|(_, lots)| lots).sum();
                    prop_assert_eq!(trades.volume() == Lots(naive + more), more == 0);
                }
            }
        }
    }
}
