//! Values that follow from the value before: one walk through time per series, lanes side by side.

use super::kernel::Shape;
use crate::compute::lanes::Lanes;

/// An indicator over `I` inputs that keeps `S` numbers and has `O` outputs.
pub(super) trait Recurrence<const I: usize, const S: usize, const O: usize> {
    /// The first step with an output.
    fn warm_up(&self) -> usize;

    /// How much of the new value step `at` takes; the same for all steps from `warm_up` on.
    fn rate(&self, at: usize) -> f64;

    /// State after the first row.
    fn first<L: Lanes>(&self, row: [L; I]) -> [L; S];

    /// State after one more row.
    fn next<L: Lanes>(&self, state: [L; S], rate: L, before: [L; I], row: [L; I]) -> [L; S];

    /// The indicator.
    fn value<L: Lanes>(&self, state: [L; S]) -> [L; O];
}

/// Series from `first` on, `L::WIDTH` side by side; returns the first series that did not fit.
#[inline(always)]
pub(super) fn neighbours<L: Lanes, K, const I: usize, const S: usize, const O: usize>(
    kernel: &K,
    shape: Shape,
    inputs: [&[f64]; I],
    outputs: &mut [&mut [f64]; O],
    first: usize,
) -> usize
where
    K: Recurrence<I, S, O>,
{
    let mut at = first;
    while at + L::WIDTH <= shape.series {
        walk::<L, K, I, S, O>(kernel, shape, inputs, outputs, at);
        at += L::WIDTH;
    }
    at
}

#[inline(always)]
fn walk<L: Lanes, K, const I: usize, const S: usize, const O: usize>(
    kernel: &K,
    Shape { steps, series }: Shape,
    inputs: [&[f64]; I],
    outputs: &mut [&mut [f64]; O],
    first: usize,
) where
    K: Recurrence<I, S, O>,
{
    if steps == 0 {
        return;
    }
    let warm_up = kernel.warm_up();
    let mut before = row::<L, I>(&inputs, first);
    let mut state = kernel.first(before);
    if warm_up == 0 {
        put(kernel.value(state), outputs, first);
    }
    let mut at = first;
    for step in 1..warm_up.min(steps) {
        at += series;
        let now = row(&inputs, at);
        state = kernel.next(state, L::splat(kernel.rate(step)), before, now);
        before = now;
    }
    let rate = L::splat(kernel.rate(warm_up));
    for _ in warm_up.max(1)..steps {
        at += series;
        let now = row(&inputs, at);
        state = kernel.next(state, rate, before, now);
        before = now;
        put(kernel.value(state), outputs, at);
    }
}

#[inline(always)]
fn row<L: Lanes, const I: usize>(from: &[&[f64]; I], at: usize) -> [L; I] {
    let mut row = [L::splat(0.0); I];
    for (lanes, plane) in row.iter_mut().zip(from) {
        *lanes = L::load(plane, at);
    }
    row
}

#[inline(always)]
fn put<L: Lanes, const O: usize>(row: [L; O], to: &mut [&mut [f64]; O], at: usize) {
    for (lanes, plane) in row.into_iter().zip(to) {
        lanes.store(plane, at);
    }
}
