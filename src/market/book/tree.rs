//! The book's meaning: two BTreeMaps. Slow, obvious, the twin that `Ladder` is compared with.

use super::{Book, Top};
use crate::record::{Level, Tape};
use crate::units::{Lots, Side, Ticks};
use std::collections::BTreeMap;

/// A book in two sorted maps.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    bids: BTreeMap<Ticks, Lots>,
    asks: BTreeMap<Ticks, Lots>,
    version: u64,
    last_update: u64,
    refused: u64,
}

impl Tree {
    /// An empty book.
    #[must_use]
    pub fn new() -> Tree {
        Tree::default()
    }

    fn side(&self, side: Side) -> &BTreeMap<Ticks, Lots> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

impl Book for Tree {
    fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("book");
        for levels in [&mut self.bids, &mut self.asks] {
            let mut list: Vec<Level> =
                levels.iter().map(|(price, lots)| Level { price: *price, lots: *lots }).collect();
            tape.list(&mut list, usize::MAX);
            *levels = list.iter().map(|level| (level.price, level.lots)).collect();
        }
        for word in [&mut self.version, &mut self.last_update, &mut self.refused] {
            tape.pod(word);
        }
    }

    fn set(&mut self, side: Side, level: Level) {
        if level.price.0 <= 0 || level.lots.0 < 0 {
            self.refused += 1;
            return;
        }
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if level.lots.0 == 0 {
            levels.remove(&level.price);
        } else {
            levels.insert(level.price, level.lots);
        }
    }

    fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    fn top(&self) -> Top {
        let level = |(price, lots): (&Ticks, &Lots)| Level { price: *price, lots: *lots };
        Top {
            bid: self.bids.last_key_value().map(level),
            ask: self.asks.first_key_value().map(level),
        }
    }

    fn lots_at(&self, side: Side, price: Ticks) -> Lots {
        self.side(side).get(&price).copied().unwrap_or_default()
    }

    fn level_count(&self, side: Side) -> usize {
        self.side(side).len()
    }

    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        let mut each = |(price, lots): (&Ticks, &Lots)| visit(Level { price: *price, lots: *lots });
        match side {
            Side::Buy => self.bids.iter().rev().all(&mut each),
            Side::Sell => self.asks.iter().all(&mut each),
        };
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

    fn commit(&mut self, last_update: u64) {
        self.version += 1;
        self.last_update = last_update;
    }
}
