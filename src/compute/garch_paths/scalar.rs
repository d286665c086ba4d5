//! The meaning: one path after the other.

use super::Paths;
use super::formula::{self, Layout};
use crate::compute::device::crew::Room;
use crate::compute::reduce::BLOCK;

pub(super) fn block(job: &Paths, first_path: u64, room: &mut Room, to: &mut [f32]) {
    let room = room.take(Layout::length(job));
    formula::block::<f32>(job, first_path, room, to, BLOCK);
}
