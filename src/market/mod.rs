//! Book, bars, indicators. Level 3.

pub mod book;
pub mod indicator;
