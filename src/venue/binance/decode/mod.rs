//! Market frames to fixed-point events: a fast decoder, a general one, and their checks.
