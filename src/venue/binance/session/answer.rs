//! REST answers to our types: status, headers' wait, body -> orders, balances, trades, or a refusal.
//!
//! `exchangeInfo` and depth bodies are passed on as they are, to `metadata` and `decode`; only the
//! rate limits of the former are read here. Numbers are exact or the answer is refused.

use crate::record::{Instrument, OrderState, OrderType, TimeInForce};
use crate::units::{
    Currency, Decimal, Grid, InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks, UnixNanos,
};
use crate::venue::binance::orders::{ErrorText, RateUsage, VenueError, parse_client_id};
use serde::Deserialize;
use serde_json::Value;

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The venue refused.
    #[error("HTTP {status}: {error}")]
    Venue {
        /// HTTP status.
        status: u16,
        /// Code and words.
        error: VenueError,
        /// How long to wait, where the answer says (429, 418).
        wait: Option<Nanos>,
    },
    /// A status without the venue's own error body (a proxy, an outage).
    #[error("HTTP {status} without the venue's error body; try again later")]
    Status {
        /// HTTP status.
        status: u16,
        /// How long to wait, where the answer says.
        wait: Option<Nanos>,
    },
    /// The body is not the documented JSON.
    #[error("the venue's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A value that cannot be used.
    #[error("item {index}: `{field}` reads `{value}`, which is of no use")]
    Value {
        /// Position in the list, from 0.
        index: usize,
        /// The field as the venue names it.
        field: &'static str,
        /// As it came.
        value: String,
    },
}

/// An order as the venue's books have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    /// Ours, or `None` for an order that Bot4 did not make.
    pub order: Option<OrderId>,
    /// Instrument.
    pub instrument: InstrumentId,
    /// The venue's id.
    pub venue_order: u64,
    /// Side.
    pub side: Side,
    /// Price.
    pub price: Ticks,
    /// Whole size.
    pub lots: Lots,
    /// Filled so far.
    pub filled_lots: Lots,
    /// State; never `Pending` or `Unknown`.
    pub state: OrderState,
    /// Price rule.
    pub order_type: OrderType,
    /// Life time.
    pub time_in_force: TimeInForce,
}

/// Money in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub asset: Currency,
    /// Free to use (spot), or available (futures).
    pub free: Money,
    /// Locked in orders (spot), or the rest of the wallet balance (futures).
    pub locked: Money,
}

/// A futures position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Signed size.
    pub lots: Lots,
    /// Average price it was entered at, quote currency per unit, where the venue says it.
    pub entry: Option<Decimal>,
}

/// What an account holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Balances that are not zero.
    pub balances: Vec<Balance>,
    /// Positions of the instruments asked about, zeros included; empty on spot.
    pub positions: Vec<Position>,
    /// Assets whose names are no `Currency`; listed so that nothing goes missing silently.
    pub unnamed: Vec<String>,
}

/// A fill of ours, as the venue's books have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTrade {
    /// Instrument.
    pub instrument: InstrumentId,
    /// The venue's trade id.
    pub trade_id: u64,
    /// The venue's id of the order; the client id is not in this answer.
    pub venue_order: u64,
    /// Side of our order.
    pub side: Side,
    /// Price.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
    /// Fee; negative is a rebate.
    pub fee: Money,
    /// Currency of the fee.
    pub fee_currency: Currency,
    /// Whether we provided liquidity.
    pub maker: bool,
    /// When.
    pub venue_time: UnixNanos,
}

impl AnswerError {
    /// The venue's code, where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            AnswerError::Venue { error, .. } => Some(error.code),
            _ => None,
        }
    }
}

/// The venue's clock.
///
/// # Errors
/// When the body holds no time.
pub fn time(body: &[u8]) -> Result<UnixNanos, AnswerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Time {
        server_time: u64,
    }
    let time: Time = serde_json::from_slice(body)?;
    Ok(UnixNanos(time.server_time.saturating_mul(1_000_000)))
}

/// The seconds of a `Retry-After` header.
#[must_use]
pub fn retry_after(value: Option<&str>) -> Option<Nanos> {
    let seconds: u64 = value?.trim().parse().ok()?;
    Some(Nanos(seconds.saturating_mul(1_000_000_000)))
}

/// Checks the status; `wait` is the `Retry-After` header as `retry_after` reads it.
///
/// # Errors
/// For every status but 2xx, with the venue's code and words where the body has them.
pub fn check(status: u16, body: &[u8], wait: Option<Nanos>) -> Result<(), AnswerError> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    #[derive(Deserialize)]
    struct Refusal {
        code: i32,
        #[serde(default)]
        msg: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { code, msg }) => {
            let error = VenueError { code, text: ErrorText::new(&msg) };
            Err(AnswerError::Venue { status, error, wait })
        }
        Err(_) => Err(AnswerError::Status { status, wait }),
    }
}

/// The rate limits of an `exchangeInfo` body.
///
/// # Errors
/// When the body is no JSON.
pub fn rate_limits(body: &[u8]) -> Result<RateUsage, AnswerError> {
    #[derive(Deserialize)]
    struct Limits {
        #[serde(rename = "rateLimits", default)]
        rate_limits: Value,
    }
    let limits: Limits = serde_json::from_slice(body)?;
    Ok(crate::venue::binance::orders::rate_limits(&limits.rate_limits))
}

/// The listen key of `create_listen_key`.
///
/// # Errors
/// When the body has none, or one with other bytes than letters and digits (it becomes a path).
pub fn listen_key(body: &[u8]) -> Result<String, AnswerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Made {
        listen_key: String,
    }
    let Made { listen_key } = serde_json::from_slice(body)?;
    if listen_key.is_empty() || !listen_key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(AnswerError::Value { index: 0, field: "listenKey", value: listen_key });
    }
    Ok(listen_key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedOrder {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    price: String,
    orig_qty: String,
    executed_qty: String,
    status: String,
    time_in_force: String,
    #[serde(rename = "type")]
    order_type: String,
    side: String,
}

/// Working orders. Orders on instruments that are not listed are left out: they are other lanes'.
///
/// # Errors
/// When the body is not a list of orders, or a value is of no use.
pub fn open_orders(
    body: &[u8],
    instruments: &[Instrument],
) -> Result<Vec<VenueOrder>, AnswerError> {
    let listed: Vec<ListedOrder> = serde_json::from_slice(body)?;
    let mut orders = Vec::with_capacity(listed.len());
    for (index, item) in listed.iter().enumerate() {
        let at = At { index };
        let Some(order) = at.order(item, instruments)? else { continue };
        if !order.state.is_working() {
            return Err(at.unusable("status", &item.status));
        }
        orders.push(order);
    }
    Ok(orders)
}

/// Orders, working or over. Those on instruments that are not listed are left out, as above.
///
/// # Errors
/// When the body is not a list of orders, or a value is of no use.
pub fn orders(body: &[u8], instruments: &[Instrument]) -> Result<Vec<VenueOrder>, AnswerError> {
    let listed: Vec<ListedOrder> = serde_json::from_slice(body)?;
    let order = |(index, item)| At { index }.order(item, instruments).transpose();
    listed.iter().enumerate().filter_map(order).collect()
}

/// One order, working or over; `None` where its instrument is not listed.
///
/// # Errors
/// When the body is no order, or a value is of no use.
pub fn order(body: &[u8], instruments: &[Instrument]) -> Result<Option<VenueOrder>, AnswerError> {
    At { index: 0 }.order(&serde_json::from_slice(body)?, instruments)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holdings {
    #[serde(default)]
    balances: Vec<SpotBalance>,
    #[serde(default)]
    assets: Vec<FuturesBalance>,
    #[serde(default)]
    positions: Vec<FuturesPosition>,
}

#[derive(Deserialize)]
struct SpotBalance {
    asset: String,
    free: String,
    locked: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FuturesBalance {
    asset: String,
    wallet_balance: String,
    available_balance: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FuturesPosition {
    symbol: String,
    position_amt: String,
    #[serde(default)]
    entry_price: Option<String>,
    #[serde(default)]
    position_side: String,
}

/// Balances and positions.
///
/// # Errors
/// When the body is no account, a value is of no use, or the account is in hedge mode (a position
/// per side), which Bot4 does not trade.
pub fn account(body: &[u8], instruments: &[Instrument]) -> Result<Account, AnswerError> {
    let holdings: Holdings = serde_json::from_slice(body)?;
    let mut account = Account::default();
    for (index, item) in holdings.balances.iter().enumerate() {
        let at = At { index };
        let (free, locked) = (at.money("free", &item.free)?, at.money("locked", &item.locked)?);
        account.hold(&item.asset, free, locked);
    }
    for (index, item) in holdings.assets.iter().enumerate() {
        let at = At { index };
        let wallet = at.money("walletBalance", &item.wallet_balance)?;
        let free = at.money("availableBalance", &item.available_balance)?;
        account.hold(&item.asset, free, wallet.minus(free));
    }
    for (index, item) in holdings.positions.iter().enumerate() {
        let Some(instrument) = find(instruments, &item.symbol) else { continue };
        let at = At { index };
        if !matches!(&*item.position_side, "" | "BOTH") {
            return Err(at.unusable("positionSide", &item.position_side));
        }
        let (sign, size) = match item.position_amt.strip_prefix('-') {
            Some(size) => (-1, size),
            None => (1, &*item.position_amt),
        };
        let lots = Lots(sign * at.steps("positionAmt", size, &instrument.lot)?);
        let entry = match &item.entry_price {
            Some(text) => {
                let price = Decimal::parse(text);
                Some(price.map_err(|_| at.unusable("entryPrice", text))?)
            }
            None => None,
        };
        account.positions.push(Position { instrument: instrument.id, lots, entry });
    }
    Ok(account)
}

impl Account {
    fn hold(&mut self, asset: &str, free: Money, locked: Money) {
        if free == Money(0) && locked == Money(0) {
            return;
        }
        match Currency::new(asset) {
            Ok(asset) => self.balances.push(Balance { asset, free, locked }),
            Err(_) => self.unnamed.push(asset.to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedTrade {
    symbol: String,
    id: u64,
    order_id: u64,
    price: String,
    qty: String,
    commission: String,
    commission_asset: String,
    time: u64,
    #[serde(alias = "isBuyer")]
    buyer: bool,
    #[serde(alias = "isMaker")]
    maker: bool,
}

/// Our fills, oldest first as the venue lists them.
///
/// # Errors
/// When the body is not a list of trades, or a value is of no use.
pub fn trades(body: &[u8], instruments: &[Instrument]) -> Result<Vec<AccountTrade>, AnswerError> {
    let listed: Vec<ListedTrade> = serde_json::from_slice(body)?;
    let mut trades = Vec::with_capacity(listed.len());
    for (index, item) in listed.iter().enumerate() {
        let Some(instrument) = find(instruments, &item.symbol) else { continue };
        let at = At { index };
        let fee_currency = Currency::new(&item.commission_asset);
        trades.push(AccountTrade {
            instrument: instrument.id,
            trade_id: item.id,
            venue_order: item.order_id,
            side: if item.buyer { Side::Buy } else { Side::Sell },
            price: Ticks(at.steps("price", &item.price, &instrument.tick)?),
            lots: Lots(at.steps("qty", &item.qty, &instrument.lot)?),
            fee: at.money("commission", &item.commission)?,
            fee_currency: fee_currency
                .map_err(|_| at.unusable("commissionAsset", &item.commission_asset))?,
            maker: item.maker,
            venue_time: UnixNanos::from_millis(item.time),
        });
    }
    Ok(trades)
}

fn find<'a>(instruments: &'a [Instrument], symbol: &str) -> Option<&'a Instrument> {
    instruments.iter().find(|known| known.symbol.as_str() == symbol)
}

/// Where a value stands, for messages.
struct At {
    index: usize,
}

impl At {
    fn unusable(&self, field: &'static str, value: &str) -> AnswerError {
        AnswerError::Value { index: self.index, field, value: value.chars().take(40).collect() }
    }

    fn order(
        &self,
        item: &ListedOrder,
        instruments: &[Instrument],
    ) -> Result<Option<VenueOrder>, AnswerError> {
        let Some(instrument) = find(instruments, &item.symbol) else { return Ok(None) };
        let (order_type, time_in_force) = match (&*item.order_type, &*item.time_in_force) {
            ("LIMIT_MAKER", _) | ("LIMIT", "GTX") => {
                (OrderType::PostOnly, TimeInForce::GoodTillCancel)
            }
            ("MARKET", _) => (OrderType::Market, TimeInForce::GoodTillCancel),
            (_, "IOC") => (OrderType::Limit, TimeInForce::ImmediateOrCancel),
            (_, "FOK") => (OrderType::Limit, TimeInForce::FillOrKill),
            _ => (OrderType::Limit, TimeInForce::GoodTillCancel),
        };
        Ok(Some(VenueOrder {
            order: parse_client_id(&item.client_order_id),
            instrument: instrument.id,
            venue_order: item.order_id,
            side: self.side(&item.side)?,
            price: Ticks(self.steps("price", &item.price, &instrument.tick)?),
            lots: Lots(self.steps("origQty", &item.orig_qty, &instrument.lot)?),
            filled_lots: Lots(self.steps("executedQty", &item.executed_qty, &instrument.lot)?),
            state: match &*item.status {
                "NEW" | "PENDING_NEW" => OrderState::Open,
                "PARTIALLY_FILLED" => OrderState::PartlyFilled,
                "PENDING_CANCEL" => OrderState::CancelPending,
                "FILLED" => OrderState::Filled,
                "CANCELED" => OrderState::Cancelled,
                "REJECTED" => OrderState::Rejected,
                "EXPIRED" | "EXPIRED_IN_MATCH" => OrderState::Expired,
                other => return Err(self.unusable("status", other)),
            },
            order_type,
            time_in_force,
        }))
    }

    fn side(&self, text: &str) -> Result<Side, AnswerError> {
        match text {
            "BUY" => Ok(Side::Buy),
            "SELL" => Ok(Side::Sell),
            other => Err(self.unusable("side", other)),
        }
    }

    fn steps(&self, field: &'static str, text: &str, grid: &Grid) -> Result<i64, AnswerError> {
        let value = Decimal::parse(text).map_err(|_| self.unusable(field, text))?;
        grid.steps_of(value).map_err(|_| self.unusable(field, text))
    }

    fn money(&self, field: &'static str, text: &str) -> Result<Money, AnswerError> {
        let value = Decimal::parse(text).ok().and_then(crate::venue::binance::orders::money);
        value.ok_or_else(|| self.unusable(field, text))
    }
}
