//! Holdings: a portfolio's positions as exposures to the history's columns.
//!
//! `Portfolio + prices -> Holdings`: the factors in use, one `Book` of everything, one of each position for
//! contributions. Values and signs as FORMATS has them: linear q·m·ΔP in quote currency, converted at the
//! scenario's rate; inverse q·m·(1/P₀ − 1/P₁) in coin, at the scenario's price of the coin; options by
//! Black-76 at the horizon, time lost until then included.

use crate::compute::scenarios::{
    Book, BookError, Inverse, Linear, OptionTerm, Right as KernelRight, Square,
};
use crate::history::Panel;
use crate::history::date::Date;
use crate::instrument::option::{Black, Right};
use crate::instrument::position::{Kind, Portfolio, Position};

/// How options are revalued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revaluation {
    /// In full, in every scenario.
    Full,
    /// By delta, gamma and vega of today.
    DeltaGamma,
}

/// Why holdings cannot be valued.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HoldingsError {
    /// A column that the history lacks.
    #[error("position `{id}`: the history has no column `{column}`; it has {}", .known.join(", "))]
    NoColumn {
        /// Position.
        id: String,
        /// Column.
        column: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A currency that nothing converts.
    #[error(
        "position `{id}`: nothing converts {currency} to {base}; give the history a column \
         `{currency}{base}`, or write quote = \"{base}\" if you take the two as equal"
    )]
    NoRate {
        /// Position.
        id: String,
        /// From.
        currency: String,
        /// To.
        base: String,
    },
    /// A date.
    #[error("position `{id}`: {what}")]
    Position {
        /// Position.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// `as_of`.
    #[error("as_of = \"{0}\" is no date; write 2024-08-09T00:00:00Z")]
    AsOf(String),
    /// A number that the kernel refuses.
    #[error("position `{id}`: {error}")]
    Book {
        /// Position.
        id: String,
        /// Why.
        error: BookError,
    },
}

/// A position as the kernel sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// Its id.
    pub id: String,
    /// Its value today in base (of an option; the notional of everything else).
    pub value: f64,
    /// Itself alone, over the same factors as the whole.
    pub book: Book,
}

/// Everything held.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdings {
    /// Currency of all amounts.
    pub base: String,
    /// Columns in use; a scenario holds a return of each, in this order.
    pub factors: Vec<String>,
    /// Positions.
    pub positions: Vec<Holding>,
    /// All of them together.
    pub book: Book,
}

/// What a scenario calls the volatility of the options on a factor.
#[must_use]
pub fn volatility_name(factor: &str) -> String {
    format!("volatility of {factor}")
}

/// What positions are valued with.
struct Market<'a> {
    prices: &'a Panel,
    base: &'a str,
    as_of: Date,
    horizon_years: f64,
    how: Revaluation,
    /// Whether every option has a volatility that a scenario can move.
    stressed: bool,
    factors: Vec<String>,
}

impl Holdings {
    /// One position of `notional`, moved by one factor.
    #[must_use]
    pub fn single(notional: f64) -> Holdings {
        let mut book = Book::new(1);
        let term = Linear { factor: 0, exposure: notional as f32, currency: None };
        // a notional beyond f32 is refused where it is read
        let _fits = book.add_linear(term);
        Holdings {
            base: String::new(),
            factors: vec!["position".to_owned()],
            positions: vec![Holding {
                id: "position".to_owned(),
                value: notional,
                book: book.clone(),
            }],
            book,
        }
    }

    /// Values a portfolio at the last row of `prices`.
    ///
    /// # Errors
    /// A position that cannot be valued, by its id.
    pub fn new(
        portfolio: &Portfolio,
        prices: &Panel,
        horizon_years: f64,
        how: Revaluation,
    ) -> Result<Holdings, HoldingsError> {
        Holdings::build(portfolio, prices, horizon_years, how, false)
    }

    /// The same for stated scenarios: every option's volatility is a factor of its own, named by
    /// `volatility_name` of the option's factor, whose values are changes (0.1 is ten points).
    ///
    /// # Errors
    /// A position that cannot be valued, by its id.
    pub fn stressed(
        portfolio: &Portfolio,
        prices: &Panel,
        horizon_years: f64,
    ) -> Result<Holdings, HoldingsError> {
        Holdings::build(portfolio, prices, horizon_years, Revaluation::Full, true)
    }

    fn build(
        portfolio: &Portfolio,
        prices: &Panel,
        horizon_years: f64,
        how: Revaluation,
        stressed: bool,
    ) -> Result<Holdings, HoldingsError> {
        let last = prices.dates().last().copied().unwrap_or(Date(0));
        let as_of = match &portfolio.as_of {
            Some(text) => Date::parse(text).ok_or_else(|| HoldingsError::AsOf(text.clone()))?,
            None => last,
        };
        let base = &portfolio.base;
        let factors = Vec::new();
        let mut market = Market { prices, base, as_of, horizon_years, how, stressed, factors };
        // once to learn the factors, once more with their number known
        for position in &portfolio.positions {
            let mut scratch = Book::new(u32::MAX as usize);
            market.add(position, &mut scratch)?;
        }
        let count = market.factors.len();
        let mut book = Book::new(count);
        let mut positions = Vec::new();
        for position in &portfolio.positions {
            let mut own = Book::new(count);
            let value = market.add(position, &mut own)?;
            market.add(position, &mut book)?;
            positions.push(Holding { id: position.id.clone(), value, book: own });
        }
        Ok(Holdings { base: base.clone(), factors: market.factors, positions, book })
    }
}

impl Market<'_> {
    /// The place of a column among the factors, and its last price.
    fn factor(&mut self, id: &str, column: &str) -> Result<(u32, f64), HoldingsError> {
        let values = self.prices.column(column).ok_or_else(|| HoldingsError::NoColumn {
            id: id.to_owned(),
            column: column.to_owned(),
            known: self.prices.symbols().to_vec(),
        })?;
        let last = values.last().copied().unwrap_or(f64::NAN);
        Ok((self.place(column), last))
    }

    /// A factor's place; a name that is new gets one.
    fn place(&mut self, name: &str) -> u32 {
        let known = self.factors.iter().position(|other| other == name);
        let place = known.unwrap_or_else(|| {
            self.factors.push(name.to_owned());
            self.factors.len() - 1
        });
        place as u32
    }

    /// What one unit of a currency is in base, and the factor that moves it.
    fn rate(&mut self, id: &str, currency: &str) -> Result<(f64, Option<u32>), HoldingsError> {
        let base = self.base;
        if currency == base {
            return Ok((1.0, None));
        }
        let names = ["", "/", "-", "_"].map(|between| format!("{currency}{between}{base}"));
        let names = names.into_iter().chain([currency.to_owned()]);
        let found = names.into_iter().find(|name| self.prices.column(name).is_some());
        let found = found.ok_or_else(|| HoldingsError::NoRate {
            id: id.to_owned(),
            currency: currency.to_owned(),
            base: base.to_owned(),
        })?;
        self.factor(id, &found).map(|(factor, rate)| (rate, Some(factor)))
    }

    /// Adds a position to a book; its value.
    fn add(&mut self, position: &Position, book: &mut Book) -> Result<f64, HoldingsError> {
        let id = &position.id;
        let (factor, last) = self.factor(id, position.factor())?;
        let price = position.price.unwrap_or(last);
        let quote = position.quote.clone().unwrap_or_else(|| self.base.to_owned());
        let size = position.quantity * position.multiplier;
        let wrong = |error| HoldingsError::Book { id: id.clone(), error };
        match position.kind {
            Kind::Spot | Kind::Perp | Kind::Future => {
                let (rate, currency) = self.rate(id, &quote)?;
                let value = size * price * rate;
                let term = Linear { factor, exposure: value as f32, currency };
                book.add_linear(term).map_err(wrong)?;
                Ok(value)
            }
            Kind::Inverse => {
                let (coin_rate, coin) = self.coin(position, &quote, factor, price)?;
                let scale = size / price * coin_rate;
                if coin == Some(factor) {
                    // r/(1 + r)·(1 + r): the coin's profit at the coin's own new price
                    let term = Linear { factor, exposure: scale as f32, currency: None };
                    book.add_linear(term).map_err(wrong)?;
                } else {
                    let term = Inverse { factor, scale: scale as f32, currency: coin };
                    book.add_inverse(term).map_err(wrong)?;
                }
                Ok(scale)
            }
            Kind::Option => self.add_option(position, factor, price, &quote, book),
        }
    }

    /// What a coin is in base, and the factor that moves it: a column of its own, or the position's factor
    /// where that is the coin priced in base.
    fn coin(
        &mut self,
        position: &Position,
        quote: &str,
        factor: u32,
        price: f64,
    ) -> Result<(f64, Option<u32>), HoldingsError> {
        let settle = position.settle.clone().unwrap_or_else(|| quote.to_owned());
        match self.rate(&position.id, &settle) {
            Err(HoldingsError::NoRate { .. }) if quote == self.base => Ok((price, Some(factor))),
            Ok((rate, None)) if position.settle.is_none() => {
                // an inverse without a named coin settles in what it is about
                let _ = rate;
                Ok((price, Some(factor)))
            }
            found => found,
        }
    }

    fn add_option(
        &mut self,
        position: &Position,
        factor: u32,
        price: f64,
        quote: &str,
        book: &mut Book,
    ) -> Result<f64, HoldingsError> {
        let id = &position.id;
        let wrong = |what: String| HoldingsError::Position { id: id.clone(), what };
        let refused = |error| HoldingsError::Book { id: id.clone(), error };
        let lacks = || wrong("an option needs strike, expiry and right".to_owned());
        let strike = position.strike.ok_or_else(lacks)?;
        let right = position.right.ok_or_else(lacks)?;
        let expiry = position.expiry.as_deref().ok_or_else(lacks)?;
        let expiry = Date::parse(expiry)
            .ok_or_else(|| wrong(format!("expiry = \"{expiry}\" is no date")))?;
        let years = self.as_of.years_to(expiry);
        if years < 0.0 {
            return Err(wrong(format!("it expired on {expiry}, before {}", self.as_of)));
        }
        let (volatility_factor, level) = match &position.vol_factor {
            Some(column) => {
                let (factor, level) = self.factor(id, column)?;
                (Some(factor), Some(level))
            }
            None => (None, None),
        };
        let (volatility_factor, changes) = if self.stressed {
            (Some(self.place(&volatility_name(position.factor()))), true)
        } else {
            (volatility_factor, false)
        };
        let volatility = position.vol.or(level).ok_or_else(|| wrong("no vol".to_owned()))?;
        let in_coin = position.settle.as_deref().is_some_and(|settle| settle != quote);
        let (rate, currency) = if in_coin {
            self.coin(position, quote, factor, price)?
        } else {
            self.rate(id, quote)?
        };
        let left = (years - self.horizon_years).max(0.0);
        let grown = |years: f64| price * (position.rate * years).exp();
        let black =
            Black { forward: grown(years), strike, volatility, years, rate: position.rate, right };
        let size = position.quantity * position.multiplier;
        let value = black.value();
        let worth = if in_coin { value / price } else { value } * size * rate;
        match self.how {
            Revaluation::Full => {
                let discounted = strike * (-position.rate * left).exp();
                let unit = if in_coin { 1.0 } else { discounted };
                let paid = if in_coin { value / price } else { value / discounted };
                let term = OptionTerm {
                    factor,
                    volatility_factor,
                    volatility_scale: if changes { 1.0 } else { volatility as f32 },
                    right: match right {
                        Right::Call => KernelRight::Call,
                        Right::Put => KernelRight::Put,
                    },
                    moneyness: (grown(left) / strike) as f32,
                    volatility: volatility as f32,
                    root_time: left.sqrt() as f32,
                    value: paid as f32,
                    scale: (size * rate * unit) as f32,
                    in_coin,
                    currency,
                };
                book.add_option(term).map_err(refused)?;
            }
            Revaluation::DeltaGamma => {
                let greeks = black.greeks();
                // in coin and back at the new price, the premium itself moves with the coin
                let own = if in_coin { value / price } else { 0.0 };
                let to_base = if in_coin { rate / price } else { rate };
                let delta = (greeks.delta * black.forward / price - own) * price * size * to_base;
                let gamma = 0.5 * greeks.gamma * black.forward * black.forward * size * to_base;
                let vega = greeks.vega * volatility * size * to_base;
                let decay = greeks.theta * self.horizon_years.min(years) * size * to_base;
                let linear = |factor, exposure: f64| Linear {
                    factor,
                    exposure: exposure as f32,
                    currency: None,
                };
                book.add_linear(linear(factor, delta)).map_err(refused)?;
                book.add_square(Square { factor, half_gamma: gamma as f32 }).map_err(refused)?;
                if let Some(volatility) = volatility_factor {
                    book.add_linear(linear(volatility, vega)).map_err(refused)?;
                }
                book.add_constant(decay as f32);
            }
        }
        Ok(worth)
    }
}
