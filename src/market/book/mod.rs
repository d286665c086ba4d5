//! The L2 book: a flat tick ladder and its twin, a BTreeMap.
