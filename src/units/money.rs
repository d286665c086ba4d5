//! Money in minor units of a named currency, and rates in 1e-8.

use bytemuck::{Pod, Zeroable};
use std::fmt;

/// A currency or asset code of up to eight ASCII characters, padded with zeros.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Currency(pub [u8; 8]);

/// An amount in units of 1e-8 of a currency (the precision crypto venues account in).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Money(pub i128);

/// A dimensionless rate in 1e-8: 7.5 bps is `Rate(75_000)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Rate(pub i64);

/// Why a text is no currency code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency code has 1 to 8 ASCII letters or digits")]
pub struct CurrencyError;

impl Currency {
    /// Reads a code such as `USDT`.
    ///
    /// # Errors
    /// When the text is empty, longer than eight bytes or not alphanumeric ASCII.
    pub fn new(code: &str) -> Result<Currency, CurrencyError> {
        let bytes = code.as_bytes();
        if bytes.is_empty() || bytes.len() > 8 || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(CurrencyError);
        }
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Currency(padded))
    }

    /// The code without its padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(8);
        std::str::from_utf8(&self.0[..len]).unwrap_or("?")
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Money {
    /// Minor units in one unit of a currency.
    pub const ONE: i128 = 100_000_000;

    /// Sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// Difference, saturating.
    #[must_use]
    pub const fn minus(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// `self * rate`, rounded half away from zero to a minor unit.
    #[must_use]
    pub const fn times(self, rate: Rate) -> Money {
        let wide = self.0.saturating_mul(rate.0 as i128);
        let half = if wide < 0 { -(Money::ONE / 2) } else { Money::ONE / 2 };
        Money(wide.saturating_add(half) / Money::ONE)
    }

    /// For display and statistics only: the amount in whole units.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Money::ONE as f64
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let one = Money::ONE as u128;
        write!(f, "{sign}{}.{:08}", magnitude / one, magnitude % one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_of_seven_and_a_half_bps_fits() {
        let notional = Money(1_000 * Money::ONE);
        assert_eq!(notional.times(Rate(75_000)), Money(75_000_000));
        assert_eq!(Money(-1).times(Rate(50_000_000)), Money(-1), "half rounds away from zero");
    }

    #[test]
    fn amounts_below_one_keep_their_sign() {
        assert_eq!(Money(-5).to_string(), "-0.00000005");
        assert_eq!(Money(1_234_567_890).to_string(), "12.34567890");
    }

    #[test]
    fn long_codes_are_refused() {
        assert!(Currency::new("TOOLONGNAME").is_err());
        assert_eq!(Currency::new("USDT").unwrap().as_str(), "USDT");
    }
}
