//! Sixteen paths at a time.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::Paths;
use super::formula::{self, Layout};
use crate::compute::device::crew::Room;
use crate::compute::reduce::BLOCK;
use crate::compute::singles::Singles;
use crate::compute::singles::avx2::Sixteen;

pub(super) fn block(job: &Paths, first_path: u64, room: &mut Room, to: &mut [f32]) {
    let room = room.take(Layout::length(job) * Sixteen::WIDTH);
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(job, first_path, room, to) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(job: &Paths, first_path: u64, room: &mut [f32], to: &mut [f32]) {
    formula::block::<Sixteen>(job, first_path, room, to, BLOCK);
}
