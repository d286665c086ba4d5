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
use std::ops::Range;

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
    /// What the reader of their figures must know.
    pub notes: Vec<String>,
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
    /// Under stated scenarios, where every option has a volatility that they can move, changes of the rates
    /// of options by factor.
    stressed: Option<&'a [(String, f64)]>,
    factors: Vec<String>,
}

impl Holdings {
    /// Whether an option on this factor is held; known of holdings for stated scenarios.
    #[must_use]
    pub fn has_option_on(&self, factor: &str) -> bool {
        self.factors.contains(&volatility_name(factor))
    }

    /// The value of some of the positions, and their book.
    ///
    /// # Errors
    /// Amounts that together are more than f32 holds.
    pub fn part(&self, positions: Range<usize>) -> Result<(f64, Book), HoldingsError> {
        let mut book = Book::new(self.book.factors());
        for position in &self.positions[positions.clone()] {
            let wrong = |error| HoldingsError::Book { id: position.id.clone(), error };
            book.add_book(&position.book).map_err(wrong)?;
        }
        Ok((self.positions[positions].iter().map(|position| position.value).sum(), book))
    }

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
            notes: Vec::new(),
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
        Holdings::build(portfolio, prices, horizon_years, how, None)
    }

    /// The same for stated scenarios: every option's volatility is a factor of its own, named by
    /// `volatility_name` of the option's factor, whose values are changes (0.1 is ten points). At the horizon
    /// the rates of options on a factor have changed by what `rates` says.
    ///
    /// # Errors
    /// A position that cannot be valued, by its id.
    pub fn stressed(
        portfolio: &Portfolio,
        prices: &Panel,
        horizon_years: f64,
        rates: &[(String, f64)],
    ) -> Result<Holdings, HoldingsError> {
        Holdings::build(portfolio, prices, horizon_years, Revaluation::Full, Some(rates))
    }

    fn build(
        portfolio: &Portfolio,
        prices: &Panel,
        horizon_years: f64,
        how: Revaluation,
        stressed: Option<&[(String, f64)]>,
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
        let notes = portfolio.positions.iter().filter_map(|position| {
            let expiry = Date::parse(position.expiry.as_deref()?)?;
            let within = position.kind == Kind::Option && as_of.years_to(expiry) < horizon_years;
            within.then(|| {
                let id = &position.id;
                format!("`{id}` expires within the horizon: it is settled at the horizon's price")
            })
        });
        let notes = notes.collect();
        Ok(Holdings { base: base.clone(), factors: market.factors, positions, book, notes })
    }
}

/// What a coin-margined position settles in.
enum Coin {
    /// The coin that its factor prices.
    Own,
    /// Another one: its price in base, and what moves it.
    Other(f64, Option<u32>),
}

impl Market<'_> {
    /// The place of a column among the factors, and its last price.
    fn factor(&mut self, id: &str, column: &str) -> Result<(u32, f64), HoldingsError> {
        let values = self.prices.column(column).ok_or_else(|| HoldingsError::NoColumn {
            id: id.to_owned(),
            column: column.to_owned(),
            known: self.prices.symbols().to_vec(),
        })?;
        // the last one that is known: a hole in the newest row is repaired later
        let last = values.iter().rev().copied().find(|value| !value.is_nan()).unwrap_or(f64::NAN);
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
            Kind::Inverse => match self.coin(position, &quote)? {
                // the coin is what the position is about: its profit in coin, at the coin's own new price,
                // is q·m·r of the quote currency
                Coin::Own => {
                    let (rate, currency) = self.rate(id, &quote)?;
                    let term = Linear { factor, exposure: (size * rate) as f32, currency };
                    book.add_linear(term).map_err(wrong)?;
                    Ok(size * rate)
                }
                Coin::Other(rate, currency) => {
                    let scale = size / price * rate;
                    let term = Inverse { factor, scale: scale as f32, currency };
                    book.add_inverse(term).map_err(wrong)?;
                    Ok(scale)
                }
            },
            Kind::Option => self.add_option(position, factor, price, &quote, book),
        }
    }

    /// What a coin-margined position settles in: the coin that it is about, or one that a column prices.
    fn coin(&mut self, position: &Position, quote: &str) -> Result<Coin, HoldingsError> {
        let Some(settle) = position.settle.as_deref() else { return Ok(Coin::Own) };
        if settle == quote {
            let what = format!("it settles in its coin, not in its quote currency {quote}");
            return Err(HoldingsError::Position { id: position.id.clone(), what });
        }
        match self.rate(&position.id, settle) {
            // a column of the coin in base is the position's own factor where both name it
            Ok((rate, Some(factor))) if self.factors[factor as usize] != position.factor() => {
                Ok(Coin::Other(rate, Some(factor)))
            }
            Ok((_, Some(_))) => Ok(Coin::Own),
            Ok((rate, None)) => Ok(Coin::Other(rate, None)),
            Err(_)
                if [position.factor(), &position.symbol].iter().any(|n| n.starts_with(settle)) =>
            {
                Ok(Coin::Own)
            }
            Err(error) => Err(error),
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
            // a stated scenario moves the volatility by itself
            Some(column) if self.stressed.is_some() => {
                let values = self.prices.column(column).unwrap_or_default();
                (None, values.iter().rev().copied().find(|value| !value.is_nan()))
            }
            Some(column) => {
                let (factor, level) = self.factor(id, column)?;
                (Some(factor), Some(level))
            }
            None => (None, None),
        };
        let (volatility_factor, changes) = if self.stressed.is_some() {
            (Some(self.place(&volatility_name(position.factor()))), true)
        } else {
            (volatility_factor, false)
        };
        let volatility = position.vol.or(level).ok_or_else(|| wrong("no vol".to_owned()))?;
        let in_coin = position.settle.as_deref().is_some_and(|settle| settle != quote);
        let (rate, currency) = if in_coin {
            match self.coin(position, quote)? {
                Coin::Other(rate, currency) => (rate, currency),
                Coin::Own if quote == self.base => (price, Some(factor)),
                Coin::Own => {
                    let what = format!(
                        "settled in the coin that {} prices in {quote}, while the base is {}: give the \
                         history a column of the coin in {}",
                        position.factor(),
                        self.base,
                        self.base
                    );
                    return Err(wrong(what));
                }
            }
        } else {
            self.rate(id, quote)?
        };
        let left = (years - self.horizon_years).max(0.0);
        let black = Black {
            forward: price * (position.rate * years).exp(),
            strike,
            volatility,
            years,
            rate: position.rate,
            right,
        };
        let size = position.quantity * position.multiplier;
        let value = black.value();
        let worth = if in_coin { value / price } else { value } * size * rate;
        match self.how {
            Revaluation::Full => {
                let rates = self.stressed.unwrap_or_default().iter();
                let change = rates.filter(|(name, _)| name == position.factor()).map(|(_, by)| by);
                let growth = ((position.rate + change.sum::<f64>()) * left).exp();
                let discounted = strike / growth;
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
                    moneyness: (price * growth / strike) as f32,
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
                if in_coin && currency != Some(factor) {
                    let what = "an option settled in another coin than its own bends in ways that delta and \
                                gamma miss: --revaluation full";
                    return Err(wrong(what.to_owned()));
                }
                let greeks = black.greeks();
                // in coin and back at the new price, the premium itself moves with the coin
                let own = if in_coin { value / price } else { 0.0 };
                let to_base = if in_coin { rate / price } else { rate };
                let delta = (greeks.delta * black.forward / price - own) * price * size * to_base;
                let gamma = 0.5 * greeks.gamma * black.forward * black.forward * size * to_base;
                let vega = greeks.vega * volatility * size * to_base;
                // theta holds the forward still; it is the spot that stays, and the forward falls to it
                let drift = greeks.theta - position.rate * black.forward * greeks.delta;
                let decay = drift * self.horizon_years.min(years) * size * to_base;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Three days of two coins and a currency.
    fn prices() -> Panel {
        let dates = (0..3).map(|day| Date(1_700_000_000 + day * 86_400)).collect();
        let names = ["BTC", "ETH", "USDEUR", "V"].map(str::to_owned).to_vec();
        let columns = vec![
            vec![50_000.0, 55_000.0, 60_000.0],
            vec![2_500.0, 2_800.0, 3_000.0],
            vec![0.8, 0.85, 0.9],
            vec![0.5, 0.6, 0.7],
        ];
        Panel::new(dates, names, columns).expect("sound")
    }

    fn holdings(base: &str, position: &str, how: Revaluation) -> Result<Holdings, HoldingsError> {
        let text =
            format!("base = \"{base}\"\n[[position]]\nid = \"p\"\nsymbol = \"BTC\"\n{position}");
        let portfolio: Portfolio = toml::from_str(&text).expect("sound");
        Holdings::new(&portfolio, &prices(), 1.0 / 365.0, how)
    }

    fn value(base: &str, position: &str) -> f64 {
        let found = holdings(base, position, Revaluation::Full).expect("can be valued");
        found.positions[0].value
    }

    #[test]
    fn an_inverse_is_worth_its_contracts_whatever_the_base() {
        let contracts = "kind = \"inverse\"\nquantity = 60000\nquote = \"USD\"\n";
        for (base, truth) in [("USD", 60_000.0), ("EUR", 54_000.0)] {
            for settle in ["", "settle = \"BTC\"\n"] {
                let found = value(base, &format!("{contracts}{settle}"));
                assert!((found - truth).abs() < 1e-6, "{base} {settle}: {found}");
            }
        }
        for settle in ["USD", "ETX"] {
            let position = format!("{contracts}settle = \"{settle}\"\n");
            let refused = holdings("USD", &position, Revaluation::Full);
            assert!(refused.is_err(), "{settle}: {refused:?}");
        }
        // settled in another coin: as many of its units as the contract's own coin would be
        let other = value("USD", &format!("{contracts}settle = \"ETH\"\n"));
        assert!((other - 60_000.0 / 60_000.0 * 3_000.0).abs() < 1e-9, "{other}");
    }

    fn option(more: &str) -> String {
        format!(
            "kind = \"option\"\nquantity = 1\nstrike = 60000\nexpiry = \"2024-02-01\"\n\
             right = \"call\"\n{more}"
        )
    }

    #[test]
    fn a_hole_in_the_newest_row_does_not_hide_the_price() {
        let mut columns: Vec<Vec<f64>> = prices().columns().to_vec();
        columns[0][2] = f64::NAN;
        let holed = Panel::new(prices().dates().to_vec(), prices().symbols().to_vec(), columns);
        let text = "base = \"USD\"\n[[position]]\nid = \"p\"\nsymbol = \"BTC\"\n\
                    kind = \"spot\"\nquantity = 1\n";
        let portfolio: Portfolio = toml::from_str(text).expect("sound");
        let found = Holdings::new(&portfolio, &holed.expect("sound"), 0.0, Revaluation::Full);
        assert!((found.expect("can be valued").positions[0].value - 55_000.0).abs() < 1e-9);
    }

    #[test]
    fn options_that_expire_within_the_horizon_are_named() {
        let early = option("vol = 0.6\n").replace("2024-02-01", "2023-11-17");
        let found = holdings("USD", &early, Revaluation::Full).expect("can be valued");
        assert!(found.notes.iter().any(|note| note.contains("`p` expires")), "{:?}", found.notes);
        let late =
            holdings("USD", &option("vol = 0.6\n"), Revaluation::Full).expect("can be valued");
        assert!(late.notes.is_empty());
    }

    #[test]
    fn the_decay_of_delta_gamma_holds_the_spot_still() {
        // a day later at the same spot, by full revaluation and by theta
        let position = option("vol = 0.6\nrate = 0.2\n");
        let full = holdings("USD", &position, Revaluation::Full).expect("can be valued");
        let term = &full.book.options()[0];
        let spread = f64::from(term.volatility) * f64::from(term.root_time);
        let first = f64::from(term.moneyness).ln() / spread + 0.5 * spread;
        let cdf = crate::maths::distribution::normal_cdf;
        let later = f64::from(term.moneyness) * cdf(first) - cdf(first - spread);
        let truth = f64::from(term.scale) * (later - f64::from(term.value));
        let approximate =
            holdings("USD", &position, Revaluation::DeltaGamma).expect("can be valued");
        let decay = f64::from(approximate.book.constant());
        assert!((decay / truth - 1.0).abs() < 0.02, "{decay} against {truth}");
    }

    #[test]
    fn a_stated_scenario_moves_the_volatility_by_one_name_only() {
        let text = format!(
            "base = \"USD\"\n[[position]]\nid = \"p\"\nsymbol = \"BTC\"\n{}",
            option("vol_factor = \"V\"\n")
        );
        let portfolio: Portfolio = toml::from_str(&text).expect("sound");
        let found = Holdings::stressed(&portfolio, &prices(), 0.0, &[]).expect("can be valued");
        assert_eq!(found.factors, ["BTC", "volatility of BTC"]);
        assert!((found.book.options()[0].volatility - 0.7).abs() < 1e-6);
    }
}
