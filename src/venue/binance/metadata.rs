//! Exchange information to `Instrument`.
