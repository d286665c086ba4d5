//! `exchangeInfo`: instruments -> the body from which `metadata::instruments` makes the same ones.

use super::answers::rate_limits;
use super::market::pair_name;
use super::number::{fixed, millis, steps, whole};
use crate::record::Instrument;
use crate::units::{Decimal, Grid, Money, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::RateCount;

/// Appends the body.
pub fn exchange_information(
    out: &mut Vec<u8>,
    family: Family,
    instruments: &[Instrument],
    limits: &[RateCount],
    now: UnixNanos,
) {
    put!(out, br#"{"timezone":"UTC","serverTime":"#);
    millis(out, now);
    put!(out, b",");
    rate_limits(out, limits, false);
    put!(out, br#","exchangeFilters":[],"symbols":["#);
    for (index, instrument) in instruments.iter().enumerate() {
        put!(out, if index > 0 { "," } else { "" });
        listing(out, family, instrument);
    }
    put!(out, b"]}");
}

fn listing(out: &mut Vec<u8>, family: Family, of: &Instrument) {
    let status = if family == Family::CoinM { "contractStatus" } else { "status" };
    put!(out, br#"{"symbol":""#, of.symbol.as_bytes(), br#"",""#, status, br#"":"TRADING","#);
    put!(out, br#""baseAsset":""#, of.base.as_str(), br#"","quoteAsset":""#, of.quote.as_str());
    put!(out, b"\",");
    if family.is_futures() {
        put!(
            out,
            br#""pair":""#,
            pair_name(of),
            br#"","contractType":"PERPETUAL","marginAsset":""#
        );
        put!(out, of.settle.as_str(), br#"","pricePrecision":"#);
        whole(out, u64::from(of.tick.decimals()));
        put!(out, br#","quantityPrecision":"#);
        whole(out, u64::from(of.lot.decimals()));
        put!(out, b",");
    }
    if family == Family::CoinM {
        put!(out, br#""contractSize":"#, of.multiplier.to_string(), b",");
    }
    let filters = &of.filters;
    put!(out, br#""orderTypes":["LIMIT","MARKET""#);
    put!(out, if family == Family::Spot { r#","LIMIT_MAKER"],"# } else { "]," });
    put!(out, br#""filters":[{"filterType":"PRICE_FILTER","minPrice":"#);
    bound(out, &of.tick, filters.price_min.0);
    put!(out, br#","maxPrice":"#);
    bound(out, &of.tick, filters.price_max.0);
    put!(out, br#","tickSize":"#);
    step(out, of.tick.step());
    put!(out, br#"},{"filterType":"LOT_SIZE","minQty":"#);
    bound(out, &of.lot, filters.lots_min.0);
    put!(out, br#","maxQty":"#);
    bound(out, &of.lot, filters.lots_max.0);
    put!(out, br#","stepSize":"#);
    step(out, of.lot.step());
    put!(out, b"}");
    if filters.notional_min != Money(0) {
        let (name, key) = match family {
            Family::Spot => ("NOTIONAL", "minNotional"),
            Family::UsdM | Family::CoinM => ("MIN_NOTIONAL", "notional"),
        };
        put!(out, br#",{"filterType":""#, name, br#"",""#, key, br#"":""#);
        fixed(out, filters.notional_min.0, 8);
        put!(out, b"\"}");
    }
    put!(out, b"]}");
}

/// A limit in steps; what no venue would write (no limit above) is zero, as the venue means it.
fn bound(out: &mut Vec<u8>, grid: &Grid, limit: i64) {
    put!(out, b"\"");
    steps(out, grid, if limit == i64::MAX { 0 } else { limit });
    put!(out, b"\"");
}

fn step(out: &mut Vec<u8>, step: Decimal) {
    put!(out, b"\"");
    fixed(out, i128::from(step.mantissa), usize::from(step.scale));
    put!(out, b"\"");
}
