//! Whether an order is clear of every exposure limit, in 64 bits, which real amounts fit: up to 46 billion
//! currency units. What does not fit, or is not clear, is left to the 128 bits of `exposure`.
//!
//! Exact as far as it goes, rounding included: a room that 64 bits do not hold is cut to the nearest that
//! they do, and no amount that fits lies between the two.
//! Deliberately absent: which limit is broken (`exposure`).

use crate::ledger::Worth;
use crate::record::BUCKETS_MAX;
use crate::units::{Lots, Money, Side};

/// Largest size of an amount here: the difference of any two fits.
const MOST: i64 = (1 << 62) - 1;

/// One instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Turns lots into parts of exposure; zero where something does not fit, and then nothing is clear.
    factor: i64,
    /// Parts of a minor unit.
    parts: i64,
    /// By side: signed exposure with every working order of the side filled.
    reach: [i64; 2],
    exposure: i64,
}

/// Whether an amount fits, and the part of it that does.
#[inline]
const fn fitting(amount: i128) -> (bool, i64) {
    let part = amount as i64;
    (part as i128 == amount && part.unsigned_abs() <= MOST as u64, part)
}

impl Outline {
    /// By side: exposure with its orders filled; the larger size of both.
    #[inline]
    pub(super) fn of(reach: [Money; 2], exposure: Money, worth: &Worth, factor: i128) -> Outline {
        let (factor_fits, factor) = fitting(factor);
        let (parts_fit, parts) = fitting(worth.parts());
        let (exposure_fits, exposure) = fitting(exposure.0);
        // no reach is larger than the exposure
        let fits = factor_fits & parts_fit & exposure_fits;
        Outline {
            factor: if fits { factor } else { 0 },
            parts,
            reach: reach.map(|of| of.0 as i64),
            exposure,
        }
    }
}

/// What is left of each limit, cut to what 64 bits hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clearance {
    /// Every position has a mark to value it at.
    pub(super) valued: bool,
    /// Of the sum of exposures.
    pub(super) gross: i64,
    /// By the side that the signed sum goes to.
    pub(super) net: [i64; 2],
    /// Not what is left but the whole: largest exposure of one instrument.
    pub(super) concentration: i64,
    pub(super) buckets: [i64; BUCKETS_MAX],
    /// Buckets in use.
    pub(super) used: usize,
}

/// The nearest that 64 bits hold.
#[inline]
pub(super) const fn cut(room: i128) -> i64 {
    let part = room as i64;
    if part as i128 == room { part } else { extreme(room) }
}

#[cold]
const fn extreme(room: i128) -> i64 {
    if room < 0 { i64::MIN } else { i64::MAX }
}

impl Clearance {
    /// Whether the limits of every sum are kept as things stand.
    #[inline]
    pub(super) fn is_kept(&self) -> bool {
        let mut least = self.gross.min(self.net[0]).min(self.net[1]);
        for room in &self.buckets[..self.used.min(BUCKETS_MAX)] {
            least = least.min(*room);
        }
        least >= 0
    }

    /// Whether a position of `lots` with every order of `side` filled is clear of every limit of an
    /// instrument that counts for the given buckets.
    #[inline]
    pub(super) fn has_room(&self, of: &Outline, buckets: u64, side: Side, lots: Lots) -> bool {
        let (fits, after) = after(of, lots);
        let other = of.reach[side.opposite() as usize];
        let exposure = after.wrapping_abs().max(other.wrapping_abs());
        let more = exposure.wrapping_sub(of.exposure);
        let mut clear = fits
            & self.valued
            & (exposure <= self.concentration)
            & (more <= self.gross)
            & (net_change(of, side, after) <= self.net[side as usize]);
        for (at, room) in self.buckets[..self.used.min(BUCKETS_MAX)].iter().enumerate() {
            clear &= (buckets >> at & 1 == 0) | (more <= *room);
        }
        clear
    }

    /// Whether such a position is clear of the limit of the signed sum.
    #[inline]
    pub(super) fn has_net_room(&self, of: &Outline, side: Side, lots: Lots) -> bool {
        let (fits, after) = after(of, lots);
        fits & (net_change(of, side, after) <= self.net[side as usize])
    }
}

/// Signed exposure of a position, and whether it is that.
#[inline]
const fn after(of: &Outline, lots: Lots) -> (bool, i64) {
    let (fits, exact) = fitting(lots.0 as i128 * of.factor as i128);
    let known = fits & (of.factor != 0);
    if of.parts == 1 || !known {
        return (known, exact);
    }
    let half = of.parts / 2;
    (true, if exact < 0 { exact - half } else { exact + half } / of.parts)
}

/// What the signed sum grows by, the way that orders of `side` go.
#[inline]
const fn net_change(of: &Outline, side: Side, after: i64) -> i64 {
    let change = after.wrapping_sub(of.reach[side as usize]);
    match side {
        Side::Buy => change,
        Side::Sell => change.wrapping_neg(),
    }
}
