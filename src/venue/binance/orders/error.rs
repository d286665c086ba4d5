//! What the venue says when it refuses: code, words of bounded length, and what kind of refusal.

use crate::units::Nanos;
use std::fmt;

/// Bytes of the venue's words that are kept.
const TEXT_MAX: usize = 96;

/// The venue's words, cut to 96 bytes at a character's end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorText {
    bytes: [u8; TEXT_MAX],
    len: u8,
}

/// Futures' code of a post-only order that would have taken; spot says so in words, and reports carry
/// this code for it too.
pub const WOULD_TAKE: i32 = -5022;

/// A refusal by the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the venue refuses with {code}: {text}")]
pub struct VenueError {
    /// The venue's code, negative.
    pub code: i32,
    /// Its words.
    pub text: ErrorText,
}

/// What to make of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Too many requests or orders: wait.
    RateLimited,
    /// The request's time lies outside the window: the local clock is off.
    ClockSkew,
    /// The order named is not working (filled, cancelled, or never was).
    UnknownOrder,
    /// The order breaks a price, size or notional filter.
    Filter,
    /// A post-only order would have taken.
    WouldTake,
    /// Not enough balance or margin.
    Funds,
    /// Key, signature or permission is wrong.
    Unauthorised,
    /// The venue does not know itself whether the request was carried out: ask for the order.
    Uncertain,
    /// A modify that changes nothing.
    NothingToChange,
    /// Anything else.
    Other,
}

/// What a refusal asks of everyone who sends for the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// Neither new orders nor changes for so long; cancels may leave.
    Orders(Nanos),
    /// Nothing at all for so long: the venue lengthens the ban of those who go on.
    Everything(Nanos),
}

impl Backoff {
    /// By the venue's code: too many orders (their shorter window), overload, a ban of the address.
    #[must_use]
    pub const fn of(code: i32) -> Option<Backoff> {
        match code {
            -1015 => Some(Backoff::Orders(Nanos::from_millis(10_000))),
            -1008 => Some(Backoff::Orders(Nanos::from_millis(1_000))),
            -1003 => Some(Backoff::Everything(Nanos::from_millis(10_000))),
            _ => None,
        }
    }
}

impl ErrorText {
    /// Keeps the first 96 bytes.
    #[must_use]
    pub fn new(text: &str) -> ErrorText {
        let mut len = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; TEXT_MAX];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        ErrorText { bytes, len: len as u8 }
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("?")
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl VenueError {
    /// The class of a refusal, by code; the words decide only where one code has several meanings.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        let says = |words: &str| self.text.as_str().contains(words);
        match self.code {
            -1003 | -1015 | -1008 => ErrorClass::RateLimited,
            -1021 => ErrorClass::ClockSkew,
            -1006 | -1007 => ErrorClass::Uncertain,
            -2011 | -2013 | -2026 => ErrorClass::UnknownOrder,
            WOULD_TAKE => ErrorClass::WouldTake,
            -2010 if says("immediately match") => ErrorClass::WouldTake,
            -2010 if says("insufficient balance") => ErrorClass::Funds,
            -2018 | -2019 | -2027 => ErrorClass::Funds,
            -1013 | -1111 | -1106 | -4003..=-4001 | -4016..=-4013 | -4164 | -4131 => {
                ErrorClass::Filter
            }
            -1002 | -1022 | -2014 | -2015 => ErrorClass::Unauthorised,
            -5027 => ErrorClass::NothingToChange,
            _ => ErrorClass::Other,
        }
    }
}
