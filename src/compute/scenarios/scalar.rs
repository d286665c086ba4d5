//! The meaning: one scenario after the other.

use super::{Book, formula};
use crate::compute::device::crew::Room;
use crate::compute::garch_paths::Paths;
use crate::compute::garch_paths::formula::Layout;

pub(super) fn block(book: &Book, tile: &[f32], profits: &mut [f32]) {
    formula::block::<f32>(book, tile, profits);
}

pub(super) fn simulate_block(
    job: &Paths,
    book: &Book,
    first_path: u64,
    room: &mut Room,
    profits: &mut [f32],
) {
    let room = room.take(Layout::length(job) + book.factors());
    formula::simulate_block::<f32>(job, book, first_path, room, profits);
}
