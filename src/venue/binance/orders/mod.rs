//! Order requests out, execution reports in.

mod encode;
mod error;
mod fields;
mod id;
mod json;
pub mod plain;
mod report;
mod template;

#[cfg(test)]
mod tests;

pub(in crate::venue::binance) use fields::money;
pub(in crate::venue::binance) use report::rate_limits;

pub use encode::{
    EncodeError, ORDER_WINDOW_MS, REQUEST_LEN_MAX, RequestEncoder, SelfTradePrevention,
};
pub use error::{Backoff, ErrorClass, ErrorText, VenueError, WOULD_TAKE};
pub use id::{CLIENT_ID_LEN, OrderRequest, RequestId, client_id, parse_client_id};
pub use report::{
    EventKind, OrderMessage, RATE_COUNTS_MAX, RateCount, RateKind, RateUsage, ReportDecoder,
    ReportError, Reports, Response,
};
