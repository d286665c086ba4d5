//! Eight scenarios at a time; the linear ones factor by factor over the whole tile, as memory likes it.
#![allow(unsafe_code, reason = "functions with a target feature; callers have seen the CPU's")]

use super::Book;
use super::book::OptionTerm;
use super::formula::{self, Returns, Spread};
use crate::compute::device::crew::Room;
use crate::compute::garch_paths::Paths;
use crate::compute::garch_paths::formula::Layout;
use crate::compute::reduce::BLOCK;
use crate::compute::singles::Singles;
use crate::compute::singles::avx2::{Eight, Sixteen};

/// Factors that share one pass over the sums, so that a sum is loaded and stored once for them.
const ROWS: usize = 8;

pub(super) fn block(book: &Book, tile: &[f32], profits: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(book, tile, profits) }
}

pub(super) fn simulate_block(
    job: &Paths,
    book: &Book,
    first_path: u64,
    room: &mut Room,
    profits: &mut [f32],
) {
    let room = room.take((Layout::length(job) + book.factors()) * Sixteen::WIDTH);
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { simulate_wide(job, book, first_path, room, profits) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(book: &Book, tile: &[f32], profits: &mut [f32]) {
    profits.fill(book.constant());
    let mut sums = [0.0; BLOCK];
    for group in book.groups() {
        sums.fill(0.0);
        for terms in group.terms.chunks(ROWS) {
            rows(terms, tile, &mut sums);
        }
        for at in (0..BLOCK).step_by(Eight::WIDTH) {
            let mut sum = Eight::load(&sums, at);
            if let Some(factor) = group.currency {
                sum = Eight::load(tile, factor as usize * BLOCK + at).fma(sum, sum);
            }
            (Eight::load(profits, at) + sum).store(profits, at);
        }
    }
    let returns = |at| Returns { numbers: tile, stride: BLOCK, at };
    for at in (0..BLOCK).step_by(Sixteen::WIDTH) {
        formula::bent(book, returns(at), Sixteen::load(profits, at)).store(profits, at);
    }
    for term in book.options() {
        for from in (0..BLOCK).step_by(STRIP) {
            option(term, tile, from, &mut profits[from..from + STRIP]);
        }
    }
}

/// Scenarios of an option whose steps are done one after the other: short chains of which many run at once,
/// and constants that stay in registers. They fit into the first cache.
const STRIP: usize = 512;

/// An option's profits, added.
#[inline(always)]
fn option(term: &OptionTerm, tile: &[f32], from: usize, profits: &mut [f32]) {
    let returns = |at| Returns { numbers: tile, stride: BLOCK, at: from + at };
    let lanes = || (0..STRIP).step_by(Sixteen::WIDTH);
    let (mut moneyness, mut apart) = ([0.0; STRIP], [0.0; STRIP]);
    let (mut halves, mut weights) = ([0.0; STRIP], [0.0; STRIP]);
    let still: Option<Spread<Sixteen>> =
        term.volatility_factor.is_none().then(|| formula::spread(term, returns(0)));
    for at in lanes() {
        let m: Sixteen = formula::moneyness(term, returns(at));
        let spread = still.unwrap_or_else(|| formula::spread(term, returns(at)));
        m.store(&mut moneyness, at);
        spread.half.store(&mut halves, at);
        formula::apart(m, spread.inverse).store(&mut apart, at);
    }
    for at in lanes() {
        let near = Sixteen::load(&apart, at) - Sixteen::load(&halves, at);
        formula::weight(Sixteen::load(&moneyness, at), near).store(&mut weights, at);
    }
    for at in lanes() {
        let [m, apart, half, weight] =
            [&moneyness, &apart, &halves, &weights].map(|numbers| Sixteen::load(numbers, at));
        let value = formula::value(m, apart, half, weight, term.right);
        let profit = formula::gained(term, returns(at), m, value);
        (Sixteen::load(profits, at) + profit).store(profits, at);
    }
}

/// Adds up to `ROWS` factors to the sums.
#[inline(always)]
fn rows(terms: &[(u32, f32)], tile: &[f32], sums: &mut [f32; BLOCK]) {
    let row = |term: &(u32, f32)| &tile[term.0 as usize * BLOCK..][..BLOCK];
    if let Ok(terms) = <&[(u32, f32); ROWS]>::try_from(terms) {
        let exposures = terms.map(|(_, exposure)| Eight::splat(exposure));
        let rows: [&[f32]; ROWS] = std::array::from_fn(|i| row(&terms[i]));
        for at in (0..BLOCK).step_by(Eight::WIDTH) {
            let mut sum = Eight::load(sums, at);
            for i in 0..ROWS {
                sum = exposures[i].fma(Eight::load(rows[i], at), sum);
            }
            sum.store(sums, at);
        }
        return;
    }
    for term in terms {
        let (exposure, row) = (Eight::splat(term.1), row(term));
        for at in (0..BLOCK).step_by(Eight::WIDTH) {
            exposure.fma(Eight::load(row, at), Eight::load(sums, at)).store(sums, at);
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn simulate_wide(
    job: &Paths,
    book: &Book,
    first_path: u64,
    room: &mut [f32],
    profits: &mut [f32],
) {
    formula::simulate_block::<Sixteen>(job, book, first_path, room, profits);
}
