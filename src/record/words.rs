//! Cursors over the words of an entry: one writes fields, one reads them and complains by name.
//!
//! Neither allocates. The writer trusts its caller with the length; the reader trusts nothing and
//! never panics. A complaint names the field, the word where it was met and what is wrong.

use super::{Level, Link};
use crate::units::{Lots, Side, Ticks};

/// Words of a level.
pub(super) const LEVEL_WORDS: usize = size_of::<Level>() / 8;

/// Codes that several layouts share, each at its index.
pub(super) const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
pub(super) const BOOLS: [bool; 2] = [false, true];
pub(super) const LINKS: [Link; 2] = [Link::Market, Link::Orders];

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// The entry ends before it.
    #[error("is missing: the entry ends here")]
    Missing,
    /// It holds a code that this version does not know.
    #[error("holds {0}, which this version does not know")]
    Unknown(u64),
    /// It is no value of its type.
    #[error("holds no valid value")]
    Invalid,
    /// Bytes that mean nothing are not zero.
    #[error("is followed by bytes that should be zero")]
    NotZero,
    /// The entry goes on after its last field.
    #[error("is followed by bytes that belong to nothing")]
    LeftOver,
}

/// Why words are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry of kind {kind}, byte {offset}: {field} {problem}")]
pub struct EntryError {
    /// Code of the entry's kind.
    pub kind: u16,
    /// Which field.
    pub field: &'static str,
    /// Where it starts.
    pub offset: usize,
    /// What is wrong.
    pub problem: EntryProblem,
}

/// A number and four small codes in one word.
#[inline(always)]
pub(super) fn head(number: u32, codes: [u8; 4]) -> u64 {
    u64::from(number) | u64::from(u32::from_le_bytes(codes)) << 32
}

/// The words not yet written.
pub(super) struct Out<'o> {
    rest: &'o mut [u64],
}

impl<'o> Out<'o> {
    #[inline(always)]
    pub(super) fn new(words: &'o mut [u64]) -> Out<'o> {
        Out { rest: words }
    }

    /// Whether every word was written.
    pub(super) fn is_full(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline(always)]
    pub(super) fn put(&mut self, word: u64) {
        self.words(&[word]);
    }

    /// A number and four small codes in one word.
    #[inline(always)]
    pub(super) fn head(&mut self, number: u32, codes: [u8; 4]) {
        self.put(head(number, codes));
    }

    /// Sixteen bytes, low word first.
    #[inline(always)]
    pub(super) fn wide(&mut self, value: u128) {
        self.words(&[value as u64, (value >> 64) as u64]);
    }

    #[inline(always)]
    pub(super) fn words(&mut self, words: &[u64]) {
        let (here, rest) = std::mem::take(&mut self.rest).split_at_mut(words.len());
        here.copy_from_slice(words);
        self.rest = rest;
    }

    #[inline(always)]
    pub(super) fn level(&mut self, level: Level) {
        self.words(&[level.price.0 as u64, level.lots.0 as u64]);
    }

    #[inline(always)]
    pub(super) fn levels(&mut self, bids: &[Level], asks: &[Level]) {
        self.put(bids.len() as u64 | (asks.len() as u64) << 32);
        self.words(bytemuck::cast_slice(bids));
        self.words(bytemuck::cast_slice(asks));
    }

    /// Bytes padded with zeros to a whole word.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (here, rest) = std::mem::take(&mut self.rest).split_at_mut(bytes.len().div_ceil(8));
        if let Some(last) = here.last_mut() {
            *last = 0;
        }
        bytemuck::cast_slice_mut::<u64, u8>(here)[..bytes.len()].copy_from_slice(bytes);
        self.rest = rest;
    }
}

/// The words of one entry and how far they were read.
pub(super) struct In<'a> {
    kind: u16,
    words: &'a [u64],
    at: usize,
}

impl<'a> In<'a> {
    pub(super) fn new(kind: u16, words: &'a [u64]) -> In<'a> {
        In { kind, words, at: 0 }
    }

    /// Whether every word was read.
    pub(super) fn end(&self) -> Result<(), EntryError> {
        if self.at == self.words.len() {
            return Ok(());
        }
        Err(self.wrong("the last field", EntryProblem::LeftOver))
    }

    /// A complaint about what was read last (or is to be read first).
    pub(super) fn wrong(&self, field: &'static str, problem: EntryProblem) -> EntryError {
        EntryError { kind: self.kind, field, offset: 8 * self.at.saturating_sub(1), problem }
    }

    pub(super) fn take(&mut self, field: &'static str) -> Result<u64, EntryError> {
        Ok(self.words_of(field, 1)?[0])
    }

    pub(super) fn wide(&mut self, field: &'static str) -> Result<u128, EntryError> {
        let words = self.words_of(field, 2)?;
        Ok(u128::from(words[0]) | u128::from(words[1]) << 64)
    }

    /// A number and `N` small codes; the rest of the word must be zero.
    pub(super) fn head<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<(u32, [u8; N]), EntryError> {
        let word = self.take(field)?;
        let codes = ((word >> 32) as u32).to_le_bytes();
        self.first(field, &codes).map(|codes| (word as u32, codes))
    }

    /// A word of `N` small codes.
    pub(super) fn codes<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], EntryError> {
        let bytes = self.take(field)?.to_le_bytes();
        self.first(field, &bytes)
    }

    fn first<const N: usize>(
        &self,
        field: &'static str,
        bytes: &[u8],
    ) -> Result<[u8; N], EntryError> {
        if bytes[N..].iter().any(|byte| *byte != 0) {
            return Err(self.wrong(field, EntryProblem::NotZero));
        }
        Ok(std::array::from_fn(|at| bytes[at]))
    }

    pub(super) fn pick<T: Copy>(
        &self,
        field: &'static str,
        values: &[T],
        code: u8,
    ) -> Result<T, EntryError> {
        let value = values.get(usize::from(code)).copied();
        value.ok_or(self.wrong(field, EntryProblem::Unknown(u64::from(code))))
    }

    pub(super) fn words_of(
        &mut self,
        field: &'static str,
        len: usize,
    ) -> Result<&'a [u64], EntryError> {
        let words = self.words.get(self.at..).and_then(|rest| rest.get(..len));
        let offset = 8 * self.at;
        let missing = EntryError { kind: self.kind, field, offset, problem: EntryProblem::Missing };
        self.at += len.min(self.words.len() - self.at);
        words.ok_or(missing)
    }

    pub(super) fn bytes(
        &mut self,
        field: &'static str,
        len: usize,
    ) -> Result<&'a [u8], EntryError> {
        let words = self.words_of(field, len.div_ceil(8))?;
        let (bytes, padding) = bytemuck::cast_slice::<u64, u8>(words).split_at(len);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(self.wrong(field, EntryProblem::NotZero));
        }
        Ok(bytes)
    }

    pub(super) fn text(&mut self, field: &'static str, len: usize) -> Result<&'a str, EntryError> {
        let bytes = self.bytes(field, len)?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong(field, EntryProblem::Invalid))
    }

    pub(super) fn level(&mut self, field: &'static str) -> Result<Level, EntryError> {
        let words = self.words_of(field, LEVEL_WORDS)?;
        Ok(Level { price: Ticks(words[0] as i64), lots: Lots(words[1] as i64) })
    }

    pub(super) fn optional_level(
        &mut self,
        field: &'static str,
        there: bool,
    ) -> Result<Option<Level>, EntryError> {
        let level = self.level(field)?;
        if !there && level != Level::default() {
            return Err(self.wrong(field, EntryProblem::NotZero));
        }
        Ok(there.then_some(level))
    }

    pub(super) fn levels(&mut self) -> Result<(&'a [Level], &'a [Level]), EntryError> {
        let counts = self.take("number of levels")?;
        let bids = self.words_of("bids", counts as u32 as usize * LEVEL_WORDS)?;
        let asks = self.words_of("asks", (counts >> 32) as usize * LEVEL_WORDS)?;
        Ok((bytemuck::cast_slice(bids), bytemuck::cast_slice(asks)))
    }
}
