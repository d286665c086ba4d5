//! Faults, planned and armed: what goes wrong at which frame, event, answer or request.
//!
//! A plan is texts such as `torn@500`: frames, diffs and requests are counted from 1 over the whole
//! run, so a plan does the same thing every time. The simulator arms faults instead, which strike
//! whatever comes next. A market fault strikes every client that the frame goes to.

use std::collections::VecDeque;
use std::str::FromStr;

/// Faults of one sort that may be armed at a time; further ones are forgotten.
const ARMED_MAX: usize = 4_096;

/// Something that goes wrong once its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `drop@N`: market connections close after frame N.
    Drop {
        /// Frame.
        at: u64,
    },
    /// `torn@N`: frame N is cut in the middle and the connection closes.
    Torn {
        /// Frame.
        at: u64,
    },
    /// `garbage@N`: something that is no JSON takes the place of frame N.
    Garbage {
        /// Frame.
        at: u64,
    },
    /// `gap@N`: diff N is not sent.
    Gap {
        /// Diff.
        at: u64,
    },
    /// `swap@N`: diff N is sent after the next diff of its instrument.
    Swap {
        /// Diff.
        at: u64,
    },
    /// `delay@N:MS`: from frame N on nothing leaves market connections for MS milliseconds.
    Delay {
        /// Frame.
        at: u64,
        /// For how long.
        millis: u64,
    },
    /// `reject@N:COUNT:CODE`: orders N to N + COUNT - 1 are refused with CODE.
    Reject {
        /// Order request.
        at: u64,
        /// How many.
        count: u64,
        /// The venue's code.
        code: i32,
    },
    /// `mute@N[:COUNT]`: order requests from N on are neither carried out nor answered.
    Mute {
        /// Order request.
        at: u64,
        /// How many.
        count: u64,
    },
    /// `unsure@N[:COUNT]`: order requests from N on are carried out, and answered with -1007: execution
    /// status unknown.
    Unsure {
        /// Order request.
        at: u64,
        /// How many.
        count: u64,
    },
    /// `drop-orders@N`: the connection of order request N closes, the request not carried out.
    DropOrders {
        /// Order request.
        at: u64,
    },
}

/// A text that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no fault; one of drop@N, torn@N, garbage@N, gap@N, swap@N, delay@N:MS, \
     reject@N:COUNT:CODE, mute@N[:COUNT], unsure@N[:COUNT], drop-orders@N, with N from 1"
)]
pub struct FaultError {
    text: String,
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Fault, FaultError> {
        parse(text).ok_or_else(|| FaultError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, rest) = text.split_once('@')?;
    let parts: Vec<&str> = rest.split(':').collect();
    let at = parts.first()?.parse().ok().filter(|at| *at > 0)?;
    let whole = |index: usize| parts.get(index).and_then(|part| part.parse::<u64>().ok());
    let (fault, used) = match kind {
        "drop" => (Fault::Drop { at }, 1),
        "torn" => (Fault::Torn { at }, 1),
        "garbage" => (Fault::Garbage { at }, 1),
        "gap" => (Fault::Gap { at }, 1),
        "swap" => (Fault::Swap { at }, 1),
        "drop-orders" => (Fault::DropOrders { at }, 1),
        "delay" => (Fault::Delay { at, millis: whole(1)? }, 2),
        "mute" if parts.len() == 1 => (Fault::Mute { at, count: u64::MAX }, 1),
        "mute" => (Fault::Mute { at, count: whole(1)? }, 2),
        "unsure" if parts.len() == 1 => (Fault::Unsure { at, count: u64::MAX }, 1),
        "unsure" => (Fault::Unsure { at, count: whole(1)? }, 2),
        "reject" => {
            let code = parts.get(2)?.parse().ok().filter(|code: &i32| *code < 0)?;
            (Fault::Reject { at, count: whole(1)?, code }, 3)
        }
        _ => return None,
    };
    (parts.len() == used).then_some(fault)
}

/// What a fault does to one market frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// The connection closes after it.
    DropAfter,
    /// It is cut in the middle and the connection closes.
    Torn,
    /// Something that is no JSON takes its place.
    Garbage,
    /// It is not sent.
    Skip,
    /// A diff is sent after the next diff of its instrument; anything else is sent as it is.
    Hold,
    /// From it on nothing leaves for so many milliseconds.
    Delay(u64),
    /// It is sent twice.
    Repeat,
    /// It alone is sent so many milliseconds later.
    Late(u64),
}

/// What a fault does to one order request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// It is refused with this code.
    Reject(i32),
    /// It is neither carried out nor answered.
    Mute,
    /// It is carried out, and answered with -1007: execution status unknown.
    Unsure,
    /// It is not carried out, and answered with -1007 all the same.
    Lost,
    /// Its connection closes, the request not carried out.
    Drop,
}

/// What a fault does to one event of a user-data stream, or to one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFault {
    /// It is not sent.
    Lose,
    /// It is sent twice (an answer over REST only once).
    Repeat,
    /// It is sent after the next one of its sort (an answer over REST at once).
    Hold,
    /// It is sent so many milliseconds later.
    Late(u64),
}

/// The plan and how far it has come, and what is armed.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    plan: Vec<Fault>,
    frames: u64,
    diffs: u64,
    requests: u64,
    armed_frames: VecDeque<FrameFault>,
    armed_diffs: VecDeque<FrameFault>,
    armed_requests: VecDeque<RequestFault>,
    armed_events: VecDeque<MessageFault>,
    armed_answers: VecDeque<MessageFault>,
}

fn arm<F: Copy>(queue: &mut VecDeque<F>, fault: F, count: u64) {
    let room = ARMED_MAX.saturating_sub(queue.len()) as u64;
    queue.extend((0..count.min(room)).map(|_| fault));
}

impl Faults {
    pub(super) fn new(plan: &[Fault]) -> Faults {
        Faults { plan: plan.to_vec(), ..Faults::default() }
    }

    /// The next `count` market frames (diffs, where `diffs` says so) are struck.
    pub(super) fn arm_frames(&mut self, fault: FrameFault, diffs: bool, count: u64) {
        arm(if diffs { &mut self.armed_diffs } else { &mut self.armed_frames }, fault, count);
    }

    /// The next `count` order requests are struck.
    pub(super) fn arm_requests(&mut self, fault: RequestFault, count: u64) {
        arm(&mut self.armed_requests, fault, count);
    }

    /// The next `count` events of user-data streams are struck.
    pub(super) fn arm_events(&mut self, fault: MessageFault, count: u64) {
        arm(&mut self.armed_events, fault, count);
    }

    /// The next `count` answers are struck.
    pub(super) fn arm_answers(&mut self, fault: MessageFault, count: u64) {
        arm(&mut self.armed_answers, fault, count);
    }

    /// Forgets what is armed and has not struck.
    pub(super) fn disarm(&mut self) {
        self.armed_frames.clear();
        self.armed_diffs.clear();
        self.armed_requests.clear();
        self.armed_events.clear();
        self.armed_answers.clear();
    }

    /// Whether an event of a user-data stream is struck.
    pub(super) fn event(&mut self) -> Option<MessageFault> {
        self.armed_events.pop_front()
    }

    /// Whether an answer is struck.
    pub(super) fn answer(&mut self) -> Option<MessageFault> {
        self.armed_answers.pop_front()
    }

    /// Counts a market frame that somebody gets.
    pub(super) fn frame(&mut self, is_diff: bool) -> Option<FrameFault> {
        self.frames += 1;
        self.diffs += u64::from(is_diff);
        let armed = if is_diff { self.armed_diffs.pop_front() } else { None };
        if let Some(fault) = armed.or_else(|| self.armed_frames.pop_front()) {
            return Some(fault);
        }
        let (frame, diff) = (self.frames, self.diffs);
        self.plan.iter().find_map(|fault| match *fault {
            Fault::Drop { at } if at == frame => Some(FrameFault::DropAfter),
            Fault::Torn { at } if at == frame => Some(FrameFault::Torn),
            Fault::Garbage { at } if at == frame => Some(FrameFault::Garbage),
            Fault::Delay { at, millis } if at == frame => Some(FrameFault::Delay(millis)),
            Fault::Gap { at } if is_diff && at == diff => Some(FrameFault::Skip),
            Fault::Swap { at } if is_diff && at == diff => Some(FrameFault::Hold),
            _ => None,
        })
    }

    /// Counts an order request.
    pub(super) fn request(&mut self) -> Option<RequestFault> {
        self.requests += 1;
        if let Some(fault) = self.armed_requests.pop_front() {
            return Some(fault);
        }
        let request = self.requests;
        let within = |at: u64, count: u64| request >= at && request - at < count;
        self.plan.iter().find_map(|fault| match *fault {
            Fault::Reject { at, count, code } if within(at, count) => {
                Some(RequestFault::Reject(code))
            }
            Fault::Mute { at, count } if within(at, count) => Some(RequestFault::Mute),
            Fault::Unsure { at, count } if within(at, count) => Some(RequestFault::Unsure),
            Fault::DropOrders { at } if at == request => Some(RequestFault::Drop),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_faults() {
        let good = [
            ("drop@7", Fault::Drop { at: 7 }),
            ("delay@3:250", Fault::Delay { at: 3, millis: 250 }),
            ("mute@2", Fault::Mute { at: 2, count: u64::MAX }),
            ("mute@2:4", Fault::Mute { at: 2, count: 4 }),
            ("unsure@2:4", Fault::Unsure { at: 2, count: 4 }),
            ("reject@1:3:-2010", Fault::Reject { at: 1, count: 3, code: -2010 }),
        ];
        for (text, fault) in good {
            assert_eq!(text.parse(), Ok(fault));
        }
        for bad in ["", "drop", "drop@0", "drop@x", "drop@1:2", "reject@1:2:5", "delay@1", "x@1"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plan_strikes_once_and_in_its_place() {
        let plan = ["gap@2", "garbage@3", "reject@2:2:-1013"].map(|text| text.parse().unwrap());
        let mut faults = Faults::new(&plan);
        let frames: Vec<_> = [true, false, false, true, true].map(|diff| faults.frame(diff)).into();
        let expected = [None, None, Some(FrameFault::Garbage), Some(FrameFault::Skip), None];
        assert_eq!(frames, expected);
        let requests: Vec<_> = (0..4).map(|_| faults.request()).collect();
        let reject = Some(RequestFault::Reject(-1013));
        assert_eq!(requests, [None, reject, reject, None]);
    }
}
