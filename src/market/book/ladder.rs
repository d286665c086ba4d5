//! The book's speed: per side a flat window of slots around the touch, and a sorted cold overflow.
//!
//! A side stores keys that rise towards the touch (bids: price, asks: minus price), so both sides run
//! the same code and "best" is the highest key. The window's slots hold lots; a bitmap of three
//! storeys (slots, words, words of words) finds the next best level with three leading-zero counts.
//!
//! ```text
//!  cold (sorted, ascending)  │ window: WINDOW_TICKS slots from `base`       │ empty, always
//!  far from the touch        │ … 0 12 0 0 7 40 0 │ best │ 0 0 0 headroom …  │
//! ```
//!
//! Invariant: no level stands above the window; a better one re-centres it first. Re-centring is
//! linear in the levels held, and happens after the touch ran half a window away.
//! Bound: `COLD_LEVELS_MAX` cold levels a side; beyond it the level furthest from the touch is
//! dropped and counted, so memory stays fixed.

use super::{Book, Top};
use crate::record::Level;
use crate::units::{Lots, Side, Ticks};

/// Slots of the window of one side; 2^15 ticks are 3 277 dollars of BTCUSDT at 0.1, 512 KiB for two sides.
pub const WINDOW_TICKS: usize = 1 << 15;
/// Cold levels a side may hold.
pub const COLD_LEVELS_MAX: usize = 1 << 16;

const WORDS: usize = WINDOW_TICKS / 64;
const STOREY: usize = WORDS / 64;
/// Where the best level is put when the window is re-centred: a quarter of it is headroom.
const HEADROOM: i64 = (WINDOW_TICKS / 4) as i64;

/// A book in two flat windows.
#[derive(Clone, Debug)]
pub struct Ladder {
    bids: Flank,
    asks: Flank,
    version: u64,
    last_update: u64,
    refused: u64,
}

/// One side by key. `best` is meaningful while the window holds a level.
#[derive(Clone, Debug)]
struct Flank {
    base: i64,
    best: usize,
    in_window: usize,
    lots: Box<[i64; WINDOW_TICKS]>,
    words: Box<[u64; WORDS]>,
    storey: [u64; STOREY],
    cold: Vec<(i64, i64)>,
    spare: Vec<(i64, i64)>,
    dropped: u64,
}

impl Ladder {
    /// An empty book; everything it will need is allocated here.
    #[must_use]
    pub fn new() -> Ladder {
        Ladder { bids: Flank::new(), asks: Flank::new(), version: 0, last_update: 0, refused: 0 }
    }

    /// Levels dropped at `COLD_LEVELS_MAX` since construction.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.bids.dropped + self.asks.dropped
    }

    fn flank(&self, side: Side) -> &Flank {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

impl Default for Ladder {
    fn default() -> Ladder {
        Ladder::new()
    }
}

/// Key of a price: rises towards the touch on both sides.
#[inline(always)]
const fn key_of(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => price,
        Side::Sell => -price,
    }
}

impl Book for Ladder {
    #[inline(always)]
    fn set(&mut self, side: Side, level: Level) {
        if level.price.0 <= 0 || level.lots.0 < 0 {
            self.refused += 1;
            return;
        }
        match side {
            Side::Buy => self.bids.set(level.price.0, level.lots.0),
            Side::Sell => self.asks.set(-level.price.0, level.lots.0),
        }
    }

    fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    #[inline]
    fn top(&self) -> Top {
        Top {
            bid: self.bids.best().map(|(key, lots)| level(key, lots)),
            ask: self.asks.best().map(|(key, lots)| level(-key, lots)),
        }
    }

    fn lots_at(&self, side: Side, price: Ticks) -> Lots {
        Lots(self.flank(side).lots_at(key_of(side, price.0)))
    }

    fn level_count(&self, side: Side) -> usize {
        let flank = self.flank(side);
        flank.in_window + flank.cold.len()
    }

    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        // a key is its own mirror: price of a bid, minus price of an ask
        self.flank(side).visit(&mut |key, lots| visit(level(key_of(side, key), lots)));
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn last_update(&self) -> u64 {
        self.last_update
    }

    fn refused(&self) -> u64 {
        self.refused
    }

    #[inline]
    fn commit(&mut self, last_update: u64) {
        self.version += 1;
        self.last_update = last_update;
    }
}

const fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

impl Flank {
    fn new() -> Flank {
        Flank {
            base: 0,
            best: 0,
            in_window: 0,
            lots: zeroed(),
            words: zeroed(),
            storey: [0; STOREY],
            cold: Vec::with_capacity(COLD_LEVELS_MAX + 1),
            spare: Vec::with_capacity(COLD_LEVELS_MAX + WINDOW_TICKS),
            dropped: 0,
        }
    }

    #[inline(always)]
    fn set(&mut self, key: i64, lots: i64) {
        let slot = key.wrapping_sub(self.base) as u64;
        if slot < WINDOW_TICKS as u64 {
            self.set_slot(slot as usize, lots);
        } else {
            self.set_outside(key, lots);
        }
    }

    #[inline(always)]
    fn set_slot(&mut self, slot: usize, lots: i64) {
        let slot = slot & (WINDOW_TICKS - 1);
        let held = std::mem::replace(&mut self.lots[slot], lots) != 0;
        let holds = lots != 0;
        if held == holds {
            return;
        }
        let (word, bit) = (slot / 64, 1u64 << (slot % 64));
        if holds {
            self.words[word] |= bit;
            self.storey[word / 64] |= 1 << (word % 64);
            self.best = if self.in_window == 0 { slot } else { self.best.max(slot) };
            self.in_window += 1;
        } else {
            self.words[word] &= !bit;
            if self.words[word] == 0 {
                self.storey[word / 64] &= !(1 << (word % 64));
            }
            self.in_window -= 1;
            if slot == self.best {
                self.find_best();
            }
        }
    }

    /// After the best level went: the next one down, or what the cold levels hold.
    fn find_best(&mut self) {
        if let Some(slot) = self.highest() {
            self.best = slot;
        } else if let Some((key, _)) = self.cold.last().copied() {
            self.recentre(key);
        }
    }

    /// Highest occupied slot.
    fn highest(&self) -> Option<usize> {
        let storey = self.storey.iter().rposition(|bits| *bits != 0)?;
        let word = storey * 64 + 63 - self.storey[storey].leading_zeros() as usize;
        Some(word * 64 + 63 - self.words[word].leading_zeros() as usize)
    }

    #[cold]
    #[inline(never)]
    fn set_outside(&mut self, key: i64, lots: i64) {
        let above = key > self.base; // outside and not below, hence above the window
        if above || self.in_window == 0 {
            // an empty window is free to move wherever the best level is
            let best = self.cold.last().map_or(i64::MIN, |(cold, _)| *cold);
            if lots != 0 && (above || key > best) {
                self.recentre(key);
                self.set_slot((key - self.base) as usize, lots);
                return;
            }
            if above {
                return; // deleting a level that cannot exist
            }
        }
        match self.cold.binary_search_by_key(&key, |(cold, _)| *cold) {
            Ok(at) if lots == 0 => {
                self.cold.remove(at);
            }
            Ok(at) => self.cold[at].1 = lots,
            Err(_) if lots == 0 => {}
            Err(at) => {
                self.cold.insert(at, (key, lots));
                self.trim();
            }
        }
    }

    /// Moves the window so that `key` stands below its headroom. Linear in the levels held.
    fn recentre(&mut self, key: i64) {
        self.spare.clear();
        self.spare.extend_from_slice(&self.cold);
        for storey in 0..STOREY {
            let mut words = self.storey[storey];
            while words != 0 {
                let word = storey * 64 + words.trailing_zeros() as usize;
                words &= words - 1;
                let mut bits = self.words[word];
                while bits != 0 {
                    let slot = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    self.spare.push((self.base + slot as i64, self.lots[slot]));
                    self.lots[slot] = 0;
                }
                self.words[word] = 0;
            }
            self.storey[storey] = 0;
        }
        self.in_window = 0;
        self.cold.clear();
        self.base = key.saturating_add(HEADROOM).saturating_sub(WINDOW_TICKS as i64 - 1);
        // `spare` is ascending: cold levels lie below the old window, whose slots were read upwards
        for at in 0..self.spare.len() {
            let (held, lots) = self.spare[at];
            let slot = held.wrapping_sub(self.base) as u64;
            if slot < WINDOW_TICKS as u64 {
                self.set_slot(slot as usize, lots);
            } else {
                self.cold.push((held, lots));
                self.trim();
            }
        }
    }

    fn trim(&mut self) {
        if self.cold.len() > COLD_LEVELS_MAX {
            self.cold.remove(0);
            self.dropped += 1;
        }
    }

    fn clear(&mut self) {
        self.lots.fill(0);
        self.words.fill(0);
        self.storey.fill(0);
        self.cold.clear();
        self.in_window = 0;
        self.best = 0;
    }

    #[inline(always)]
    fn best(&self) -> Option<(i64, i64)> {
        (self.in_window > 0)
            .then(|| (self.base + self.best as i64, self.lots[self.best & (WINDOW_TICKS - 1)]))
    }

    fn lots_at(&self, key: i64) -> i64 {
        let slot = key.wrapping_sub(self.base) as u64;
        if slot < WINDOW_TICKS as u64 {
            return self.lots[slot as usize];
        }
        self.cold.binary_search_by_key(&key, |(cold, _)| *cold).map_or(0, |at| self.cold[at].1)
    }

    /// Best first: the window downwards, then the cold levels downwards.
    fn visit(&self, visit: &mut dyn FnMut(i64, i64) -> bool) {
        for storey in (0..STOREY).rev() {
            let mut words = self.storey[storey];
            while words != 0 {
                let top = 63 - words.leading_zeros() as usize;
                words &= !(1 << top);
                let word = storey * 64 + top;
                let mut bits = self.words[word];
                while bits != 0 {
                    let bit = 63 - bits.leading_zeros() as usize;
                    bits &= !(1 << bit);
                    let slot = word * 64 + bit;
                    if !visit(self.base + slot as i64, self.lots[slot]) {
                        return;
                    }
                }
            }
        }
        for (key, lots) in self.cold.iter().rev() {
            if !visit(*key, *lots) {
                return;
            }
        }
    }
}

/// A zeroed boxed array, made on the heap.
fn zeroed<T: Copy + Default + std::fmt::Debug, const N: usize>() -> Box<[T; N]> {
    let slice = vec![T::default(); N].into_boxed_slice();
    slice.try_into().expect("Invariant: the slice has N entries")
}
