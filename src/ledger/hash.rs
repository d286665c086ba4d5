//! A 64-bit hash of state: the same on every machine, not cryptographic.

use crate::record::Tape;
use crate::units::Money;

/// Mixes words by multiplication and rotation; the order of words matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHash(u64);

impl Default for StateHash {
    fn default() -> StateHash {
        StateHash(0xcbf2_9ce4_8422_2325)
    }
}

impl StateHash {
    /// Mixes in one word.
    #[inline]
    pub const fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// Saves the hash or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.pod(&mut self.0);
    }

    /// Mixes in an amount.
    pub const fn money(&mut self, money: Money) {
        self.word(money.0 as u64);
        self.word((money.0 >> 64) as u64);
    }

    /// The hash of what was mixed in so far.
    #[must_use]
    pub const fn finish(self) -> u64 {
        let folded = self.0 ^ (self.0 >> 32);
        folded.wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}
