//! A book as the kernel wants it: numbers in lists, checked once.

/// A factor whose return turns a profit into the base currency; none where it is in base already.
pub type Currency = Option<u32>;

/// e·r of one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Whose return.
    pub factor: u32,
    /// Profit of a return of one, in base at today's rates.
    pub exposure: f32,
    /// What the profit is in.
    pub currency: Currency,
}

/// ½γ·r² of one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Whose return.
    pub factor: u32,
    /// ½γ, in base.
    pub half_gamma: f32,
}

/// A coin-margined position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inverse {
    /// Whose return.
    pub factor: u32,
    /// Contracts' worth in the coin at today's price, times the coin's price in base.
    pub scale: f32,
    /// The coin.
    pub currency: Currency,
}

/// Call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To buy.
    Call,
    /// To sell.
    Put,
}

/// A European option at the horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionTerm {
    /// The underlying's factor.
    pub factor: u32,
    /// The factor that moves the volatility; none where it stays.
    pub volatility_factor: Option<u32>,
    /// What its value is times: one where it is a change, the volatility where it is a return.
    pub volatility_scale: f32,
    /// Call or put.
    pub right: Right,
    /// Forward over strike with the price as it is and the horizon's time left.
    pub moneyness: f32,
    /// Volatility, annual.
    pub volatility: f32,
    /// √T left at the horizon, T in years; zero at expiry.
    pub root_time: f32,
    /// Value today in units of the strike (in units of the coin's worth where settled in coin).
    pub value: f32,
    /// What one unit of value is worth in base.
    pub scale: f32,
    /// Whether the value is paid in the underlying coin.
    pub in_coin: bool,
    /// What the profit is in.
    pub currency: Currency,
}

/// A book; `factors` returns make a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    factors: usize,
    constant: f32,
    groups: Vec<Group>,
    squares: Vec<Square>,
    inverses: Vec<Inverse>,
    options: Vec<OptionTerm>,
}

/// Linear positions whose profits are in one currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The currency.
    pub currency: Currency,
    /// Factor and exposure, factors ascending.
    pub terms: Vec<(u32, f32)>,
}

/// Why there is no such book.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BookError {
    /// A factor that no scenario holds.
    #[error("{what} {index} is about factor {factor}, but scenarios have {factors}")]
    Factor {
        /// Which list.
        what: &'static str,
        /// Place in it.
        index: usize,
        /// The factor.
        factor: u32,
        /// How many there are.
        factors: usize,
    },
    /// A number that values nothing.
    #[error("{what} {index}: {name} is {value}")]
    Number {
        /// Which list.
        what: &'static str,
        /// Place in it.
        index: usize,
        /// Which number.
        name: &'static str,
        /// What it is.
        value: f32,
    },
}

/// Below this spread of ln m an option is worth what it would pay at once, to f32's last digit.
pub(super) const SPREAD_MIN: f32 = 1e-6;
/// A volatility that a scenario pushes below is held here.
pub(super) const VOLATILITY_MIN: f32 = 1e-4;

impl Book {
    /// An empty book of `factors` factors.
    #[must_use]
    pub fn new(factors: usize) -> Book {
        Book { factors, ..Book::default() }
    }

    /// Adds what comes whatever happens (time value lost until the horizon), in base.
    pub fn add_constant(&mut self, amount: f32) {
        self.constant += amount;
    }

    /// Adds a linear position; those of one factor and currency are summed.
    ///
    /// # Errors
    /// A factor beyond the scenarios', or a number that is none.
    pub fn add_linear(&mut self, term: Linear) -> Result<(), BookError> {
        let index = self.groups.iter().map(|group| group.terms.len()).sum();
        self.check("linear position", index, term.factor, term.currency)?;
        finite("linear position", index, "exposure", term.exposure)?;
        let place = self.groups.iter().position(|group| group.currency == term.currency);
        let place = place.unwrap_or_else(|| {
            self.groups.push(Group { currency: term.currency, terms: Vec::new() });
            self.groups.len() - 1
        });
        let terms = &mut self.groups[place].terms;
        match terms.binary_search_by_key(&term.factor, |&(factor, _)| factor) {
            Ok(found) => terms[found].1 += term.exposure,
            Err(gap) => terms.insert(gap, (term.factor, term.exposure)),
        }
        Ok(())
    }

    /// Adds a square.
    ///
    /// # Errors
    /// A factor beyond the scenarios', or a number that is none.
    pub fn add_square(&mut self, term: Square) -> Result<(), BookError> {
        let index = self.squares.len();
        self.check("square", index, term.factor, None)?;
        finite("square", index, "half gamma", term.half_gamma)?;
        match self.squares.iter_mut().find(|square| square.factor == term.factor) {
            Some(square) => square.half_gamma += term.half_gamma,
            None => self.squares.push(term),
        }
        Ok(())
    }

    /// Adds a coin-margined position.
    ///
    /// # Errors
    /// A factor beyond the scenarios', or a number that is none.
    pub fn add_inverse(&mut self, term: Inverse) -> Result<(), BookError> {
        let index = self.inverses.len();
        self.check("inverse position", index, term.factor, term.currency)?;
        finite("inverse position", index, "scale", term.scale)?;
        self.inverses.push(term);
        Ok(())
    }

    /// Adds an option.
    ///
    /// # Errors
    /// A factor beyond the scenarios', or a number that values nothing.
    pub fn add_option(&mut self, term: OptionTerm) -> Result<(), BookError> {
        let index = self.options.len();
        self.check("option", index, term.factor, term.currency)?;
        if let Some(factor) = term.volatility_factor {
            self.check("option", index, factor, None)?;
        }
        finite("option", index, "scale", term.scale)?;
        finite("option", index, "value", term.value)?;
        finite("option", index, "volatility scale", term.volatility_scale)?;
        let positive = [
            ("moneyness", term.moneyness, f32::MIN_POSITIVE),
            ("volatility", term.volatility, f32::MIN_POSITIVE),
            ("time left", term.root_time, 0.0),
        ];
        for (name, value, least) in positive {
            if !(value.is_finite() && value >= least) {
                return Err(BookError::Number { what: "option", index, name, value });
            }
        }
        self.options.push(term);
        Ok(())
    }

    /// Adds all that another book of the same factors holds.
    ///
    /// # Errors
    /// A factor beyond the scenarios'.
    pub fn add_book(&mut self, other: &Book) -> Result<(), BookError> {
        self.add_constant(other.constant);
        for group in &other.groups {
            for &(factor, exposure) in &group.terms {
                self.add_linear(Linear { factor, exposure, currency: group.currency })?;
            }
        }
        other.squares.iter().try_for_each(|term| self.add_square(*term))?;
        other.inverses.iter().try_for_each(|term| self.add_inverse(*term))?;
        other.options.iter().try_for_each(|term| self.add_option(*term))
    }

    fn check(
        &self,
        what: &'static str,
        index: usize,
        factor: u32,
        currency: Currency,
    ) -> Result<(), BookError> {
        for factor in std::iter::once(factor).chain(currency) {
            if factor as usize >= self.factors {
                return Err(BookError::Factor { what, index, factor, factors: self.factors });
            }
        }
        Ok(())
    }

    /// Returns a scenario holds.
    #[must_use]
    pub fn factors(&self) -> usize {
        self.factors
    }

    /// What comes whatever happens.
    #[must_use]
    pub fn constant(&self) -> f32 {
        self.constant
    }

    /// Linear positions by currency.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Squares.
    #[must_use]
    pub fn squares(&self) -> &[Square] {
        &self.squares
    }

    /// Coin-margined positions.
    #[must_use]
    pub fn inverses(&self) -> &[Inverse] {
        &self.inverses
    }

    /// Options.
    #[must_use]
    pub fn options(&self) -> &[OptionTerm] {
        &self.options
    }
}

fn finite(
    what: &'static str,
    index: usize,
    name: &'static str,
    value: f32,
) -> Result<(), BookError> {
    let error = BookError::Number { what, index, name, value };
    if value.is_finite() { Ok(()) } else { Err(error) }
}
