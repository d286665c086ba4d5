//! The parameters of a request, from JSON or a query, and whether their signature is right.

use super::refusal::Refusal;
use crate::record::Instrument;
use crate::units::{Decimal, UnixNanos};
use crate::venue::binance::session::Signer;

/// Default window of a signed request, and the longest one allowed, in milliseconds.
const WINDOW_MS: (u64, u64) = (5_000, 60_000);

/// How far ahead of the venue's clock a request may be, in milliseconds.
const AHEAD_MS: u64 = 1_000;

/// Most parameters of one request.
const PARAMETERS_MAX: usize = 64;

/// Names and values as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    /// The query as it came, without its signature: what REST signs.
    query: Option<String>,
}

impl Parameters {
    /// The members of a JSON object; texts, numbers and booleans only.
    ///
    /// # Errors
    /// `-1102` naming a member of another kind.
    pub fn of_json(
        params: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Parameters, Refusal> {
        let mut pairs = Vec::with_capacity(params.len());
        for (name, value) in params.iter().take(PARAMETERS_MAX) {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(flag) => flag.to_string(),
                _ => return Err(Refusal::missing(name)),
            };
            pairs.push((name.clone(), text));
        }
        pairs.sort_unstable();
        Ok(Parameters { pairs, query: None })
    }

    /// The pairs of a query such as `symbol=BTCUSDT&limit=5`.
    #[must_use]
    pub fn of_query(query: &str) -> Parameters {
        let signed = query.split("&signature=").next().unwrap_or(query);
        let parts = query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX);
        let pairs = parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        });
        Parameters { pairs: pairs.collect(), query: Some(signed.to_owned()) }
    }

    /// A value; absent and empty are the same.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// `-1102`.
    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    /// A whole number.
    ///
    /// # Errors
    /// `-1102` where it is absent, `-1100` where it is no whole number.
    pub fn whole(&self, name: &str) -> Result<u64, Refusal> {
        self.need(name)?.parse().map_err(|_| Refusal::illegal(name))
    }

    /// A plain decimal.
    ///
    /// # Errors
    /// As `whole`; `-1111` beyond what 64 bits hold.
    pub fn decimal(&self, name: &str) -> Result<Decimal, Refusal> {
        let text = self.need(name)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !plain || text.len() > 41 {
            return Err(Refusal::illegal(name));
        }
        Decimal::parse(text).map_err(|error| match error {
            crate::units::DecimalError::Malformed => Refusal::illegal(name),
            crate::units::DecimalError::TooLong => {
                Refusal::new(-1111, "Precision is over the maximum defined for this asset.")
            }
        })
    }

    /// `true` or `false`; absent is false.
    ///
    /// # Errors
    /// `-1100` for anything else.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false" | "FALSE") => Ok(false),
            Some("true" | "TRUE") => Ok(true),
            Some(_) => Err(Refusal::illegal(name)),
        }
    }

    /// The instrument that `symbol` names.
    ///
    /// # Errors
    /// `-1102` without it, `-1121` where it is not listed.
    pub fn instrument<'a>(&self, listed: &'a [Instrument]) -> Result<&'a Instrument, Refusal> {
        let symbol = self.need("symbol")?;
        listed.iter().find(|of| of.symbol.as_str() == symbol).ok_or(Refusal::SYMBOL)
    }

    /// What the signature signs: the query as it came, or the pairs sorted by name.
    fn payload(&self) -> String {
        if let Some(query) = &self.query {
            return query.clone();
        }
        let pairs = self.pairs.iter().filter(|(name, _)| name != "signature");
        let texts: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
        texts.join("&")
    }

    /// Checks key, signature and time. Without a configured key any key is taken unsigned.
    ///
    /// # Errors
    /// `-2015` (another key), `-1102` (no signature), `-1022` (a wrong one), `-1021` (time).
    pub fn verify(
        &self,
        key: &str,
        expected: Option<&Signer>,
        wall: UnixNanos,
    ) -> Result<(), Refusal> {
        if let Some(signer) = expected {
            if key != signer.api_key() {
                return Err(Refusal::KEY);
            }
            // Both kinds of signature are functions of key and payload, so they can be compared.
            let signature = self.need("signature")?;
            if signer.sign(self.payload().as_bytes()).as_str() != signature {
                return Err(Refusal::SIGNATURE);
            }
            self.need("timestamp")?;
        }
        self.timely(wall)
    }

    /// Checks `timestamp`, where there is one, against the window.
    ///
    /// # Errors
    /// `-1021` outside of it, `-1100` where it is no number.
    pub fn timely(&self, wall: UnixNanos) -> Result<(), Refusal> {
        if self.get("timestamp").is_none() {
            return Ok(());
        }
        let sent = self.whole("timestamp")?;
        let window =
            self.get("recvWindow").map_or(Ok(WINDOW_MS.0), |_| self.whole("recvWindow"))?;
        let now = wall.0 / 1_000_000;
        let late = now.saturating_sub(sent) > window.min(WINDOW_MS.1);
        if late || sent.saturating_sub(now) > AHEAD_MS { Err(Refusal::CLOCK) } else { Ok(()) }
    }
}

/// A query text with its `%XX` undone; what is no UTF-8 afterwards is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_their_escapes() {
        let params = Parameters::of_query("symbol=BTC%55SDT&x=%zz%&limit=5&signature=a%2Fb");
        assert_eq!(params.need("symbol"), Ok("BTCUSDT"));
        assert_eq!(params.need("x"), Ok("%zz%"));
        assert_eq!((params.whole("limit"), params.get("signature")), (Ok(5), Some("a/b")));
        assert_eq!(params.payload(), "symbol=BTC%55SDT&x=%zz%&limit=5");
        assert_eq!(params.need("y").unwrap_err().code, -1102);
        assert_eq!(params.whole("x").unwrap_err().code, -1100);
    }

    #[test]
    fn a_window_has_two_ends() {
        let at = |millis: u64| Parameters::of_query(&format!("timestamp={millis}"));
        let wall = UnixNanos::from_millis(1_000_000);
        assert_eq!(at(1_000_000).timely(wall), Ok(()));
        assert_eq!(at(995_000).timely(wall), Ok(()));
        assert_eq!(at(994_999).timely(wall), Err(Refusal::CLOCK));
        assert_eq!(at(1_001_001).timely(wall), Err(Refusal::CLOCK));
    }
}
