//! REST requests as plain data: family and arguments -> method, target, headers.
//!
//! The driver sends them with `net::http` and hands status and body to `session::answer`. Signed
//! requests carry key, time, window and signature; their parameters stand in the query, which the
//! venue takes for every method.

use crate::net::http::Method;
use crate::record::Symbol;
use crate::units::{Nanos, OrderId, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::client_id;
use crate::venue::binance::session::encoding::percent;
use crate::venue::binance::session::{Signer, logon};

/// A request without its host.
#[derive(Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Header fields besides `Host`.
    pub headers: Vec<(String, String)>,
    /// What the venue charges for it.
    pub weight: u32,
}

impl std::fmt::Debug for RestRequest {
    /// Without key and signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.target.split("&signature=").next().unwrap_or("");
        write!(f, "RestRequest({} {shown}, weight {})", self.method.name(), self.weight)
    }
}

/// Where a family's REST lives, path prefix included.
#[must_use]
pub const fn host(family: Family) -> &'static str {
    match family {
        Family::Spot => "api.binance.com",
        Family::UsdM => "fapi.binance.com",
        Family::CoinM => "dapi.binance.com",
    }
}

const fn prefix(family: Family) -> &'static str {
    match family {
        Family::Spot => "/api/v3",
        Family::UsdM => "/fapi/v1",
        Family::CoinM => "/dapi/v1",
    }
}

/// `exchangeInfo`: read the body with `metadata::instruments` and `answer::rate_limits`.
#[must_use]
pub fn exchange_info(family: Family) -> RestRequest {
    let weight = if family == Family::Spot { 20 } else { 1 };
    public(Method::Get, format!("{}/exchangeInfo", prefix(family)), weight)
}

/// What the venue's clock shows; `answer::time`.
#[must_use]
pub fn time(family: Family) -> RestRequest {
    public(Method::Get, format!("{}/time", prefix(family)), 1)
}

/// The deepest depth snapshot that the venue gives: 5 000 levels on spot, 1 000 on futures.
#[must_use]
pub fn depth(family: Family, symbol: &Symbol) -> RestRequest {
    let (levels, weight) = if family == Family::Spot { (5_000, 250) } else { (1_000, 20) };
    let target = format!("{}/depth?symbol={symbol}&limit={levels}", prefix(family));
    public(Method::Get, target, weight)
}

/// Working orders of one symbol; `answer::open_orders`.
#[must_use]
pub fn open_orders(
    family: Family,
    symbol: &Symbol,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let weight = if family == Family::Spot { 6 } else { 1 };
    let path = format!("{}/openOrders", prefix(family));
    signed(Method::Get, &path, &[("symbol", symbol.to_string())], weight, signer, wall)
}

/// One order of ours, working or over; `answer::order`, or the refusal -2013 where the venue knows none.
#[must_use]
pub fn order(
    family: Family,
    symbol: &Symbol,
    order: OrderId,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let weight = if family == Family::Spot { 4 } else { 1 };
    let name = String::from_utf8_lossy(&client_id(order)).into_owned();
    let params = [("symbol", symbol.to_string()), ("origClientOrderId", name)];
    signed(Method::Get, &format!("{}/order", prefix(family)), &params, weight, signer, wall)
}

/// Balances (and, on futures, positions); `answer::account`.
#[must_use]
pub fn account(family: Family, signer: &Signer, wall: UnixNanos) -> RestRequest {
    let (path, weight) = match family {
        Family::Spot => ("/api/v3/account", 20),
        Family::UsdM => ("/fapi/v2/account", 5),
        Family::CoinM => ("/dapi/v1/account", 5),
    };
    signed(Method::Get, path, &[], weight, signer, wall)
}

/// Most items that one answer lists.
pub const PAGE: usize = 1_000;

/// Longest time between `startTime` and now that a list may be asked for.
#[must_use]
pub const fn look_back_max(family: Family) -> Nanos {
    const HOUR: u64 = 3_600_000_000_000;
    match family {
        Family::Spot => Nanos(24 * HOUR),
        Family::UsdM | Family::CoinM => Nanos(7 * 24 * HOUR),
    }
}

/// Where a list begins; the next page of it begins behind the last id of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Since a time, oldest first.
    Time(UnixNanos),
    /// At an id.
    Id(u64),
}

/// Our orders of one symbol, working or over, at most [`PAGE`]; `answer::orders`.
#[must_use]
pub fn orders_from(
    family: Family,
    symbol: &Symbol,
    from: From,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let weight = if family == Family::UsdM { 5 } else { 20 };
    let params = [("symbol", symbol.to_string()), from.param("orderId"), limit()];
    signed(Method::Get, &format!("{}/allOrders", prefix(family)), &params, weight, signer, wall)
}

/// Our fills of one symbol, at most [`PAGE`]; `answer::trades`.
#[must_use]
pub fn trades_from(
    family: Family,
    symbol: &Symbol,
    from: From,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    trades(family, symbol, from.param("fromId"), signer, wall)
}

impl From {
    fn param(self, id: &'static str) -> (&'static str, String) {
        match self {
            From::Time(since) => ("startTime", (since.0 / 1_000_000).to_string()),
            From::Id(first) => (id, first.to_string()),
        }
    }
}

fn limit() -> (&'static str, String) {
    ("limit", PAGE.to_string())
}

/// Our fills of one order, by the venue's id of it; `answer::trades`.
#[must_use]
pub fn trades_of(
    family: Family,
    symbol: &Symbol,
    venue_order: u64,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    trades(family, symbol, ("orderId", venue_order.to_string()), signer, wall)
}

fn trades(
    family: Family,
    symbol: &Symbol,
    which: (&str, String),
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let (name, weight) = match family {
        Family::Spot => ("myTrades", 20),
        Family::UsdM => ("userTrades", 5),
        Family::CoinM => ("userTrades", 20),
    };
    let params = [("symbol", symbol.to_string()), which, limit()];
    signed(Method::Get, &format!("{}/{name}", prefix(family)), &params, weight, signer, wall)
}

/// Makes the listen key of a futures user-data stream; spot subscribes over its order session and
/// has none.
#[must_use]
pub fn create_listen_key(family: Family, signer: &Signer) -> Option<RestRequest> {
    listen_key(Method::Post, family, signer)
}

/// Keeps the listen key valid for another hour; send every half hour.
#[must_use]
pub fn keep_listen_key(family: Family, signer: &Signer) -> Option<RestRequest> {
    listen_key(Method::Put, family, signer)
}

fn listen_key(method: Method, family: Family, signer: &Signer) -> Option<RestRequest> {
    if family == Family::Spot {
        return None;
    }
    let mut request = public(method, format!("{}/listenKey", prefix(family)), 1);
    request.headers.push(key_header(signer));
    Some(request)
}

/// Cancels every working order of one symbol.
#[must_use]
pub fn cancel_all(
    family: Family,
    symbol: &Symbol,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let path = match family {
        Family::Spot => "/api/v3/openOrders",
        Family::UsdM => "/fapi/v1/allOpenOrders",
        Family::CoinM => "/dapi/v1/allOpenOrders",
    };
    signed(Method::Delete, path, &[("symbol", symbol.to_string())], 1, signer, wall)
}

/// Arms the venue's dead man's switch: unless repeated within `countdown_ms`, the venue cancels all
/// orders of the symbol; 0 disarms. Futures only.
#[must_use]
pub fn countdown_cancel_all(
    family: Family,
    symbol: &Symbol,
    countdown_ms: u64,
    signer: &Signer,
    wall: UnixNanos,
) -> Option<RestRequest> {
    if family == Family::Spot {
        return None;
    }
    let path = format!("{}/countdownCancelAll", prefix(family));
    let params = [("symbol", symbol.to_string()), ("countdownTime", countdown_ms.to_string())];
    Some(signed(Method::Post, &path, &params, 10, signer, wall))
}

fn public(method: Method, target: String, weight: u32) -> RestRequest {
    RestRequest { method, target, headers: Vec::new(), weight }
}

fn key_header(signer: &Signer) -> (String, String) {
    ("X-MBX-APIKEY".to_owned(), signer.api_key().to_owned())
}

fn signed(
    method: Method,
    path: &str,
    params: &[(&str, String)],
    weight: u32,
    signer: &Signer,
    wall: UnixNanos,
) -> RestRequest {
    let mut query = String::new();
    for (name, value) in params {
        query += &format!("{name}={}&", percent(value));
    }
    let millis = wall.0 / 1_000_000;
    query += &format!("recvWindow={}&timestamp={millis}", logon::RECEIVE_WINDOW_MS);
    let signature = signer.sign(query.as_bytes());
    let target = format!("{path}?{query}&signature={}", percent(signature.as_str()));
    RestRequest { method, target, headers: vec![key_header(signer)], weight }
}
