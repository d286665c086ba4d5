//! The synchronisation rules: buffer, snapshot, bridge, chain, gap.
