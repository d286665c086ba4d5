//! Requests under way: what was asked, by whom, and which reports answer it.

use crate::host::net::ConnId;
use crate::lab::exchange::ClientId;
use crate::lab::exchange::wire::answers::OrderFacts;
use crate::record::{ExecutionKind, ExecutionReport, Intent, OrderAction};
use crate::units::Nanos;

/// How an answer goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Over the order API, with this id (JSON).
    Web(String),
    /// As a REST response.
    Rest,
}

/// One request that the exchange has.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) conn: ConnId,
    pub(super) reply: Reply,
    pub(super) client: ClientId,
    pub(super) intent: Intent,
    /// When its reports leave the exchange, market time.
    pub(super) due: Nanos,
    /// Orders that it withdrew so far.
    pub(super) withdrawn: Vec<(ExecutionReport, Option<OrderFacts>)>,
}

/// What a report is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearing {
    /// Nothing.
    None,
    /// One order withdrawn, more to come.
    Withdrawn,
    /// Done.
    Done,
    /// Refused.
    Refused,
}

impl Pending {
    /// What a report of the same client is to this request.
    pub(super) fn bearing(&self, report: &ExecutionReport) -> Bearing {
        let intent = &self.intent;
        if intent.instrument != report.instrument {
            return Bearing::None;
        }
        let (own, replaced) = (report.order == intent.order, report.order == intent.replaces);
        let in_place = intent.order == intent.replaces;
        match (intent.action, report.kind) {
            (OrderAction::Place, ExecutionKind::Acknowledged) if own => Bearing::Done,
            (OrderAction::Place, ExecutionKind::Rejected) if own => Bearing::Refused,
            (OrderAction::Cancel, ExecutionKind::Cancelled) if own => Bearing::Done,
            (OrderAction::Cancel, ExecutionKind::CancelRejected) if own => Bearing::Refused,
            (OrderAction::Replace, ExecutionKind::Replaced | ExecutionKind::Cancelled)
                if in_place && own =>
            {
                Bearing::Done
            }
            (OrderAction::Replace, ExecutionKind::CancelRejected) if in_place && own => {
                Bearing::Refused
            }
            (OrderAction::Replace, ExecutionKind::Cancelled) if replaced => Bearing::Withdrawn,
            (OrderAction::Replace, ExecutionKind::Acknowledged) if own && !in_place => {
                Bearing::Done
            }
            // The refused cancel before it says nothing more.
            (OrderAction::Replace, ExecutionKind::Rejected) if own && !in_place => Bearing::Refused,
            (OrderAction::CancelAll, ExecutionKind::Cancelled) => Bearing::Withdrawn,
            _ => Bearing::None,
        }
    }
}
