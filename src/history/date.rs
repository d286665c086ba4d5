//! Dates of a history: the end of a period, UTC, as seconds since 1970.
//!
//! Read from ISO 8601 (`2024-08-09`, `2024-08-09 23:59:59`, `…T…Z`, fractions dropped), from `20240809`,
//! and from epoch seconds, milli-, micro- or nanoseconds by their size.

use std::fmt;

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i64);

const DAY: i64 = 86_400;

impl Date {
    /// Reads a date; None where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Date> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return whole(text);
        }
        let (day, time) = match text.find(['T', ' ']) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        // a year of four digits: 1-2-24 is anybody's guess
        if day.find('-') != Some(4) {
            return None;
        }
        let mut parts = day.splitn(3, '-');
        let mut next = || parts.next().and_then(|part| part.parse::<i64>().ok());
        let seconds = days(next()?, next()?, next()?)? * DAY;
        clock(time).map(|within| Date(seconds + within))
    }

    /// The calendar day.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Years to a later date, of 365 days (Deribit's convention).
    #[must_use]
    pub fn years_to(self, later: Date) -> f64 {
        (later.0 - self.0) as f64 / (365.0 * DAY as f64)
    }
}

/// `YYYYMMDD`, or an epoch whose unit its size tells.
fn whole(text: &str) -> Option<Date> {
    let number: i64 = text.parse().ok()?;
    match text.len() {
        8 => days(number / 10_000, number / 100 % 100, number % 100).map(|day| Date(day * DAY)),
        9..=11 => Some(Date(number)),
        12..=14 => Some(Date(number / 1_000)),
        15..=17 => Some(Date(number / 1_000_000)),
        18..=19 => Some(Date(number / 1_000_000_000)),
        _ => None,
    }
}

/// `HH:MM[:SS[.fff]]` with Z, an offset or nothing behind; empty is midnight.
fn clock(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.trim_end_matches(['Z', 'z']).trim_end_matches(" UTC");
    let sign_at = text.rfind(['+', '-']);
    let (time, offset) = match sign_at {
        Some(at) => {
            // ±HH, ±HHMM or ±HH:MM
            let digits = text[at + 1..].replace(':', "");
            let (hours, minutes) = match digits.len() {
                2 => (&digits[..], "0"),
                4 => digits.split_at(2),
                _ => return None,
            };
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let offset = hours * 3_600 + minutes * 60;
            (&text[..at], if text[at..].starts_with('-') { -offset } else { offset })
        }
        None => (text, 0),
    };
    let mut parts = time.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second = parts.next().unwrap_or("0").split('.').next()?.parse::<i64>().ok()?;
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    fits.then_some(hour * 3_600 + minute * 60 + second - offset)
}

/// Days since 1970 of a Gregorian day (the civil-from-days arithmetic over 400-year eras).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || !(1..=9_999).contains(&year) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shifted = self.day() + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + years + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        let within = self.0.rem_euclid(DAY);
        if within != 0 {
            write!(f, "T{:02}:{:02}:{:02}Z", within / 3_600, within / 60 % 60, within % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form() {
        let day = Some(Date(1_723_161_600));
        for text in [
            "2024-08-09",
            "20240809",
            "2024-08-09T00:00:00Z",
            "2024-08-09 02:00:00+02:00",
            "2024-08-09 02:00+0200",
        ] {
            assert_eq!(Date::parse(text), day, "{text}");
        }
        for text in ["1723161600", "1723161600000", "1723161600000000", "1723161600000000000"] {
            assert_eq!(Date::parse(text), day, "{text}");
        }
        assert_eq!(Date::parse("2013-04-29 23:59:59"), Some(Date(1_367_279_999)));
        for text in [
            "",
            "soon",
            "2024-02-30",
            "2024-13-01",
            "24:00",
            "2024-08-09 25:00",
            "-5",
            "1-2-24",
            "2024-08-09 00:00+9000",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_read() {
        for text in ["1969-12-31", "1970-01-01", "2000-02-29", "2024-12-31", "2013-04-29T23:59:59Z"]
        {
            assert_eq!(Date::parse(text).map(|date| date.to_string()).as_deref(), Some(text));
        }
    }
}
