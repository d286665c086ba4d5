//! The speed: eight neighbouring series at a time, then four, then one by one. A series that is alone
//! gives its lanes to eight blocks of its own time (rolling indicators) or walks alone (recurrences).
#![allow(unsafe_code, reason = "functions with a target feature; `Batch` has seen the CPU's")]

use super::batch::Twin;
use super::kernel::Shape;
use super::recurrence::{self, Recurrence};
use super::rolling::{self, Planes, Rolling, Room, Rows};
use crate::compute::lanes::avx2::{Octet, Quad};

/// Eight lanes; only a `Batch` that has seen the CPU's features runs it.
pub(super) struct Wide;

impl Twin for Wide {
    fn rolling<A, K, const I: usize, const R: usize, const S: usize, const O: usize>(
        kernel: &K,
        planes: Planes<I, O>,
        room: &mut Room,
    ) where
        A: Rows<I, R>,
        K: Rolling<R, S, O>,
    {
        // SAFETY: `Batch::new` keeps `Simd::Avx2` only where the CPU has AVX2.
        unsafe { rolling_wide::<A, K, I, R, S, O>(kernel, planes, room) }
    }

    fn recurrence<K, const I: usize, const S: usize, const O: usize>(
        kernel: &K,
        shape: Shape,
        inputs: [&[f64]; I],
        outputs: &mut [&mut [f64]; O],
    ) where
        K: Recurrence<I, S, O>,
    {
        // SAFETY: `Batch::new` keeps `Simd::Avx2` only where the CPU has AVX2.
        unsafe { recurrence_wide(kernel, shape, inputs, outputs) }
    }
}

/// # Safety
/// The CPU must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn rolling_wide<A, K, const I: usize, const R: usize, const S: usize, const O: usize>(
    kernel: &K,
    mut planes: Planes<I, O>,
    room: &mut Room,
) where
    A: Rows<I, R>,
    K: Rolling<R, S, O>,
{
    if planes.shape.series == 1 {
        return rolling::alone::<Octet, A, K, I, R, S, O>(kernel, &mut planes, room);
    }
    let next = rolling::neighbours::<Octet, A, K, I, R, S, O>(kernel, &mut planes, room, 0);
    let next = rolling::neighbours::<Quad, A, K, I, R, S, O>(kernel, &mut planes, room, next);
    rolling::neighbours::<f64, A, K, I, R, S, O>(kernel, &mut planes, room, next);
}

/// # Safety
/// The CPU must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn recurrence_wide<K, const I: usize, const S: usize, const O: usize>(
    kernel: &K,
    shape: Shape,
    inputs: [&[f64]; I],
    outputs: &mut [&mut [f64]; O],
) where
    K: Recurrence<I, S, O>,
{
    let next = recurrence::neighbours::<Octet, K, I, S, O>(kernel, shape, inputs, outputs, 0);
    let next = recurrence::neighbours::<Quad, K, I, S, O>(kernel, shape, inputs, outputs, next);
    recurrence::neighbours::<f64, K, I, S, O>(kernel, shape, inputs, outputs, next);
}
