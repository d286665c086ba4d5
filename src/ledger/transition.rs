//! The state table of an order, in one function.
//!
//! | state | ack | reject | part fill | last fill | cancel sent | cancel rejected | cancelled | expired | replaced | lost |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | Pending | Open | Rejected | Partly | Filled | CancelPending | Pending | Cancelled | Expired | Open | Unknown |
//! | Open | Open | – | Partly | Filled | CancelPending | Open | Cancelled | Expired | Open | Unknown |
//! | Partly | Partly | – | Partly | Filled | CancelPending | Partly | Cancelled | Expired | Partly | Unknown |
//! | CancelPending | same | Rejected | same | Filled | same | Open | Cancelled | Expired | same | Unknown |
//! | Unknown | Open | Rejected | Partly | Filled | CancelPending | Unknown | Cancelled | Expired | Open | Unknown |
//! | over | same | same | same | same | – | same | same | same | same | same |
//!
//! A late fill of a cancelled order is normal: the money moves, the state stays.

use crate::record::OrderState;

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderEvent {
    /// The venue took it.
    Acknowledged,
    /// The venue refused it.
    Rejected,
    /// A fill that leaves a rest.
    PartFill,
    /// The fill of the last lot.
    LastFill,
    /// We sent a cancel.
    CancelSent,
    /// The venue refused a cancel or change.
    CancelRejected,
    /// It was cancelled.
    Cancelled,
    /// It expired.
    Expired,
    /// A change in place took effect.
    Replaced,
    /// The connection that carried it was lost.
    ConnectionLost,
}

impl OrderEvent {
    /// Every event, for tests of the whole table.
    pub const ALL: [OrderEvent; 10] = [
        OrderEvent::Acknowledged,
        OrderEvent::Rejected,
        OrderEvent::PartFill,
        OrderEvent::LastFill,
        OrderEvent::CancelSent,
        OrderEvent::CancelRejected,
        OrderEvent::Cancelled,
        OrderEvent::Expired,
        OrderEvent::Replaced,
        OrderEvent::ConnectionLost,
    ];
}

/// An event that the state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state:?} cannot see {event:?}")]
pub struct BadTransition {
    /// State before.
    pub state: OrderState,
    /// The event.
    pub event: OrderEvent,
}

/// State after `event`.
///
/// # Errors
/// The entries marked – in the table.
pub const fn transition(state: OrderState, event: OrderEvent) -> Result<OrderState, BadTransition> {
    use OrderEvent as E;
    use OrderState as S;
    let bad = Err(BadTransition { state, event });
    match (state, event) {
        (S::Filled | S::Cancelled | S::Rejected | S::Expired, E::CancelSent) => bad,
        (S::Filled | S::Cancelled | S::Rejected | S::Expired, _) => Ok(state),

        (_, E::LastFill) => Ok(S::Filled),
        (_, E::Cancelled) => Ok(S::Cancelled),
        (_, E::Expired) => Ok(S::Expired),
        (_, E::ConnectionLost) => Ok(S::Unknown),
        (_, E::CancelSent) => Ok(S::CancelPending),

        (S::Pending | S::Unknown, E::Acknowledged | E::Replaced) => Ok(S::Open),
        (_, E::Acknowledged | E::Replaced) => Ok(state),

        (S::Open | S::PartlyFilled, E::Rejected) => bad,
        (_, E::Rejected) => Ok(S::Rejected),

        (S::CancelPending, E::PartFill) => Ok(S::CancelPending),
        (_, E::PartFill) => Ok(S::PartlyFilled),

        (S::CancelPending, E::CancelRejected) => Ok(S::Open),
        (_, E::CancelRejected) => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OrderState as S;

    const STATES: [OrderState; 9] = [
        S::Pending,
        S::Open,
        S::PartlyFilled,
        S::CancelPending,
        S::Unknown,
        S::Filled,
        S::Cancelled,
        S::Rejected,
        S::Expired,
    ];

    /// The documented table, row by row; `None` marks a contradiction.
    fn table(state: OrderState) -> [Option<OrderState>; 10] {
        let same = Some(state);
        let (open, partly) = (Some(S::Open), Some(S::PartlyFilled));
        let (filled, pending) = (Some(S::Filled), Some(S::CancelPending));
        let (cancelled, expired) = (Some(S::Cancelled), Some(S::Expired));
        let (rejected, unknown) = (Some(S::Rejected), Some(S::Unknown));
        match state {
            S::Pending => {
                [open, rejected, partly, filled, pending, same, cancelled, expired, open, unknown]
            }
            S::Open => {
                [open, None, partly, filled, pending, same, cancelled, expired, open, unknown]
            }
            S::PartlyFilled => {
                [same, None, same, filled, pending, same, cancelled, expired, same, unknown]
            }
            S::CancelPending => {
                [same, rejected, same, filled, same, open, cancelled, expired, same, unknown]
            }
            S::Unknown => {
                [open, rejected, partly, filled, pending, same, cancelled, expired, open, unknown]
            }
            _ => [same, same, same, same, None, same, same, same, same, same],
        }
    }

    #[test]
    fn the_function_is_the_documented_table() {
        for state in STATES {
            for (event, expected) in OrderEvent::ALL.into_iter().zip(table(state)) {
                assert_eq!(transition(state, event).ok(), expected, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn over_is_over() {
        for state in [S::Filled, S::Cancelled, S::Rejected, S::Expired] {
            for event in OrderEvent::ALL {
                assert!(
                    transition(state, event).is_ok_and(|after| !after.is_working())
                        || event == OrderEvent::CancelSent
                );
            }
        }
    }
}
