//! Pure `decide` functions. Level 5.
