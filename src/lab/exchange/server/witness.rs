//! What the exchange received and did, as it did it: for whoever judges a client by the venue's books.
//!
//! Faults on the way to and from the clients do not touch what is told here.

use super::turn::House;
use crate::lab::exchange::ClientId;
use crate::record::{DepthSnapshot, ExecutionReport, Intent};
use crate::units::{Currency, InstrumentId, Lots, Money};

/// Levels a side that a judge may ask for: all of them.
const DEPTH: usize = 100_000;

/// Something that happened at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessed {
    /// A request reached the exchange.
    Received(ClientId, Intent),
    /// The exchange reports.
    Reported(ClientId, ExecutionReport),
    /// A rate limit refused a request, with this code.
    Limited(i32),
}

impl House {
    /// From now on what happens is kept for `take_witnessed`.
    pub fn keep_witness(&mut self) {
        self.venue.floor.witnessed = Some(Vec::new());
    }

    /// What happened since the last call, in order.
    pub fn take_witnessed(&mut self, on: &mut dyn FnMut(Witnessed)) {
        if let Some(all) = &mut self.venue.floor.witnessed {
            all.drain(..).for_each(on);
        }
    }

    /// The true book of an instrument.
    #[must_use]
    pub fn book(&mut self, instrument: InstrumentId) -> Option<DepthSnapshot<'_>> {
        self.venue.exchange.snapshot(instrument, DEPTH)
    }

    /// What the engine of the exchange has as a client's position.
    #[must_use]
    pub fn position(&self, client: ClientId, instrument: InstrumentId) -> Lots {
        self.venue.exchange.position(client, instrument)
    }

    /// What the account answers say a client holds.
    #[must_use]
    pub fn holdings(&mut self, client: ClientId) -> Vec<(Currency, Money)> {
        let floor = &mut self.venue.floor;
        let Some(account) = floor.accounts.get(client) else { return Vec::new() };
        let all = account.holdings(&floor.instruments);
        all.into_iter().map(|holding| (holding.asset, holding.amount)).collect()
    }
}
