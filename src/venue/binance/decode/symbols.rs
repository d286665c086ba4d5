//! Symbol bytes -> the instrument, without allocation: open addressing over zero-padded names.

use crate::record::Instrument;
use std::cell::Cell;

/// Longest symbol, as `Symbol` bounds it.
pub(super) const SYMBOL_MAX: usize = 32;

/// A name padded with zeros.
pub(super) type Padded = [u64; SYMBOL_MAX / 8];

const EMPTY: u32 = u32::MAX;

/// Where each configured symbol stands in the instrument table.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    names: Vec<Padded>,
    slots: Box<[u32]>,
    shift: u32,
    /// What was found last: mostly what is asked next, and then no hash is waited for.
    last: Cell<usize>,
}

impl Symbols {
    /// A table at most a quarter full, so that a search ends after a step or two.
    pub(super) fn new(instruments: &[Instrument]) -> Symbols {
        let len = (instruments.len() * 4).next_power_of_two().max(8);
        let mut table = Symbols {
            names: instruments.iter().map(|of| padded(of.symbol.as_bytes())).collect(),
            slots: vec![EMPTY; len].into_boxed_slice(),
            shift: 64 - len.trailing_zeros(),
            last: Cell::new(0),
        };
        for (index, name) in table.names.iter().enumerate() {
            let mut slot = hash(name, table.shift);
            while table.slots[slot] != EMPTY {
                slot = (slot + 1) & (len - 1);
            }
            table.slots[slot] = index as u32;
        }
        table
    }

    /// Index of the instrument with this padded name.
    #[inline(always)]
    pub(super) fn find(&self, name: &Padded) -> Option<usize> {
        let last = self.last.get();
        if self.names.get(last) == Some(name) {
            return Some(last);
        }
        let found = self.search(name)?;
        self.last.set(found);
        Some(found)
    }

    #[inline(never)]
    fn search(&self, name: &Padded) -> Option<usize> {
        let mut slot = hash(name, self.shift);
        loop {
            let index = self.slots[slot & (self.slots.len() - 1)];
            if index == EMPTY {
                return None;
            }
            if self.names[index as usize] == *name {
                return Some(index as usize);
            }
            slot += 1;
        }
    }

    /// Index of the instrument of this name.
    pub(super) fn find_text(&self, name: &[u8]) -> Option<usize> {
        if name.len() > SYMBOL_MAX || name.contains(&0) {
            return None;
        }
        self.find(&padded(name))
    }
}

/// Pads a name of at most 32 bytes.
fn padded(name: &[u8]) -> Padded {
    let mut bytes = [0u8; SYMBOL_MAX];
    bytes[..name.len()].copy_from_slice(name);
    bytemuck::cast(bytes)
}

/// Multiplicative hash of the name's words, top bits.
#[inline(always)]
fn hash(name: &Padded, shift: u32) -> usize {
    let mixed = name[0] ^ name[1].rotate_left(17) ^ name[2].rotate_left(31) ^ name[3];
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift) as usize
}
