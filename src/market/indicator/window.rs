//! The last w rows and S sums over them, renewed every w updates.

/// A ring of rows of `R` numbers with running sums of `S` terms a row.
///
/// Terms are relative to an origin near the data, so that squares of prices near 60 000 do not drown
/// their variance. Invariant: once full, `running` is the sum of the window's terms about `origin`.
#[derive(Clone, Debug)]
pub(super) struct Window<const R: usize, const S: usize> {
    rows: Box<[[f64; R]]>,
    /// Where the next row goes, `0..rows.len()`; the oldest row stands there once full.
    next: usize,
    full: bool,
    origin: f64,
    running: [f64; S],
    /// Origin of `fresh`; it becomes `origin` when `fresh` becomes `running`.
    fresh_origin: f64,
    /// Sum of the terms of rows `0..next`, started from nothing when `next` was last 0.
    fresh: [f64; S],
}

/// What a row adds to the sums.
pub(super) trait Terms<const R: usize, const S: usize> {
    /// Terms of a row about an origin.
    fn terms(row: [f64; R], origin: f64) -> [f64; S];
}

impl<const R: usize, const S: usize> Window<R, S> {
    /// An empty window of `len` rows, at least one.
    pub(super) fn new(len: usize) -> Window<R, S> {
        Window {
            rows: vec![[0.0; R]; len].into_boxed_slice(),
            next: 0,
            full: false,
            origin: 0.0,
            running: [0.0; S],
            fresh_origin: 0.0,
            fresh: [0.0; S],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row in; the first number of a row serves as origin.
    #[inline]
    pub(super) fn push<T: Terms<R, S>>(&mut self, row: [f64; R]) {
        let place = &mut self.rows[self.next];
        if self.full {
            let (gone, come) = (T::terms(*place, self.origin), T::terms(row, self.origin));
            for ((sum, gone), come) in self.running.iter_mut().zip(gone).zip(come) {
                *sum += come - gone;
            }
        } else if self.next == 0 {
            self.fresh_origin = row[0];
        }
        *place = row;
        for (sum, term) in self.fresh.iter_mut().zip(T::terms(row, self.fresh_origin)) {
            *sum += term;
        }
        self.next += 1;
        if self.next == self.rows.len() {
            (self.origin, self.running) = (self.fresh_origin, self.fresh);
            (self.fresh_origin, self.fresh) = (row[0], [0.0; S]);
            (self.next, self.full) = (0, true);
        }
    }

    /// Origin and sums, once the window is full.
    #[inline]
    pub(super) fn sums(&self) -> Option<(f64, [f64; S])> {
        self.full.then_some((self.origin, self.running))
    }
}
