//! A portfolio as its file states it (TOML): `base`, `as_of`, and a `[[position]]` each.
//!
//! Keys of a position: `id`, `symbol`, `kind` (spot, perp, inverse, future, option), `quantity` (signed
//! units or contracts), `multiplier` (1), `quote` (the base), `settle`, `factor` (the symbol: the history's
//! column that moves it), `price` (the factor's last one), and for options `strike`, `expiry`, `right`,
//! `style` (european), `vol` (annual) or `vol_factor` (a column of annual volatilities), `rate` (0).

use super::option::Right;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What a position is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The thing itself.
    Spot,
    /// A perpetual, margined in its quote currency.
    Perp,
    /// A perpetual or future margined in its coin; `multiplier` is the contract's worth in quote.
    Inverse,
    /// A dated future.
    Future,
    /// A European option.
    Option,
}

/// A holding.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Name in reports.
    pub id: String,
    /// What is held.
    pub symbol: String,
    /// Its kind.
    pub kind: Kind,
    /// Signed units or contracts.
    pub quantity: f64,
    /// What a contract holds.
    #[serde(default = "one")]
    pub multiplier: f64,
    /// Currency of its price; the base where none is named.
    pub quote: Option<String>,
    /// Currency of its profit; the quote where none is named.
    pub settle: Option<String>,
    /// The history's column that moves it.
    pub factor: Option<String>,
    /// Price today (of the underlying, for an option).
    pub price: Option<f64>,
    /// Strike.
    pub strike: Option<f64>,
    /// Expiry, a date.
    pub expiry: Option<String>,
    /// Call or put.
    pub right: Option<Right>,
    /// Exercise.
    pub style: Option<String>,
    /// Annual volatility.
    pub vol: Option<f64>,
    /// A column of annual volatilities.
    pub vol_factor: Option<String>,
    /// Annual rate, where the factor is a spot.
    #[serde(default)]
    pub rate: f64,
    /// Margin posted, for reports.
    pub margin: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Position {
    /// The history's column that moves it.
    #[must_use]
    pub fn factor(&self) -> &str {
        self.factor.as_deref().unwrap_or(&self.symbol)
    }
}

/// Everything held.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portfolio {
    /// The currency of reports.
    pub base: String,
    /// When the prices hold; the history's last date where none is named.
    pub as_of: Option<String>,
    /// Holdings.
    #[serde(rename = "position", default)]
    pub positions: Vec<Position>,
}

/// Why a portfolio file is refused.
#[derive(Debug, thiserror::Error)]
pub enum PortfolioError {
    /// One file for two portfolios.
    #[error("{}: given twice; each portfolio is a file of its own", .0.display())]
    Twice(PathBuf),
    /// Two that cannot stand together.
    #[error(
        "{}: its {what} is {found}, that of {} is {wanted}; portfolios under one set of scenarios have \
         the same",
        .other.display(), .first.display()
    )]
    Apart {
        /// The first file.
        first: PathBuf,
        /// The one that differs.
        other: PathBuf,
        /// In what.
        what: &'static str,
        /// What the first one says.
        wanted: String,
        /// What the other one says.
        found: String,
    },
    /// The file.
    #[error("{}: {error}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its text.
    #[error("{}: {}", .path.display(), .error.to_string().trim_end())]
    Text {
        /// Which.
        path: PathBuf,
        /// Why.
        error: toml::de::Error,
    },
    /// A position.
    #[error("position `{id}`: {what}")]
    Position {
        /// Which.
        id: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// None.
    #[error("{}: no position; add a [[position]]", .0.display())]
    Empty(PathBuf),
}

impl Portfolio {
    /// Reads a file and checks what needs no history.
    ///
    /// # Errors
    /// What is wrong, with line or position.
    pub fn read(path: &Path) -> Result<Portfolio, PortfolioError> {
        let open = |error| PortfolioError::Open { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(open)?;
        let portfolio: Portfolio = toml::from_str(&text)
            .map_err(|error| PortfolioError::Text { path: path.to_owned(), error })?;
        if portfolio.positions.is_empty() {
            return Err(PortfolioError::Empty(path.to_owned()));
        }
        portfolio.check()?;
        Ok(portfolio)
    }

    fn check(&self) -> Result<(), PortfolioError> {
        for (at, position) in self.positions.iter().enumerate() {
            let wrong = |what: String| PortfolioError::Position { id: position.id.clone(), what };
            if self.positions[..at].iter().any(|other| other.id == position.id) {
                return Err(wrong("the id stands there twice".to_owned()));
            }
            let positive = [
                ("price", position.price),
                ("strike", position.strike),
                ("vol", position.vol),
                ("multiplier", Some(position.multiplier)),
            ];
            for (name, value) in positive {
                if let Some(value) = value.filter(|x| !(x.is_finite() && *x > 0.0)) {
                    return Err(wrong(format!("{name} = {value}; it must be above zero")));
                }
            }
            for (name, value) in [("quantity", position.quantity), ("rate", position.rate)] {
                if !value.is_finite() {
                    return Err(wrong(format!("{name} = {value} is no number")));
                }
            }
            if position.kind == Kind::Option {
                let lacks = [
                    ("strike", position.strike.is_none()),
                    ("expiry", position.expiry.is_none()),
                    ("right", position.right.is_none()),
                    ("vol or vol_factor", position.vol.is_none() && position.vol_factor.is_none()),
                ];
                if let Some((name, _)) = lacks.into_iter().find(|(_, lacks)| *lacks) {
                    return Err(wrong(format!("an option needs {name}")));
                }
                let style = position.style.as_deref().unwrap_or("european");
                if style != "european" {
                    return Err(wrong(format!("style = \"{style}\"; only european is valued")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portfolio(position: &str) -> Result<Portfolio, String> {
        let text = format!("base = \"USD\"\n[[position]]\n{position}");
        let portfolio: Portfolio = toml::from_str(&text).map_err(|error| error.to_string())?;
        portfolio.check().map_err(|error| error.to_string())?;
        Ok(portfolio)
    }

    #[test]
    fn positions_are_read_with_their_defaults() {
        let found = portfolio("id = \"a\"\nsymbol = \"BTC\"\nkind = \"spot\"\nquantity = -2\n");
        let position = &found.expect("sound").positions[0];
        assert_eq!((position.factor(), position.multiplier), ("BTC", 1.0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says = |position: &str, part: &str| {
            let error = portfolio(position).expect_err("is wrong");
            assert!(error.contains(part), "{error}");
        };
        let spot = "id = \"a\"\nsymbol = \"X\"\nkind = \"spot\"\n";
        says(spot, "quantity");
        says(&format!("{spot}quantity = nan\n"), "quantity");
        says(&format!("{spot}quantity = 1\nprice = -3\n"), "price = -3");
        says(&format!("{spot}quantity = 1\nsize = 3\n"), "size");
        let option = "id = \"o\"\nsymbol = \"X\"\nkind = \"option\"\nquantity = 1\nstrike = 5\n";
        says(option, "expiry");
        let full = format!("{option}expiry = \"2025-01-01\"\nright = \"call\"\nvol = 0.5\n");
        assert!(portfolio(&full).is_ok());
        says(&format!("{full}style = \"american\"\n"), "european");
    }
}
