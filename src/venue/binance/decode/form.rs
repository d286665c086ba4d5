//! The usual form of an instrument's numbers, as tables by length of text, made at construction.
//!
//! A venue writes every price of an instrument with the same number of decimals, so the length of
//! a text says where its point must be. A reader then compares two masks instead of searching.
//! And most texts are as long as the same field's last one, which `Usual` remembers.

use crate::units::Grid;
use std::cell::Cell;

/// Texts of the usual form are shorter than this.
pub(super) const FORM_MAX: usize = 16;

/// A mask that no text has: marks lengths that no number of the form can have.
const NEVER: u64 = 0xFFFF_FFFF;

/// What a text of each length must look like, and how its digits are brought to the right.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Low half: bit of the point. High half: bit 0 where the first digit must not be zero.
    expected: [u64; FORM_MAX],
    /// Shuffle that drops the point and aligns the digits right; 0x80 makes a zero.
    rows: [[u8; FORM_MAX]; FORM_MAX],
    pub(super) grid: Grid,
}

impl Form {
    /// The form of a grid. `shift` is where the text's masks stand in a joint word: 0 or 16.
    pub(super) fn new(grid: &Grid, shift: u32) -> Form {
        let decimals = usize::from(grid.decimals());
        let after = if decimals == 0 { 0 } else { decimals + 1 }; // the point and what follows
        let mut form =
            Form { expected: [NEVER; FORM_MAX], rows: [[0x80; FORM_MAX]; FORM_MAX], grid: *grid };
        for len in after + 1..FORM_MAX {
            let point = if decimals == 0 { len } else { len - after };
            let point_bit = if decimals == 0 { 0 } else { 1u64 << point };
            let no_leading_zero = u64::from(len > after + 1) << 32;
            form.expected[len] = (point_bit | no_leading_zero) << shift;
            let digits = (0..len).rev().filter(|at| *at != point);
            for (from, to) in digits.zip((0..FORM_MAX).rev()) {
                form.rows[len][to] = from as u8;
            }
        }
        form
    }

    /// The masks of a text of `len` bytes.
    #[inline(always)]
    pub(super) fn expected(&self, len: usize) -> u64 {
        self.expected[len % FORM_MAX]
    }

    /// The shuffle of a text of `len` bytes.
    #[inline(always)]
    pub(super) fn row(&self, len: usize) -> &[u8; FORM_MAX] {
        &self.rows[len % FORM_MAX]
    }
}

/// Length of the text that a field had last: a guess, so that a reader may go on before it has
/// measured. Never trusted, only compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct Usual(pub(super) Cell<usize>);

/// Guesses for the fields of one instrument's frames, in the order in which they stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    pub(super) ids: [Usual; 3],
    pub(super) touches: [[Usual; 2]; 2],
}
