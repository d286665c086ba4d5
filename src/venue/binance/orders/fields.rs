//! The members of a message, sorted into slots in one walk; and their values as our types.
//!
//! User-data events name most fields by one letter, so a letter is its slot. Every getter says which
//! field of which event it could not use.

use crate::units::{Currency, Decimal, Grid, Money, Side, UnixNanos};
use crate::venue::binance::orders::json::{Json, Node};
use crate::venue::binance::orders::report::ReportError;

/// One message's members.
pub(super) struct Fields<'a> {
    letters: [Json<'a>; 52],
    pub(super) event: Json<'a>,
    pub(super) data: Json<'a>,
    pub(super) id: Json<'a>,
    pub(super) status: Json<'a>,
    pub(super) error: Json<'a>,
    pub(super) result: Json<'a>,
    pub(super) rate_limits: Json<'a>,
}

fn slot(letter: u8) -> Option<usize> {
    match letter {
        b'a'..=b'z' => Some(usize::from(letter - b'a')),
        b'A'..=b'Z' => Some(usize::from(letter - b'A') + 26),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    pub(super) const fn new() -> Fields<'a> {
        const NONE: Json<'_> = Json::Absent;
        Fields {
            letters: [NONE; 52],
            event: NONE,
            data: NONE,
            id: NONE,
            status: NONE,
            error: NONE,
            result: NONE,
            rate_limits: NONE,
        }
    }

    pub(super) fn of(node: Node<'a>) -> Fields<'a> {
        let mut fields = Fields::new();
        node.members(&mut |name, value| fields.set(name, value));
        fields
    }

    #[inline]
    pub(super) fn set(&mut self, name: &str, value: Json<'a>) {
        match name.as_bytes() {
            [letter] => {
                if let Some(slot) = slot(*letter) {
                    self.letters[slot] = value;
                }
            }
            b"event" => self.event = value,
            b"data" => self.data = value,
            b"id" => self.id = value,
            b"status" => self.status = value,
            b"error" => self.error = value,
            b"result" => self.result = value,
            b"rateLimits" => self.rate_limits = value,
            _ => {}
        }
    }

    pub(super) fn get(&self, letter: char) -> Json<'a> {
        slot(letter as u8).map_or(Json::Absent, |slot| self.letters[slot])
    }
}

/// The fields of an event that has a name.
pub(super) struct EventFields<'f, 'a> {
    pub(super) event: &'static str,
    pub(super) fields: &'f Fields<'a>,
}

impl<'a> EventFields<'_, 'a> {
    pub(super) fn unusable(&self, field: &'static str) -> ReportError {
        ReportError::Field { event: self.event, field }
    }

    fn get(&self, field: &'static str) -> Json<'a> {
        self.fields.get(field.as_bytes()[0] as char)
    }

    pub(super) fn text(&self, field: &'static str) -> Result<&'a str, ReportError> {
        self.get(field).text().ok_or_else(|| self.unusable(field))
    }

    pub(super) fn unsigned(&self, field: &'static str) -> Result<u64, ReportError> {
        self.get(field).unsigned().ok_or_else(|| self.unusable(field))
    }

    pub(super) fn flag(&self, field: &'static str) -> Result<bool, ReportError> {
        self.get(field).bool().ok_or_else(|| self.unusable(field))
    }

    pub(super) fn time(&self, field: &'static str) -> Result<UnixNanos, ReportError> {
        self.unsigned(field).map(UnixNanos::from_millis)
    }

    pub(super) fn side(&self) -> Result<Side, ReportError> {
        match self.text("S")? {
            "BUY" => Ok(Side::Buy),
            "SELL" => Ok(Side::Sell),
            _ => Err(self.unusable("S")),
        }
    }

    /// A price or size in steps of its grid.
    pub(super) fn steps(&self, field: &'static str, grid: &Grid) -> Result<i64, ReportError> {
        let value = Decimal::parse(self.text(field)?).map_err(|_| self.unusable(field))?;
        grid.steps_of(value).map_err(|error| ReportError::Grid { event: self.event, field, error })
    }

    /// The fee; zero where the event names none.
    pub(super) fn fee(&self) -> Result<(Money, Currency), ReportError> {
        let nothing = (Money(0), Currency::default());
        let amount = match self.get("n") {
            Json::Absent | Json::Null => return Ok(nothing),
            Json::Text(text) => Decimal::parse(text).ok().and_then(money),
            _ => None,
        };
        let amount = amount.ok_or_else(|| self.unusable("n"))?;
        match self.get("N") {
            Json::Absent | Json::Null if amount == Money(0) => Ok(nothing),
            Json::Text(code) => Ok((amount, Currency::new(code).map_err(|_| self.unusable("N"))?)),
            _ => Err(self.unusable("N")),
        }
    }
}

/// A decimal as money; digits beyond 1e-8 are rounded half away from zero.
pub(in crate::venue::binance) fn money(value: Decimal) -> Option<Money> {
    let mantissa = i128::from(value.mantissa);
    if value.scale <= 8 {
        return Some(Money(mantissa.checked_mul(10i128.pow(8 - u32::from(value.scale)))?));
    }
    let power = 10i128.pow(u32::from(value.scale) - 8);
    let half = if mantissa < 0 { -power / 2 } else { power / 2 };
    Some(Money((mantissa + half) / power))
}
