//! Order requests out, execution reports in.
