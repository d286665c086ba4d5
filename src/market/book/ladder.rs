//! The book's speed: per side a ring of slots around the touch, and a sorted cold overflow.
//!
//! A side stores keys that rise towards the touch (bids: price, asks: minus price), so both sides run
//! the same code and "best" is the highest key. The window covers `WINDOW_TICKS` keys from `base`, and
//! a key's slot is its low bits: moving the window moves no level that stays inside. Slots hold lots;
//! a bitmap of three storeys (slots, words, words of words) finds the next best level with at most
//! three leading-zero counts.
//!
//! ```text
//!  cold (sorted, ascending)  │ window: WINDOW_TICKS keys from `base`        │ empty, always
//!  far from the touch        │ … 0 12 0 0 7 40 0 │ best │ 0 0 0 headroom …  │
//! ```
//!
//! Invariants: every key of `cold` is below `base`; no level stands above the window; while a side
//! holds a level its best one is in the window; `base` is a multiple of 64, so that words of the
//! bitmap leave the window whole.
//! The window moves when a better level stands above it, and when a level below it changes while the
//! best has sunk into its lowest quarter. A move costs what crosses its lower edge, once per level,
//! and half a window must be crossed between two moves.
//! Bound: `COLD_LEVELS_MAX` cold levels a side; beyond it the level furthest from the touch is
//! dropped and counted, so memory stays fixed.

use super::{Book, Top};
use crate::record::{Level, Tape};
use crate::units::{Lots, Side, Ticks};
use std::collections::VecDeque;

/// Keys in the window of one side: 2^16 ticks are 655 dollars of BTCUSDT at 0.01; 1 MiB for two sides,
/// of which only the pages around the touch are ever read.
pub const WINDOW_TICKS: usize = 1 << 16;
/// Cold levels a side may hold unless the book was made with another bound.
pub const COLD_LEVELS_MAX: usize = 1 << 16;

const MASK: usize = WINDOW_TICKS - 1;
const WORDS: usize = WINDOW_TICKS / 64;
const STOREY: usize = WORDS / 64;
/// Where the best level is put when the window moves: a quarter of it is headroom.
const HEADROOM: i64 = (WINDOW_TICKS / 4) as i64;
/// No level: below every key, since prices are positive.
const NONE: i64 = i64::MIN;

/// A book in two windows.
#[derive(Clone, Debug)]
pub struct Ladder {
    bids: Flank,
    asks: Flank,
    version: u64,
    last_update: u64,
    refused: u64,
}

/// One side by key. `best` is `NONE` exactly while the side is empty.
#[derive(Clone, Debug)]
struct Flank {
    base: i64,
    best: i64,
    in_window: usize,
    lots: Box<[i64; WINDOW_TICKS]>,
    words: Box<[u64; WORDS]>,
    storey: [u64; STOREY],
    roof: u64,
    cold: VecDeque<(i64, i64)>,
    cold_max: usize,
    dropped: u64,
}

impl Ladder {
    /// An empty book; everything it will need is allocated here.
    #[must_use]
    pub fn new() -> Ladder {
        Ladder::with_cold_levels(COLD_LEVELS_MAX)
    }

    /// An empty book that holds up to `cold_max` levels a side outside its window (at least one).
    #[must_use]
    pub fn with_cold_levels(cold_max: usize) -> Ladder {
        let flank = || Flank::new(cold_max.max(1));
        Ladder { bids: flank(), asks: flank(), version: 0, last_update: 0, refused: 0 }
    }

    /// Levels dropped at the bound since construction; while it is zero the book is exact.
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

/// Key of a price, and price of a key: rises towards the touch on both sides.
#[inline(always)]
const fn mirrored(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => price,
        Side::Sell => price.saturating_neg(),
    }
}

impl Book for Ladder {
    fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("book");
        self.bids.walk(tape);
        self.asks.walk(tape);
        for word in [&mut self.version, &mut self.last_update, &mut self.refused] {
            tape.pod(word);
        }
    }

    #[inline(always)]
    fn set(&mut self, side: Side, level: Level) {
        if (level.price.0 <= 0) | (level.lots.0 < 0) {
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
        Lots(self.flank(side).lots_at(mirrored(side, price.0)))
    }

    fn level_count(&self, side: Side) -> usize {
        let flank = self.flank(side);
        flank.in_window + flank.cold.len()
    }

    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        self.flank(side).visit(&mut |key, lots| visit(level(mirrored(side, key), lots)));
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

/// Slot of a key: its low bits, also for negative keys.
#[inline(always)]
const fn slot_of(key: i64) -> usize {
    key as usize & MASK
}

impl Flank {
    fn new(cold_max: usize) -> Flank {
        Flank {
            base: 0,
            best: NONE,
            in_window: 0,
            lots: zeroed(),
            words: zeroed(),
            storey: [0; STOREY],
            roof: 0,
            cold: VecDeque::with_capacity(cold_max),
            cold_max,
            dropped: 0,
        }
    }

    #[inline(always)]
    fn set(&mut self, key: i64, lots: i64) {
        if (key.wrapping_sub(self.base) as u64) < WINDOW_TICKS as u64 {
            self.set_inside(key, lots);
            let risen = if lots == 0 { NONE } else { key };
            self.best = self.best.max(risen);
            if (lots == 0) & (key == self.best) {
                self.lower_best();
            }
        } else {
            self.set_outside(key, lots);
        }
    }

    /// Writes a slot and its bit. Half of all updates create or delete a level, so whether this one
    /// does is nothing to branch on; whether a word of 64 ticks falls empty is.
    #[inline(always)]
    fn set_inside(&mut self, key: i64, lots: i64) {
        let slot = slot_of(key);
        let held = std::mem::replace(&mut self.lots[slot], lots) != 0;
        let holds = lots != 0;
        self.in_window = self.in_window.wrapping_add(usize::from(holds)) - usize::from(held);
        let (word, bit) = (slot / 64, slot % 64);
        let before = self.words[word];
        let after = (before & !(1 << bit)) | (u64::from(holds) << bit);
        self.words[word] = after;
        if (before == 0) != (after == 0) {
            self.mark(word, after != 0);
        }
    }

    /// Notes in the upper storeys whether a word holds levels.
    fn mark(&mut self, word: usize, holds: bool) {
        let (storey, bit) = (word / 64, word % 64);
        let bits = (self.storey[storey] & !(1 << bit)) | (u64::from(holds) << bit);
        self.storey[storey] = bits;
        self.roof = (self.roof & !(1 << storey)) | (u64::from(bits != 0) << storey);
    }

    /// After the best level went: the next one down, or what the cold levels hold.
    fn lower_best(&mut self) {
        self.best = self.below(self.best).unwrap_or(NONE);
        if self.best == NONE
            && let Some((key, _)) = self.cold.back().copied()
        {
            self.move_to(key);
            self.best = key;
        }
    }

    /// The highest level of the window below `key`, a key of the window.
    ///
    /// Slots are searched downwards and around: what is not found below `key`'s slot can only stand
    /// above it in the ring, where the highest slot is the nearest key, unless it lies past `base`.
    #[inline]
    fn below(&self, key: i64) -> Option<i64> {
        let slot = slot_of(key);
        let (word, storey) = (slot / 64, slot / 4_096);
        let bits = self.words[word] & lower(slot % 64);
        let found = if bits != 0 {
            word * 64 + highest(bits)
        } else {
            let words = self.storey[storey] & lower(word % 64);
            let word = if words != 0 {
                storey * 64 + highest(words)
            } else {
                let storeys = self.roof & lower(storey);
                let storey = highest(if storeys != 0 { storeys } else { self.roof });
                storey * 64 + highest(self.storey[storey & (STOREY - 1)])
            };
            word * 64 + highest(self.words[word & (WORDS - 1)])
        };
        let steps = (slot.wrapping_sub(found) & MASK) as i64;
        // an empty window finds slot 0 or `key` itself
        let level = steps > 0 && steps <= key - self.base && self.roof != 0;
        level.then(|| key - steps)
    }

    #[cold]
    #[inline(never)]
    fn set_outside(&mut self, key: i64, lots: i64) {
        let above = key > self.base; // outside and not below, hence above the window
        if above || self.best == NONE {
            if lots == 0 {
                return; // no level stands there
            }
            self.move_to(key);
            self.set_inside(key, lots);
            self.best = self.best.max(key);
            return;
        }
        let sunk = self.best.wrapping_sub(self.base) < HEADROOM;
        if sunk {
            self.move_to(self.best);
            if key >= self.base {
                self.set_inside(key, lots);
                return;
            }
        }
        match self.cold.binary_search_by_key(&key, |(cold, _)| *cold) {
            Ok(at) if lots == 0 => _ = self.cold.remove(at),
            Ok(at) => self.cold[at].1 = lots,
            Err(_) if lots == 0 => {}
            Err(0) if self.cold.len() == self.cold_max => self.dropped += 1,
            Err(at) if self.cold.len() == self.cold_max => {
                self.cold.pop_front();
                self.dropped += 1;
                self.cold.insert(at - 1, (key, lots));
            }
            Err(at) => self.cold.insert(at, (key, lots)),
        }
    }

    /// Moves the window so that `key`, at least as good as the best, stands below its headroom.
    fn move_to(&mut self, key: i64) {
        let base = key.saturating_add(HEADROOM).saturating_sub(WINDOW_TICKS as i64 - 1) & !63;
        if base > self.base {
            self.evict_below(base);
        }
        self.base = base;
        while let Some((held, lots)) = self.cold.pop_back_if(|(held, _)| *held >= base) {
            self.set_inside(held, lots);
        }
    }

    /// Moves the levels of the window that stand below `edge` to the cold ones, which they top.
    fn evict_below(&mut self, edge: i64) {
        // as unsigned: a jump from one end of the numbers to the other does not fit 63 bits
        let crossed = (edge.wrapping_sub(self.base) as u64).min(WINDOW_TICKS as u64) as usize;
        for at in (0..crossed).step_by(64) {
            let first = self.base + at as i64;
            let word = slot_of(first) / 64;
            let mut bits = std::mem::take(&mut self.words[word]);
            if bits == 0 {
                continue;
            }
            self.mark(word, false);
            self.in_window -= bits.count_ones() as usize;
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let key = first + i64::from(bit);
                let lots = std::mem::take(&mut self.lots[slot_of(key)]);
                if self.cold.len() == self.cold_max {
                    self.cold.pop_front();
                    self.dropped += 1;
                }
                self.cold.push_back((key, lots));
            }
        }
    }

    /// Where the window stands is part of the state: it decides what is dropped at the bound.
    fn walk(&mut self, tape: &mut Tape<'_>) {
        let mut inside = Vec::new();
        self.visit(&mut |key, lots| {
            inside.push([key, lots]);
            inside.len() < self.in_window
        });
        inside.truncate(self.in_window);
        let mut cold: Vec<[i64; 2]> = self.cold.iter().map(|(key, lots)| [*key, *lots]).collect();
        let (mut base, mut dropped) = (self.base, self.dropped);
        tape.pod(&mut base);
        tape.pod(&mut dropped);
        tape.list(&mut inside, WINDOW_TICKS);
        tape.list(&mut cold, self.cold_max);
        if !tape.is_loading() || tape.has_failed() {
            return;
        }
        let stands = |[key, lots]: &[i64; 2]| {
            *lots > 0 && (key.wrapping_sub(base) as u64) < WINDOW_TICKS as u64
        };
        let sorted = cold.is_sorted_by(|a, b| a[0] < b[0]);
        let below = cold.last().is_none_or(|[key, _]| *key < base && !inside.is_empty());
        if base & 63 != 0 || !inside.iter().all(stands) || !sorted || !below {
            return tape.refuse(base as u64);
        }
        self.clear();
        (self.base, self.dropped) = (base, dropped);
        for [key, lots] in inside {
            self.set_inside(key, lots);
            self.best = self.best.max(key);
        }
        self.cold.extend(cold.iter().map(|[key, lots]| (*key, *lots)));
    }

    fn clear(&mut self) {
        for (word, bits) in self.words.iter_mut().enumerate() {
            if std::mem::take(bits) != 0 {
                self.lots[word * 64..][..64].fill(0);
            }
        }
        self.storey = [0; STOREY];
        self.roof = 0;
        self.cold.clear();
        self.in_window = 0;
        self.best = NONE;
    }

    #[inline(always)]
    fn best(&self) -> Option<(i64, i64)> {
        (self.best != NONE).then(|| (self.best, self.lots[slot_of(self.best)]))
    }

    fn lots_at(&self, key: i64) -> i64 {
        if (key.wrapping_sub(self.base) as u64) < WINDOW_TICKS as u64 {
            return self.lots[slot_of(key)];
        }
        self.cold.binary_search_by_key(&key, |(cold, _)| *cold).map_or(0, |at| self.cold[at].1)
    }

    /// Best first: the window downwards, then the cold levels downwards.
    fn visit(&self, visit: &mut dyn FnMut(i64, i64) -> bool) {
        let mut next = (self.best != NONE).then_some(self.best);
        while let Some(key) = next {
            if !visit(key, self.lots[slot_of(key)]) {
                return;
            }
            next = self.below(key);
        }
        for (key, lots) in self.cold.iter().rev() {
            if !visit(*key, *lots) {
                return;
            }
        }
    }
}

/// The bits below `bit`, which is less than 64.
#[inline(always)]
const fn lower(bit: usize) -> u64 {
    (1 << bit) - 1
}

/// Number of the highest bit set; at least one is.
#[inline(always)]
const fn highest(bits: u64) -> usize {
    63 - (bits | 1).leading_zeros() as usize
}

/// A zeroed boxed array, made on the heap.
fn zeroed<T: Copy + Default + std::fmt::Debug, const N: usize>() -> Box<[T; N]> {
    let slice = vec![T::default(); N].into_boxed_slice();
    slice.try_into().expect("Invariant: the slice has N entries")
}
