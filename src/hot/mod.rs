//! The hot lane, one file per stage, and the loop that strings them. Level 7.
