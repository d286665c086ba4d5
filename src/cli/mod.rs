//! One file per command; the only room that wires lanes and lab together. Level 9.

pub mod doctor;
