//! A recorder that also shows the judge what the gate said: `RingRecorder` with an ear.

use crate::hot::recorder::{Recorder, RingRecorder};
use crate::journal::Health;
use crate::record::{Command, Digest, Input, Judgement, Stamp};
use crate::units::Nanos;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Lines of a tale that are kept.
const TALE_MAX: usize = 4_000;

/// What the gate said, and the number of the record that says so.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The question and the answer.
    pub judgement: Judgement,
    /// Number of its record.
    pub record: u64,
}

/// How the engine's journal stands.
#[derive(Clone, Copy, Debug)]
pub struct Journalled {
    /// The last record that no loss of power can undo.
    pub durable: u64,
    /// Nothing is written any more.
    pub failed: bool,
}

impl Journalled {
    /// By what its writer says.
    #[must_use]
    pub fn of(health: &Health) -> Journalled {
        Journalled { durable: health.durable(), failed: !health.is_fine() }
    }
}

/// Something that the judge is told of.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    /// The gate answered.
    Said(Said),
    /// A command was taken.
    Asked(Command),
    /// A life began.
    Life,
}

/// What was heard since somebody last looked; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ear(Rc<RefCell<Vec<Heard>>>, Tale);

/// What happened, in words, for who looks into a breach; silent unless asked to listen. Clones are the
/// same.
#[derive(Clone, Debug, Default)]
pub struct Tale(Rc<RefCell<Option<VecDeque<String>>>>);

impl Tale {
    /// From now on lines are kept.
    pub fn listen(&self) {
        self.0.borrow_mut().get_or_insert_default();
    }

    /// Adds a line, if anybody listens.
    pub fn add(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = self.0.borrow_mut().as_mut() {
            if lines.len() == TALE_MAX {
                lines.pop_front();
            }
            lines.push_back(line());
        }
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().iter().flatten().cloned().collect()
    }
}

/// The recorder.
pub struct Tap {
    inner: RingRecorder,
    ear: Ear,
}

impl Ear {
    /// What the engine's inputs, verdicts and notes are told to.
    #[must_use]
    pub fn tale(&self) -> &Tale {
        &self.1
    }

    /// Hands over everything that was heard, in order.
    pub fn take(&self, on: &mut dyn FnMut(Heard)) {
        self.0.borrow_mut().drain(..).for_each(on);
    }
}

impl Tap {
    /// Shows `ear` what `inner` records.
    #[must_use]
    pub fn new(inner: RingRecorder, ear: Ear) -> Tap {
        Tap { inner, ear }
    }
}

impl Recorder for Tap {
    fn has_room(&mut self, input: &Input<'_>) -> bool {
        self.inner.has_room(input)
    }

    fn input(&mut self, stamp: Stamp, input: &Input<'_>) {
        if !matches!(input, Input::Market(_) | Input::Timer) {
            self.ear.1.add(|| format!("{:>14} input {input:?}", stamp.received.0));
        }
        match input {
            Input::Command(command, _) => self.ear.0.borrow_mut().push(Heard::Asked(*command)),
            Input::Life(_) => self.ear.0.borrow_mut().push(Heard::Life),
            _ => {}
        }
        self.inner.input(stamp, input);
    }

    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement) {
        self.inner.judgement(stamp, judgement);
        let record = self.inner.pushed();
        self.ear.1.add(|| {
            let (at, verdict) = (stamp.received.0, judgement.verdict);
            format!("{at:>14} gate {verdict:?}: {:?}", judgement.intent)
        });
        self.ear.0.borrow_mut().push(Heard::Said(Said { judgement: *judgement, record }));
    }

    fn digest(&mut self, stamp: Stamp, digest: &Digest) {
        self.inner.digest(stamp, digest);
    }

    fn note(&mut self, at: Nanos, words: &str) {
        self.ear.1.add(|| format!("{:>14} note {words}", at.0));
        self.inner.note(at, words);
    }

    fn end(&mut self, at: Nanos) {
        self.inner.end(at);
    }

    fn is_fine(&self) -> bool {
        self.inner.is_fine()
    }

    fn trouble(&self) -> String {
        self.inner.trouble()
    }

    fn waits(&self) -> bool {
        self.inner.waits()
    }

    fn holds_back(&self) -> bool {
        self.inner.holds_back()
    }
}
