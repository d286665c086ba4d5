//! The meaning: one series after the other, one step after the other.

use super::batch::Twin;
use super::kernel::Shape;
use super::recurrence::{self, Recurrence};
use super::rolling::{self, Planes, Rolling, Room, Rows};

/// One lane.
pub(super) struct Plain;

impl Twin for Plain {
    fn rolling<A, K, const I: usize, const R: usize, const S: usize, const O: usize>(
        kernel: &K,
        mut planes: Planes<I, O>,
        room: &mut Room,
    ) where
        A: Rows<I, R>,
        K: Rolling<R, S, O>,
    {
        rolling::neighbours::<f64, A, K, I, R, S, O>(kernel, &mut planes, room, 0);
    }

    fn recurrence<K, const I: usize, const S: usize, const O: usize>(
        kernel: &K,
        shape: Shape,
        inputs: [&[f64]; I],
        outputs: &mut [&mut [f64]; O],
    ) where
        K: Recurrence<I, S, O>,
    {
        recurrence::neighbours::<f64, K, I, S, O>(kernel, shape, inputs, outputs, 0);
    }
}
