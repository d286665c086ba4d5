//! A recorder that also shows the judge what the gate said: `RingRecorder` with an ear.

use crate::hot::recorder::{Recorder, RingRecorder};
use crate::record::{Digest, Input, Judgement, Stamp};
use crate::units::Nanos;
use std::cell::RefCell;
use std::rc::Rc;

/// What the gate said, and the number of the record that says so.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The question and the answer.
    pub judgement: Judgement,
    /// Number of its record.
    pub record: u64,
}

/// What was said since somebody last looked; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ear(Rc<RefCell<Vec<Said>>>);

/// The recorder.
pub struct Tap {
    inner: RingRecorder,
    ear: Ear,
}

impl Ear {
    /// Hands over everything that was said, in order.
    pub fn take(&self, on: &mut dyn FnMut(Said)) {
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
        self.inner.input(stamp, input);
    }

    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement) {
        self.inner.judgement(stamp, judgement);
        let record = self.inner.pushed();
        self.ear.0.borrow_mut().push(Said { judgement: *judgement, record });
    }

    fn digest(&mut self, stamp: Stamp, digest: &Digest) {
        self.inner.digest(stamp, digest);
    }

    fn note(&mut self, at: Nanos, words: &str) {
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

    fn holds_back(&self) -> bool {
        self.inner.holds_back()
    }
}
