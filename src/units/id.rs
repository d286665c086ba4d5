//! Identities that stand in every record.

use bytemuck::{Pod, Zeroable};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub $inner);
    };
}

id!(/// An instrument: an index into the lane's instrument table.
    InstrumentId(u32));
id!(/// A venue as configured.
    VenueId(u16));
id!(/// A hot lane; owns its instruments, connections and journal stream.
    LaneId(u16));
id!(/// A client order id: epoch in the high 24 bits, a counter below; never reused.
    OrderId(u64));

impl OrderId {
    /// Bits of the counter below the epoch.
    pub const COUNTER_BITS: u32 = 40;

    /// The id with `counter` inside `epoch`.
    #[must_use]
    pub const fn new(epoch: u32, counter: u64) -> OrderId {
        OrderId(
            ((epoch as u64) << Self::COUNTER_BITS) | (counter & ((1 << Self::COUNTER_BITS) - 1)),
        )
    }

    /// The epoch this id belongs to.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> Self::COUNTER_BITS) as u32
    }

    /// The id as a little-endian number inside its epoch.
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.0 & ((1 << Self::COUNTER_BITS) - 1)
    }
}
