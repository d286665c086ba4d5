//! Numbers that begin at a cache line, so that no register's load crosses one.

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

/// Bytes of a cache line.
const LINE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// A vector of numbers on cache lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aligned<T> {
    lines: Vec<Line>,
    length: usize,
    of: std::marker::PhantomData<T>,
}

impl<T: Pod> Aligned<T> {
    pub fn new(numbers: &[T]) -> Aligned<T> {
        let mut lines = vec![Line([0; LINE]); size_of_val(numbers).div_ceil(LINE)];
        cast_slice_mut::<Line, T>(&mut lines)[..numbers.len()].copy_from_slice(numbers);
        Aligned { lines, length: numbers.len(), of: std::marker::PhantomData }
    }

    pub fn numbers(&self) -> &[T] {
        &cast_slice::<Line, T>(&self.lines)[..self.length]
    }
}
