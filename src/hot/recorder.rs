//! Where a lane's inputs and judgements go before their consequences leave: the journal's side of the
//! hot lane, as a trait.
//!
//! Invariants: an input that finds no room is not consumed; a judgement always finds the room that its
//! input made sure of. Deliberately absent: the ring and the bytes (`record`, `host`), the disk.

use crate::record::{Command, Input, Judgement, Stamp};

/// How much of the room an input may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// What is left beside the reserves.
    Ordinary,
    /// The first reserve too: what the venue says of orders, the loss of a link.
    Urgent,
    /// Everything: the halt that a full recorder leads to.
    Last,
}

impl Urgency {
    /// What an input may use.
    #[must_use]
    pub fn of(input: &Input<'_>) -> Urgency {
        match input {
            Input::Command(Command::Halt | Command::Flatten, _) => Urgency::Last,
            Input::Execution(_) | Input::Link(..) | Input::Command(..) => Urgency::Urgent,
            _ => Urgency::Ordinary,
        }
    }
}

/// Takes what a lane lives by.
pub trait Recorder {
    /// Whether there is room for the input and for every judgement it may lead to.
    fn has_room(&mut self, input: &Input<'_>) -> bool;
    /// Takes an input that had room.
    fn input(&mut self, stamp: Stamp, input: &Input<'_>);
    /// Takes what the gate said because of the last input.
    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement);
    /// Whether anybody listens.
    fn listens(&self) -> bool {
        true
    }
}

/// Nobody listens: replay, benches, and lanes that are told to keep no journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrecorded;

impl Recorder for Unrecorded {
    #[inline]
    fn has_room(&mut self, _: &Input<'_>) -> bool {
        true
    }
    #[inline]
    fn input(&mut self, _: Stamp, _: &Input<'_>) {}
    #[inline]
    fn judgement(&mut self, _: Stamp, _: &Judgement) {}
    #[inline]
    fn listens(&self) -> bool {
        false
    }
}
