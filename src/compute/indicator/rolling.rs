//! Windows over blocks: each sum starts afresh in every block, so there is no drift to bound.
//!
//! Time is cut into blocks as long as the window. A window that ends in one block is what it covers
//! of the block before (sums walked backwards from the boundary) plus what it covers of its own
//! block (sums walked forwards from it): about three additions a step whatever the window, none of
//! them a subtraction of an old value (van Herk 1992 does the same for maxima).
//!
//! ```text
//!  block j            │ block j+1
//!  0 1 2 3 … w-2  w-1 │ 0 1 2 … w-1        window i = rows i..w of block j, rows 0..i of block j+1
//!      ◀── old sums c │ new sums ──▶       c: the last value before the boundary, in every window
//! ```
//!
//! Values are taken relative to `c`. It lies inside every window of the boundary, so
//! (mean − c)² ≤ w·variance, and the variance of prices near 60 000 loses at most log2(w) bits, not
//! the dozens that raw squares would.
//!
//! The boundaries depend on the window alone and are independent of each other; so lanes may hold
//! neighbouring series or neighbouring blocks of one series, and the bits are the same.

use super::kernel::Shape;
use crate::compute::lanes::Lanes;

/// Makes the row that is summed out of the inputs of one step, or of two adjacent ones.
pub(super) trait Rows<const I: usize, const R: usize> {
    /// 1 where a row needs the step before, which leaves the first step without a row; else 0.
    const LAG: usize;

    /// The row of a step.
    fn row<L: Lanes>(before: [L; I], now: [L; I]) -> [L; R];

    /// The inputs, where they are the rows.
    fn as_rows(_inputs: [&[f64]; I]) -> Option<[&[f64]; R]> {
        None
    }
}

/// The inputs as they are.
pub(super) struct AsGiven;

impl<const I: usize> Rows<I, I> for AsGiven {
    const LAG: usize = 0;

    #[inline(always)]
    fn row<L: Lanes>(_before: [L; I], now: [L; I]) -> [L; I] {
        now
    }

    fn as_rows(inputs: [&[f64]; I]) -> Option<[&[f64]; I]> {
        Some(inputs)
    }
}

/// An indicator of a window of rows of `R` numbers that keeps `S` sums and has `O` outputs.
pub(super) trait Rolling<const R: usize, const S: usize, const O: usize> {
    /// Rows of the window.
    fn window(&self) -> usize;

    /// What values are taken relative to, given the last row before the boundary.
    fn origin<L: Lanes>(&self, last: [L; R]) -> L;

    /// Adds a row of the old block, which is older than all in `sums`.
    fn add_old<L: Lanes>(&self, sums: [L; S], origin: L, row: [L; R]) -> [L; S];

    /// Adds a row of the new block, which is newer than all in `sums`.
    #[inline(always)]
    fn add_new<L: Lanes>(&self, sums: [L; S], origin: L, row: [L; R]) -> [L; S] {
        self.add_old(sums, origin, row)
    }

    /// The indicator of a window whose newest row is `latest`.
    fn value<L: Lanes>(&self, old: [L; S], new: [L; S], origin: L, latest: [L; R]) -> [L; O];
}

/// Planes in and out.
pub(super) struct Planes<'a, 'b, const I: usize, const O: usize> {
    pub shape: Shape,
    pub inputs: [&'a [f64]; I],
    pub outputs: &'a mut [&'b mut [f64]; O],
}

/// Working room, kept between runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    /// Rows of the old block, then old sums of every row of it.
    block: Vec<f64>,
    /// One series, a block per lane: inputs, then outputs.
    dealt: Vec<f64>,
    /// Rows of one series.
    rows: Vec<f64>,
}

/// The first `len` numbers of the room, which grows on the first run.
#[inline(always)]
fn ready(room: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if room.len() < len {
        room.resize(len, 0.0);
    }
    &mut room[..len]
}

/// Series from `first` on, `L::WIDTH` side by side; returns the first series that did not fit.
#[inline(always)]
pub(super) fn neighbours<
    L: Lanes,
    A,
    K,
    const I: usize,
    const R: usize,
    const S: usize,
    const O: usize,
>(
    kernel: &K,
    planes: &mut Planes<I, O>,
    room: &mut Room,
    first: usize,
) -> usize
where
    A: Rows<I, R>,
    K: Rolling<R, S, O>,
{
    let Shape { steps, series } = planes.shape;
    let window = kernel.window();
    let (held, sums) =
        ready(&mut room.block, window * (R + S) * L::WIDTH).split_at_mut(window * R * L::WIDTH);
    let mut lane = first;
    while lane + L::WIDTH <= series && window + A::LAG <= steps {
        let mut at = lane + A::LAG * series;
        let mut before = load::<L, I>(&planes.inputs, lane);
        if A::LAG > 0 {
            for row in 0..window {
                let now = load(&planes.inputs, at);
                store(A::row(before, now), held, row * L::WIDTH, window * L::WIDTH);
                before = now;
                at += series;
            }
        } else {
            at += window * series;
        }
        let mut rest = steps - A::LAG - window;
        loop {
            // windows 0..w of this boundary; the last row of the new block ends no window of it
            let old_rows = match A::as_rows(planes.inputs) {
                Some(rows) => Block { rows, last: at - series, step: series },
                None => Block::of(held, window, L::WIDTH),
            };
            let (origin, mut latest) = look_back::<L, K, R, S, O>(kernel, &old_rows, sums);
            let mut new = [L::splat(0.0); S];
            for row in 0..window {
                let old = load_row::<L, S>(sums, row * S * L::WIDTH);
                let value = kernel.value(old, new, origin, latest);
                put(value, planes.outputs, at - series);
                if row == rest {
                    break;
                }
                let now = load(&planes.inputs, at);
                latest = A::row(before, now);
                if A::LAG > 0 {
                    before = now;
                    store(latest, held, row * L::WIDTH, window * L::WIDTH);
                }
                new = kernel.add_new(new, origin, latest);
                at += series;
            }
            if rest < window {
                break;
            }
            rest -= window;
        }
        lane += L::WIDTH;
    }
    lane
}

/// The rows of an old block: where its last row stands in each plane, and how far rows are apart.
struct Block<'a, const R: usize> {
    rows: [&'a [f64]; R],
    last: usize,
    step: usize,
}

impl<'a, const R: usize> Block<'a, R> {
    /// A block of `window` rows that stands plane by plane in `held`.
    #[inline(always)]
    fn of(held: &'a [f64], window: usize, step: usize) -> Block<'a, R> {
        Block { rows: cut(held, window * step), last: (window - 1) * step, step }
    }
}

/// The first `R` pieces of `len` numbers.
#[inline(always)]
fn cut<const R: usize>(from: &[f64], len: usize) -> [&[f64]; R] {
    let mut pieces: [&[f64]; R] = [&[]; R];
    for (place, piece) in pieces.iter_mut().enumerate() {
        *piece = &from[place * len..(place + 1) * len];
    }
    pieces
}

/// Sums of the old block from each of its rows to its end; returns the origin and the last row.
#[inline(always)]
fn look_back<L: Lanes, K, const R: usize, const S: usize, const O: usize>(
    kernel: &K,
    block: &Block<R>,
    sums: &mut [f64],
) -> (L, [L; R])
where
    K: Rolling<R, S, O>,
{
    let mut at = block.last;
    let last = load(&block.rows, at);
    let origin = kernel.origin(last);
    let mut old = kernel.add_old([L::splat(0.0); S], origin, last);
    let mut row = kernel.window() - 1;
    store(old, sums, row * S * L::WIDTH, L::WIDTH);
    while row > 0 {
        row -= 1;
        at -= block.step;
        old = kernel.add_old(old, origin, load(&block.rows, at));
        store(old, sums, row * S * L::WIDTH, L::WIDTH);
    }
    (origin, last)
}

/// A single series: `L::WIDTH` blocks of it abreast as far as they fit, then one block at a time.
#[inline(always)]
pub(super) fn alone<
    L: Lanes,
    A,
    K,
    const I: usize,
    const R: usize,
    const S: usize,
    const O: usize,
>(
    kernel: &K,
    planes: &mut Planes<I, O>,
    room: &mut Room,
) where
    A: Rows<I, R>,
    K: Rolling<R, S, O>,
{
    let steps = planes.shape.steps.saturating_sub(A::LAG);
    let mut made = std::mem::take(&mut room.rows);
    let rows: [&[f64]; R] = match A::as_rows(planes.inputs) {
        Some(rows) => rows,
        None => make_rows::<L, A, I, R>(planes.inputs, steps, ready(&mut made, R * steps)),
    };
    let mut outputs = planes.outputs.each_mut().map(|plane| &mut plane[A::LAG..]);
    let window = kernel.window();
    let mut start = 0;
    // the last lane's block needs all its windows: w − 1 rows after it
    while start + (L::WIDTH + 1) * window <= steps {
        let sums = ready(&mut room.block, window * S * L::WIDTH);
        let pitch = pitch::<L>();
        let dealt = ready(&mut room.dealt, window * (R * pitch + O * L::WIDTH));
        let (dealt, values) = dealt.split_at_mut(window * R * pitch);
        deal::<L, R>(&rows, start, window, dealt);
        abreast::<L, K, R, S, O>(kernel, dealt, sums, values);
        collect::<L, O>(values, window, &mut outputs, start + window - 1);
        start += L::WIDTH * window;
    }
    let inputs = rows.map(|plane| &plane[start..]);
    let mut outputs = outputs.each_mut().map(|plane| &mut plane[start..]);
    let shape = Shape { steps: steps - start, series: 1 };
    let mut rest = Planes { shape, inputs, outputs: &mut outputs };
    neighbours::<f64, AsGiven, K, R, R, S, O>(kernel, &mut rest, room, 0);
    room.rows = made;
}

/// All windows of `L::WIDTH` boundaries; lane l has dealt column l as old block, l + 1 as new one.
#[inline(always)]
fn abreast<L: Lanes, K, const R: usize, const S: usize, const O: usize>(
    kernel: &K,
    dealt: &[f64],
    sums: &mut [f64],
    values: &mut [f64],
) where
    K: Rolling<R, S, O>,
{
    let (window, pitch) = (kernel.window(), pitch::<L>());
    let columns: [&[f64]; R] = cut(dealt, window * pitch);
    let block = Block { rows: columns, last: (window - 1) * pitch, step: pitch };
    let (origin, mut latest) = look_back::<L, K, R, S, O>(kernel, &block, sums);
    let mut new = [L::splat(0.0); S];
    for row in 0..window {
        let old = load_row::<L, S>(sums, row * S * L::WIDTH);
        store(kernel.value(old, new, origin, latest), values, row * L::WIDTH, window * L::WIDTH);
        latest = load(&columns, row * pitch + 1);
        new = kernel.add_new(new, origin, latest);
    }
}

/// Numbers from one dealt row to the next: a column more than there are lanes, and whole registers.
#[inline(always)]
fn pitch<L: Lanes>() -> usize {
    L::WIDTH + L::SQUARE
}

/// The rows of a single series, plane by plane in `to`.
#[inline(always)]
fn make_rows<'a, L: Lanes, A: Rows<I, R>, const I: usize, const R: usize>(
    inputs: [&[f64]; I],
    steps: usize,
    to: &'a mut [f64],
) -> [&'a [f64]; R] {
    let mut at = 0;
    while at + L::WIDTH <= steps {
        let row = A::row::<L>(load(&inputs, at), load(&inputs, at + A::LAG));
        for (plane, lanes) in row.into_iter().enumerate() {
            lanes.store(to, plane * steps + at);
        }
        at += L::WIDTH;
    }
    for at in at..steps {
        let row = A::row::<f64>(load(&inputs, at), load(&inputs, at + A::LAG));
        for (plane, value) in row.into_iter().enumerate() {
            to[plane * steps + at] = value;
        }
    }
    let mut rows: [&[f64]; R] = [&[]; R];
    for (row, plane) in rows.iter_mut().zip(to.chunks_exact(steps.max(1))) {
        *row = plane;
    }
    rows
}

/// Puts blocks of a series from `start` on into columns, one more than there are lanes.
#[inline(always)]
fn deal<L: Lanes, const R: usize>(
    rows: &[&[f64]; R],
    start: usize,
    window: usize,
    dealt: &mut [f64],
) {
    let pitch = pitch::<L>();
    for (series, dealt) in rows.iter().zip(dealt.chunks_exact_mut(window * pitch)) {
        for block in 0..=L::WIDTH {
            let from = &series[start + block * window..];
            let to = &mut dealt[block..];
            if window < L::SQUARE || block == L::WIDTH {
                for row in 0..window {
                    to[row * pitch] = from[row];
                }
            } else if block % L::SQUARE == 0 {
                for row in squares(window, L::SQUARE) {
                    L::turn(&from[row..], window, &mut to[row * pitch..], pitch);
                }
            }
        }
    }
}

/// Puts the values of every lane's windows back in order of time, the first one at `start`.
#[inline(always)]
fn collect<L: Lanes, const O: usize>(
    values: &[f64],
    window: usize,
    outputs: &mut [&mut [f64]; O],
    start: usize,
) {
    let values = values.chunks_exact(window * L::WIDTH);
    for (output, values) in outputs.iter_mut().zip(values) {
        for lane in 0..L::WIDTH {
            let from = &values[lane..];
            let to = &mut output[start + lane * window..];
            if window < L::SQUARE {
                for row in 0..window {
                    to[row] = from[row * L::WIDTH];
                }
            } else if lane % L::SQUARE == 0 {
                for row in squares(window, L::SQUARE) {
                    L::turn(&from[row * L::WIDTH..], L::WIDTH, &mut to[row..], window);
                }
            }
        }
    }
}

/// Starts of squares that cover `window` rows; the last one overlaps where they do not fit evenly.
#[inline(always)]
fn squares(window: usize, side: usize) -> impl Iterator<Item = usize> {
    (0..window).step_by(side).map(move |row| row.min(window - side))
}

#[inline(always)]
fn load<L: Lanes, const I: usize>(planes: &[&[f64]; I], at: usize) -> [L; I] {
    let mut row = [L::splat(0.0); I];
    for (lanes, plane) in row.iter_mut().zip(planes) {
        *lanes = L::load(plane, at);
    }
    row
}

#[inline(always)]
fn put<L: Lanes, const O: usize>(row: [L; O], planes: &mut [&mut [f64]; O], at: usize) {
    for (lanes, plane) in row.into_iter().zip(planes) {
        lanes.store(plane, at);
    }
}

#[inline(always)]
fn load_row<L: Lanes, const N: usize>(from: &[f64], at: usize) -> [L; N] {
    let mut row = [L::splat(0.0); N];
    for (place, lanes) in row.iter_mut().enumerate() {
        *lanes = L::load(from, at + place * L::WIDTH);
    }
    row
}

#[inline(always)]
fn store<L: Lanes, const N: usize>(row: [L; N], to: &mut [f64], at: usize, apart: usize) {
    for (place, lanes) in row.into_iter().enumerate() {
        lanes.store(to, at + place * apart);
    }
}
