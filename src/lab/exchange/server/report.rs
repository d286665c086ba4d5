//! What the venue did, for whoever started it.

use serde::Serialize;
use std::collections::BTreeMap;

/// Closings that are told one by one.
const CLOSINGS_MAX: usize = 64;

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServerReport {
    /// How long it ran.
    pub seconds: f64,
    /// Connections accepted.
    pub connections: u64,
    /// Most connections at a time.
    pub connections_max: u64,
    /// Market frames of the exchange.
    pub market_frames: u64,
    /// Market frames sent, each client's counted.
    pub frames_sent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Whether the captures have ended.
    pub capture_ended: bool,
    /// Captured frames of symbols that are not listed.
    pub capture_foreign: u64,
    /// Captured frames that no decoder reads; sent as they are.
    pub capture_unreadable: u64,
    /// Requests of the order API by what they asked.
    pub requests: BTreeMap<&'static str, u64>,
    /// REST requests by what they asked.
    pub rest: BTreeMap<&'static str, u64>,
    /// Refusals by the venue's code.
    pub refused: BTreeMap<i32, u64>,
    /// Execution reports by kind.
    pub executions: BTreeMap<&'static str, u64>,
    /// Events of user-data streams sent.
    pub events_sent: u64,
    /// Times the dead man's switch fired.
    pub dead_man_fired: u64,
    /// Planned faults that struck.
    pub faults: u64,
    /// Clients disconnected because they read too slowly.
    pub slow_clients: u64,
    /// Why connections ended, the first 64.
    pub closings: Vec<String>,
    /// Accounts as they stand at the end.
    pub accounts: Vec<AccountReport>,
}

/// An account by the venue's own books.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccountReport {
    /// Signed position by symbol, in units of the lot's decimal.
    pub positions: BTreeMap<String, String>,
    /// Minus what was bought plus what was sold, fees apart, by symbol.
    pub cash: BTreeMap<String, String>,
    /// Fees by currency.
    pub fees: BTreeMap<String, String>,
    /// Balances by asset.
    pub balances: BTreeMap<String, String>,
    /// Orders that still work.
    pub open_orders: u64,
}

impl ServerReport {
    pub(super) fn close(&mut self, why: String) {
        if self.closings.len() < CLOSINGS_MAX {
            self.closings.push(why);
        }
    }

    pub(super) fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
        *counts.entry(key).or_insert(0) += 1;
    }
}
