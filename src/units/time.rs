//! Two clocks that never mix: monotonic `Nanos` of this boot, wall `UnixNanos` of the world.

use bytemuck::{Pod, Zeroable};

/// Monotonic nanoseconds of this boot; meaningless on another machine or after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Nanos(pub u64);

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct UnixNanos(pub u64);

impl Nanos {
    /// One second.
    pub const SECOND: Nanos = Nanos(1_000_000_000);

    /// Time since `earlier`; zero when `earlier` lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` plus a span, saturating at the end of time.
    #[must_use]
    pub const fn plus(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(span.0))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Nanos {
        Nanos(millis.saturating_mul(1_000_000))
    }
}

impl UnixNanos {
    /// A wall time given in whole milliseconds, as venues send it.
    #[must_use]
    pub const fn from_millis(millis: u64) -> UnixNanos {
        UnixNanos(millis.saturating_mul(1_000_000))
    }
}
