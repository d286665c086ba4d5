//! The diagnosis as data: rows with a verdict, beside the machine and the plan for it.
//!
//! Its JSON is an interface: `checks: [{name, status, found, mend}]`, `topology`, `placement`.

use crate::host::placement::Placement;
use crate::host::topology::Topology;
use serde::Serialize;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As Bot4 wants it.
    Ok,
    /// Bot4 works, slower or with more jitter.
    Warn,
    /// Bot4 does not work or must not be trusted.
    Fail,
    /// The machine does not say.
    Unknown,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name; a dot separates the group, as in `io_uring.napi_busy_poll`.
    pub name: String,
    /// The verdict.
    pub status: Status,
    /// What was found, or why it is unknown.
    pub found: String,
    /// The command that mends it, or advice where no command does; only for what is not ok.
    pub mend: Option<String>,
}

/// Everything the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows, in the order of reading.
    pub checks: Vec<Check>,
    /// The machine; absent when hwloc failed.
    pub topology: Option<Topology>,
    /// Where one lane would run on it.
    pub placement: Option<Placement>,
}

impl Check {
    /// A row that is fine.
    pub(super) fn ok(name: &str, found: impl Into<String>) -> Check {
        Check { name: name.to_owned(), status: Status::Ok, found: found.into(), mend: None }
    }

    /// A row that could be better, and how.
    pub(super) fn warn(name: &str, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { status: Status::Warn, mend: Some(mend.into()), ..Check::ok(name, found) }
    }

    /// A row that must be better, and how.
    pub(super) fn fail(name: &str, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { status: Status::Fail, ..Check::warn(name, found, mend) }
    }

    /// A row without an answer, and why.
    pub(super) fn unknown(name: &str, why: impl ToString) -> Check {
        Check { status: Status::Unknown, ..Check::ok(name, why.to_string()) }
    }
}

impl Status {
    /// As in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
            Status::Unknown => "unknown",
        }
    }
}
