//! Means and products over any lanes. The generic body is what both CPU twins run.

use super::{COLUMNS, ROWS, Rows, Tree};
use crate::compute::singles::Singles;

/// Series of a tile's rows.
const SIDE: usize = 4;
/// Registers of a tile's columns at most, one lane each.
const REGISTERS: usize = COLUMNS;

/// S, `[padded][padded]`, the lower triangle.
#[inline(always)]
pub(super) fn products<S: Singles>(job: &Rows) -> Vec<f32> {
    let padded = job.padded;
    let mut means = Tree::default();
    let mut row = vec![0.0; padded];
    let blocks = job.rows.chunks(ROWS * job.series).zip(job.weights[0].chunks(ROWS));
    for (rows, weights) in blocks {
        let mut sums = vec![0.0; padded];
        for (numbers, weight) in rows.chunks_exact(job.series).zip(weights) {
            row[..job.series].copy_from_slice(numbers);
            for at in (0..padded).step_by(S::WIDTH) {
                S::load(&row, at).fma(S::splat(*weight), S::load(&sums, at)).store(&mut sums, at);
            }
        }
        means.push(sums);
    }
    let means = means.finish();
    let mut total = Tree::default();
    let blocks = job.rows.chunks(ROWS * job.series).zip(job.weights[1].chunks(ROWS));
    let (mut centred, mut weighted) = (vec![0.0; ROWS * padded], vec![0.0; ROWS * padded]);
    for (rows, weights) in blocks {
        let count = weights.len();
        for (t, (numbers, weight)) in rows.chunks_exact(job.series).zip(weights).enumerate() {
            row[..job.series].copy_from_slice(numbers);
            for at in (0..padded).step_by(S::WIDTH) {
                let moved = S::load(&row, at) - S::load(&means, at);
                moved.store(&mut centred, t * padded + at);
                (moved * S::splat(*weight)).store(&mut weighted, t * padded + at);
            }
        }
        let mut block = vec![0.0; padded * padded];
        for i in (0..padded).step_by(SIDE) {
            // columns up to the diagonal's tile
            for j in (0..=i).step_by(COLUMNS) {
                tile::<S>(&centred, &weighted, count, padded, (i, j), &mut block);
            }
        }
        total.push(block);
    }
    total.finish()
}

/// `SIDE` × `COLUMNS` entries, rows added in time order.
#[inline(always)]
fn tile<S: Singles>(
    centred: &[f32],
    weighted: &[f32],
    count: usize,
    padded: usize,
    (i, j): (usize, usize),
    block: &mut [f32],
) {
    let registers = COLUMNS / S::WIDTH;
    let mut sums = [[S::splat(0.0); REGISTERS]; SIDE];
    for t in 0..count {
        let mut right = [S::splat(0.0); REGISTERS];
        for (r, right) in right.iter_mut().enumerate().take(registers) {
            *right = S::load(weighted, t * padded + j + r * S::WIDTH);
        }
        for (side, sums) in sums.iter_mut().enumerate() {
            let left = S::splat(centred[t * padded + i + side]);
            for r in 0..registers {
                sums[r] = left.fma(right[r], sums[r]);
            }
        }
    }
    for (side, sums) in sums.iter().enumerate() {
        for (r, sum) in sums.iter().enumerate().take(registers) {
            sum.store(block, (i + side) * padded + j + r * S::WIDTH);
        }
    }
}
