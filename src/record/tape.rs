//! A state copied out to bytes and brought back by one and the same walk over its fields, so that the
//! two directions cannot disagree.
//!
//! A type that outlives its process has `fn walk(&mut self, tape: &mut Tape)`, which hands over every
//! field in a fixed order. Saving leaves the state as it was; loading overwrites it, and after the first
//! fault hands nothing more over: `finish` tells the fault, and the state must then be thrown away.
//! Bytes are little-endian, lists carry their length and have a bound, sections carry their name.

use bytemuck::Pod;

/// One walk over a state.
#[derive(Debug)]
pub struct Tape<'a> {
    end: End<'a>,
    section: &'static str,
}

#[derive(Debug)]
enum End<'a> {
    Saving(&'a mut Vec<u8>),
    Loading { bytes: &'a [u8], at: usize, fault: Option<TapeError> },
}

/// Why bytes are no saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    /// The bytes end too early.
    #[error("saved state ends at byte {at}, inside `{section}`")]
    Short {
        /// Where the value should have begun.
        at: usize,
        /// Part of the state.
        section: &'static str,
    },
    /// More bytes than state.
    #[error("saved state has {left} bytes left over")]
    Long {
        /// How many.
        left: usize,
    },
    /// A value that the state cannot have.
    #[error("saved state holds {value} at byte {at}, which `{section}` cannot be")]
    Value {
        /// Where.
        at: usize,
        /// Part of the state.
        section: &'static str,
        /// What stands there.
        value: u64,
    },
}

impl<'a> Tape<'a> {
    /// Appends to `bytes`.
    #[must_use]
    pub fn saving(bytes: &'a mut Vec<u8>) -> Tape<'a> {
        Tape { end: End::Saving(bytes), section: "" }
    }

    /// Brings back what was saved.
    #[must_use]
    pub fn loading(bytes: &'a [u8]) -> Tape<'a> {
        Tape { end: End::Loading { bytes, at: 0, fault: None }, section: "" }
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// The first fault of loading, or bytes left over.
    pub fn finish(self) -> Result<(), TapeError> {
        match self.end {
            End::Saving(_) => Ok(()),
            End::Loading { fault: Some(fault), .. } => Err(fault),
            End::Loading { bytes, at, .. } if at < bytes.len() => {
                Err(TapeError::Long { left: bytes.len() - at })
            }
            End::Loading { .. } => Ok(()),
        }
    }

    /// Begins a part; a state of another layout is noticed here.
    pub fn section(&mut self, name: &'static str) {
        self.section = name;
        let sum = name.bytes().fold(0u64, |sum, byte| sum.rotate_left(7) ^ u64::from(byte));
        let mut found = sum;
        self.pod(&mut found);
        if found != sum {
            self.refuse(found);
        }
    }

    /// A value without padding or invalid bits.
    pub fn pod<T: Pod>(&mut self, value: &mut T) {
        self.pods(std::slice::from_mut(value));
    }

    /// As many values as the slice is long.
    pub fn pods<T: Pod>(&mut self, values: &mut [T]) {
        let section = self.section;
        let values: &mut [u8] = bytemuck::cast_slice_mut(values);
        match &mut self.end {
            End::Saving(bytes) => bytes.extend_from_slice(values),
            End::Loading { fault: Some(_), .. } => {}
            End::Loading { bytes, at, fault } => match bytes.get(*at..*at + values.len()) {
                Some(found) => {
                    values.copy_from_slice(found);
                    *at += values.len();
                }
                None => *fault = Some(TapeError::Short { at: *at, section }),
            },
        }
    }

    /// A list of at most `max` values.
    pub fn list<T: Pod>(&mut self, values: &mut Vec<T>, max: usize) {
        let mut len = values.len();
        self.size(&mut len, max);
        if self.is_loading() && !self.has_failed() {
            values.clear();
            values.resize(len, T::zeroed());
        }
        self.pods(values);
    }

    /// A number of things, at most `max`.
    pub fn size(&mut self, value: &mut usize, max: usize) {
        let mut word = *value as u64;
        self.pod(&mut word);
        if word > max as u64 {
            return self.refuse(word);
        }
        *value = word as usize;
    }

    /// A truth value.
    pub fn flag(&mut self, value: &mut bool) {
        self.code(value, &[false, true]);
    }

    /// One of `all`, by its place among them; the places must never change.
    pub fn code<T: Copy + PartialEq>(&mut self, value: &mut T, all: &[T]) {
        let place = all.iter().position(|of| of == value).unwrap_or(all.len());
        let mut word = place as u64;
        self.pod(&mut word);
        match all.get(word as usize) {
            Some(found) => *value = *found,
            None => self.refuse(word),
        }
    }

    /// Whether a value is there, and then the value.
    pub fn option<T: Copy>(
        &mut self,
        value: &mut Option<T>,
        blank: T,
        walk: impl FnOnce(&mut T, &mut Tape<'a>),
    ) {
        let mut is_some = value.is_some();
        self.flag(&mut is_some);
        if !is_some {
            *value = None;
            return;
        }
        walk(value.get_or_insert(blank), self);
    }

    /// Whether the state is being brought back.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        matches!(self.end, End::Loading { .. })
    }

    /// Whether something was wrong already.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.end, End::Loading { fault: Some(_), .. })
    }

    /// Whoever was handed a value cannot have it.
    pub fn refuse(&mut self, value: u64) {
        let section = self.section;
        if let End::Loading { at, fault, .. } = &mut self.end {
            fault.get_or_insert(TapeError::Value { at: at.saturating_sub(8), section, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct State {
        count: u64,
        on: bool,
        list: Vec<u32>,
        maybe: Option<i64>,
    }

    impl State {
        fn walk(&mut self, tape: &mut Tape<'_>) {
            tape.section("state");
            tape.pod(&mut self.count);
            tape.flag(&mut self.on);
            tape.list(&mut self.list, 4);
            tape.option(&mut self.maybe, 0, |value, tape| tape.pod(value));
        }
    }

    fn saved(state: &State) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut tape = Tape::saving(&mut bytes);
        state.clone().walk(&mut tape);
        tape.finish().unwrap();
        bytes
    }

    fn loaded(bytes: &[u8]) -> Result<State, TapeError> {
        let mut state = State::default();
        let mut tape = Tape::loading(bytes);
        state.walk(&mut tape);
        tape.finish().map(|()| state)
    }

    #[test]
    fn what_was_saved_comes_back_and_cut_bytes_do_not() {
        for state in [
            State::default(),
            State { count: 7, on: true, list: vec![1, 2, 3, 4], maybe: Some(-1) },
        ] {
            let bytes = saved(&state);
            assert_eq!(loaded(&bytes), Ok(state));
            for cut in 0..bytes.len() {
                let error = loaded(&bytes[..cut]).expect_err("it is short");
                assert!(matches!(error, TapeError::Short { .. }), "{cut}: {error}");
            }
            let long = [bytes.as_slice(), &[0]].concat();
            assert_eq!(loaded(&long), Err(TapeError::Long { left: 1 }));
        }
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        let bytes = saved(&State { list: vec![9], ..State::default() });
        let spoilt = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            loaded(&bytes).expect_err("it is spoilt").to_string()
        };
        assert!(spoilt(0, 1).contains("`state`"), "another layout");
        assert!(spoilt(16, 2).contains("holds 2 at byte 16"), "no truth value");
        assert!(spoilt(24, 5).contains("holds 5 at byte 24"), "longer than its bound");
    }
}
