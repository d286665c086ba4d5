//! A request text with holes: rendered once per instrument, filled per order.
//!
//! In: a text whose control bytes 1 to 5 mark the holes. Filling copies what stands between the
//! holes and writes numbers into them; it allocates nothing. Everything written into a hole is a hex
//! or decimal number, so no escaping is ever needed.

use crate::units::{Decimal, Grid, OrderId, TWO_DIGITS};
use crate::venue::binance::orders::id::hex16;

/// What a hole takes. The discriminant is the marking byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Hole {
    /// 16 hex digits of the order.
    Order = 1,
    /// 16 hex digits of the order replaced.
    Replaces = 2,
    /// Price, a decimal.
    Price = 3,
    /// Size, a decimal.
    Size = 4,
    /// Milliseconds since 1970.
    Millis = 5,
}

impl Hole {
    /// The mark in a template's source.
    pub(super) const fn mark(self) -> char {
        self as u8 as char
    }

    const fn from_byte(byte: u8) -> Option<Hole> {
        match byte {
            1 => Some(Hole::Order),
            2 => Some(Hole::Replaces),
            3 => Some(Hole::Price),
            4 => Some(Hole::Size),
            5 => Some(Hole::Millis),
            _ => None,
        }
    }

    /// Most bytes written: 20 digits and a point, or 16 hex digits.
    const fn width_max(self) -> usize {
        match self {
            Hole::Order | Hole::Replaces => 16,
            Hole::Price | Hole::Size => 21,
            Hole::Millis => 20,
        }
    }
}

/// What the holes are filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) order: OrderId,
    pub(super) replaces: OrderId,
    /// Price times ten to the scale.
    pub(super) price: u64,
    /// Size times ten to the scale.
    pub(super) size: u64,
    pub(super) millis: u64,
}

/// The digits after the point of an instrument's price and size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scales {
    pub(super) price: Scale,
    pub(super) size: Scale,
}

/// A grid's step with no needless zero: `step / 10^digits`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    step: u64,
    /// Most steps whose mantissa, as the grid itself writes it, fits 63 bits.
    steps_max: u64,
    digits: usize,
    power: u64,
}

impl Scale {
    pub(super) fn new(grid: &Grid) -> Scale {
        let Decimal { mut mantissa, mut scale } = grid.step();
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        let power = 10u64.pow(u32::from(scale));
        let steps_max = i64::MAX as u64 / grid.step().mantissa.unsigned_abs();
        Scale { step: mantissa.unsigned_abs(), steps_max, digits: usize::from(scale), power }
    }

    /// The mantissa of a positive number of steps; `None` at zero, below, or beyond 63 bits.
    #[inline]
    pub(super) fn mantissa(&self, steps: i64) -> Option<u64> {
        let fits = steps > 0 && steps as u64 <= self.steps_max;
        fits.then_some((steps as u64).wrapping_mul(self.step))
    }
}

/// A text with holes.
#[derive(Debug)]
pub(super) struct Template {
    text: Box<[u8]>,
    /// Where in `text` each hole stands, in order.
    holes: Box<[(usize, Hole)]>,
    room: usize,
    params_at: usize,
}

impl Template {
    /// Splits a marked text. `params_at` is where the parameters begin in what is written.
    pub(super) fn new(marked: &str) -> Template {
        let mut text = Vec::with_capacity(marked.len());
        let mut holes = Vec::new();
        for byte in marked.bytes() {
            match Hole::from_byte(byte) {
                Some(hole) => holes.push((text.len(), hole)),
                None => text.push(byte),
            }
        }
        let room = text.len() + holes.iter().map(|(_, hole)| hole.width_max()).sum::<usize>();
        const OPENING: &[u8] = b"\"params\":{";
        let opening = text.windows(OPENING.len()).position(|window| window == OPENING);
        let at = opening.map_or(text.len(), |position| position + OPENING.len());
        // Only the id's hex digits, whose width is fixed, stand before the parameters.
        let before = holes.iter().filter(|(hole_at, _)| *hole_at < at);
        let params_at = at + before.map(|(_, hole)| hole.width_max()).sum::<usize>();
        Template { text: text.into(), holes: holes.into(), room, params_at }
    }

    /// Bytes that a filled text needs at most.
    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// Where the parameters begin in the filled text.
    pub(super) const fn params_at(&self) -> usize {
        self.params_at
    }

    /// Writes the text; `out` has at least `room` bytes. Returns the bytes written.
    #[inline]
    pub(super) fn fill(&self, values: &Values, scales: &Scales, out: &mut [u8]) -> usize {
        let mut at = 0;
        let mut from = 0;
        for (until, hole) in &self.holes {
            at = copy(&self.text[from..*until], out, at);
            from = *until;
            at = match hole {
                Hole::Order => copy(&hex16(values.order.0), out, at),
                Hole::Replaces => copy(&hex16(values.replaces.0), out, at),
                Hole::Price => write_decimal(values.price, &scales.price, out, at),
                Hole::Size => write_decimal(values.size, &scales.size, out, at),
                Hole::Millis => write_whole(values.millis, out, at),
            };
        }
        copy(&self.text[from..], out, at)
    }
}

#[inline]
fn copy(bytes: &[u8], out: &mut [u8], at: usize) -> usize {
    out[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// Digits of a number at the end of a buffer; returns where they begin.
#[inline]
fn digits(mut number: u64, text: &mut [u8; 20]) -> usize {
    let mut at = text.len();
    while number >= 100 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&TWO_DIGITS[(number % 100) as usize]);
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&TWO_DIGITS[number as usize]);
    } else {
        at -= 1;
        text[at] = b'0' + number as u8;
    }
    at
}

#[inline]
fn write_whole(number: u64, out: &mut [u8], at: usize) -> usize {
    let mut text = [b'0'; 20];
    let from = digits(number, &mut text);
    copy(&text[from..], out, at)
}

#[inline]
fn write_decimal(mantissa: u64, scale: &Scale, out: &mut [u8], at: usize) -> usize {
    if scale.digits == 0 {
        return write_whole(mantissa, out, at);
    }
    let at = write_whole(mantissa / scale.power, out, at);
    out[at] = b'.';
    let mut text = [b'0'; 20];
    digits(mantissa % scale.power, &mut text);
    copy(&text[20 - scale.digits..], out, at + 1)
}
