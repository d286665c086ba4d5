//! Values that TOML has no type for: exact amounts, spans of time, speeds, addresses, markets.

use crate::units::{Decimal, Nanos};
use crate::venue::binance::Family;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// An exact decimal, written as a string (`"0.001"`) or as a number of at most 15 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Decimal);

/// A span of time: `"90s"`, `"15m"`, `"2h"`, `"500ms"`; zero, `"0s"`, means without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Nanos);

/// How fast a capture or a generated market runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was; written as a number.
    Times(f64),
    /// As fast as it is taken; written `"max"`.
    Max,
}

/// Where the venue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// In this process, over loopback sockets; written `"loopback"`.
    Loopback,
    /// The family's public addresses; written `"binance"`.
    Binance,
    /// A venue process; written `"host:port"`.
    At(String),
}

/// One of Binance's markets; written `"spot"`, `"usd-m"` or `"coin-m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market(pub Family);

/// Most digits that a 64-bit float keeps as written.
const FLOAT_DIGITS: usize = 15;

impl Amount {
    /// An amount of `mantissa / 10^scale`.
    #[must_use]
    pub const fn new(mantissa: i64, scale: u8) -> Amount {
        Amount(Decimal { mantissa, scale })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

struct Read<T> {
    expected: &'static str,
    text: fn(&str) -> Option<T>,
    whole: fn(i64) -> Option<T>,
    float: fn(f64) -> Option<T>,
}

impl<'de, T> Visitor<'de> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let unusable = || E::custom(format!("`{text}` is not {}", self.expected));
        (self.text)(text).ok_or_else(unusable)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let unusable = || E::custom(format!("{number} is not {}", self.expected));
        (self.whole)(number).ok_or_else(unusable)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let unusable = || E::custom(format!("{number} is not {}", self.expected));
        (self.float)(number).ok_or_else(unusable)
    }
}

fn exact(number: f64) -> Option<Amount> {
    let text = number.is_finite().then(|| number.to_string())?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let leading = text.bytes().take_while(|byte| b"-0.".contains(byte));
    let zeros = leading.filter(|byte| *byte == b'0').count();
    if digits - zeros > FLOAT_DIGITS {
        return None;
    }
    Decimal::parse(&text).ok().map(Amount)
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Amount, D::Error> {
        reader.deserialize_any(Read {
            expected: "a decimal number such as \"0.001\" (a string beyond 15 digits)",
            text: |text| Decimal::parse(text).ok().map(Amount),
            whole: |number| Some(Amount::new(number, 0)),
            float: exact,
        })
    }
}

fn span(text: &str) -> Option<Span> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    Some(Span(Nanos(number.parse::<u64>().ok()?.checked_mul(unit)?)))
}

impl std::str::FromStr for Span {
    type Err = String;

    /// Reads `60s`, as on the command line.
    fn from_str(text: &str) -> Result<Span, String> {
        span(text).ok_or_else(|| format!("`{text}` is not a time such as 500ms, 90s, 15m or 2h"))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Span, D::Error> {
        reader.deserialize_any(Read {
            expected: "a time such as \"500ms\", \"90s\", \"15m\" or \"2h\"",
            text: span,
            whole: |_| None,
            float: |_| None,
        })
    }
}

fn times(number: f64) -> Option<Speed> {
    (number.is_finite() && number > 0.0).then_some(Speed::Times(number))
}

impl std::str::FromStr for Speed {
    type Err = String;

    /// Reads `max` or a number, as on the command line.
    fn from_str(text: &str) -> Result<Speed, String> {
        match text {
            "max" => Some(Speed::Max),
            number => number.parse().ok().and_then(times),
        }
        .ok_or_else(|| format!("`{text}` is neither a positive number nor max"))
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Speed, D::Error> {
        reader.deserialize_any(Read {
            expected: "a positive number or \"max\"",
            text: |text| (text == "max").then_some(Speed::Max),
            whole: |number| times(number as f64),
            float: times,
        })
    }
}

fn address(text: &str) -> Option<Address> {
    match text {
        "loopback" => return Some(Address::Loopback),
        "binance" => return Some(Address::Binance),
        _ => {}
    }
    let (host, port) = text.rsplit_once(':')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let port: u16 = port.parse().ok()?;
    let named = !host.is_empty() && host.bytes().all(fits) && port > 0;
    named.then(|| Address::At(text.to_owned()))
}

impl std::str::FromStr for Address {
    type Err = String;

    /// Reads `loopback`, `binance` or `host:port`, as on the command line.
    fn from_str(text: &str) -> Result<Address, String> {
        address(text).ok_or_else(|| format!("`{text}` is not loopback, binance or host:port"))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Address, D::Error> {
        reader.deserialize_any(Read {
            expected: "\"loopback\", \"binance\" or \"host:port\"",
            text: address,
            whole: |_| None,
            float: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for Market {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Market, D::Error> {
        reader.deserialize_any(Read {
            expected: "\"spot\", \"usd-m\" or \"coin-m\"",
            text: |text| {
                let families = [Family::Spot, Family::UsdM, Family::CoinM];
                families.into_iter().find(|family| family.name() == text).map(Market)
            },
            whole: |_| None,
            float: |_| None,
        })
    }
}
