//! Stated scenarios: read from a file, or the built-in stress set, and what each does to a portfolio.
//!
//! A scenario is a list of shocks to named factors over a horizon: `rel` (a simple return), `log` (a
//! logarithmic one), `vol_abs` (a change of the volatility of the options on that factor),
//! `rate_abs` (a change of their rate: their forward and what they are discounted by). Factors that it
//! does not name stay, and are counted. Horizons take time from options.

use super::holdings::{Holdings, HoldingsError, volatility_name};
use crate::compute::engine::{Engine, EngineError};
use crate::compute::scenarios::tiles;
use crate::history::Panel;
use crate::instrument::{Part, Portfolio, Several};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Read;

/// What moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Shock {
    /// Factor.
    pub factor: String,
    /// The simple return, or the change of volatility or of the rate.
    pub value: f64,
    /// What of the factor.
    pub what: Moved,
}

/// What a shock is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The factor's price.
    Price,
    /// The volatility of the options on it.
    Volatility,
    /// Their rate, continuously compounded over a year.
    Rate,
}

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// How much it counts.
    pub weight: f64,
    /// Days until it is over.
    pub horizon_days: f64,
    /// Shocks.
    pub shocks: Vec<Shock>,
}

impl Scenario {
    /// Changes of rates, by factor.
    fn rates(&self) -> Vec<(String, f64)> {
        let rates = self.shocks.iter().filter(|shock| shock.what == Moved::Rate);
        let mut rates: Vec<_> =
            rates.map(|shock| (shock.factor.clone(), shock.value + 0.0)).collect();
        rates.sort_by(|a, b| a.0.cmp(&b.0));
        rates
    }
}

/// What a scenario does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Scenario.
    pub scenario: String,
    /// Its weight.
    pub weight: f64,
    /// Its horizon.
    pub horizon_days: f64,
    /// Profit in base.
    pub profit: f64,
    /// Factors of the portfolio that it leaves unchanged.
    pub unchanged: usize,
    /// By position.
    pub positions: Vec<PositionEffect>,
    /// By portfolio, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portfolios: Vec<PortfolioEffect>,
}

/// What a scenario does to one of several portfolios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortfolioEffect {
    /// Portfolio.
    pub portfolio: String,
    /// Profit in base.
    pub profit: f64,
}

/// What a scenario does to a position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionEffect {
    /// Position.
    pub id: String,
    /// Profit in base.
    pub profit: f64,
}

/// Why scenarios cannot be read or valued.
#[derive(Debug, thiserror::Error)]
pub enum StressError {
    /// The table.
    #[error("{0}")]
    Table(String),
    /// A heading that is missing.
    #[error("no column `{0}`; the headings are scenario,weight,horizon_days,factor,shock,value")]
    Heading(&'static str),
    /// A cell.
    #[error("row {row}, column `{column}`: `{cell}`: {wanted}")]
    Cell {
        /// Row, from one, the heading not counted.
        row: usize,
        /// Heading.
        column: &'static str,
        /// What stands there.
        cell: String,
        /// What should.
        wanted: &'static str,
    },
    /// A factor that nothing held depends on.
    #[error("scenario `{scenario}`: no position depends on `{factor}`; they depend on {known}")]
    Factor {
        /// Scenario.
        scenario: String,
        /// Factor.
        factor: String,
        /// What there is.
        known: String,
    },
    /// The rate of options that are not held.
    #[error("scenario `{scenario}`: no option held is about `{factor}`; options are about {known}")]
    Rate {
        /// Scenario.
        scenario: String,
        /// Factor.
        factor: String,
        /// What options are about.
        known: String,
    },
    /// Nothing.
    #[error("no scenario")]
    Empty,
    /// The portfolio.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The kernels.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Changes of a rate beyond which a scenario means something else, as points.
const RATE_MAX: f64 = 1.0;

const HEADINGS: [&str; 6] = ["scenario", "weight", "horizon_days", "factor", "shock", "value"];

/// Reads a scenario file; rows of one scenario stand together or apart.
///
/// # Errors
/// What is wrong, with row and column.
pub fn read(from: impl Read) -> Result<Vec<Scenario>, StressError> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(from);
    let table = |error: ::csv::Error| StressError::Table(error.to_string());
    let names: Vec<String> =
        reader.headers().map_err(table)?.iter().map(str::to_lowercase).collect();
    let mut places = [0; HEADINGS.len()];
    for (place, heading) in places.iter_mut().zip(HEADINGS) {
        let found = names.iter().position(|name| name == heading);
        *place = found.ok_or(StressError::Heading(heading))?;
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(table)?;
        let row = index + 1;
        let cell = |at: usize| &record[places[at]];
        let wrong = |at: usize, wanted| StressError::Cell {
            row,
            column: HEADINGS[at],
            cell: cell(at).to_owned(),
            wanted,
        };
        let number = |at: usize, wanted| {
            let number = cell(at).parse::<f64>().ok().filter(|x| x.is_finite());
            number.ok_or_else(|| wrong(at, wanted))
        };
        let weight = number(1, "a weight is a number from zero on")?;
        let horizon_days = number(2, "days are a number from zero on")?;
        let value = number(5, "a shock is a finite number")?;
        if weight < 0.0 {
            return Err(wrong(1, "a weight is a number from zero on"));
        }
        if horizon_days < 0.0 {
            return Err(wrong(2, "days are a number from zero on"));
        }
        let (value, what) = match cell(4) {
            "rel" => (value, Moved::Price),
            "log" => (value.exp_m1(), Moved::Price),
            "vol_abs" => (value, Moved::Volatility),
            "rate_abs" => (value, Moved::Rate),
            _ => return Err(wrong(4, "a shock is rel, log, vol_abs or rate_abs")),
        };
        if what == Moved::Price && value <= -1.0 {
            return Err(wrong(5, "a price cannot lose more than all of itself"));
        }
        if what == Moved::Rate && value.abs() > RATE_MAX {
            return Err(wrong(5, "a rate changes by parts of one a year: 0.05 is five points"));
        }
        // a zero with a sign is a zero
        let horizon_days = horizon_days + 0.0;
        let shock = Shock { factor: cell(3).to_owned(), value, what };
        match scenarios.iter_mut().find(|scenario| scenario.name == cell(0)) {
            Some(scenario) => {
                let same = |other: &Shock| other.factor == shock.factor && other.what == shock.what;
                if scenario.shocks.iter().any(same) {
                    return Err(wrong(3, "the scenario shocks this factor already"));
                }
                if scenario.weight.total_cmp(&weight).is_ne() {
                    return Err(wrong(1, "the scenario has another weight in a row before"));
                }
                if scenario.horizon_days.total_cmp(&horizon_days).is_ne() {
                    return Err(wrong(2, "the scenario has another horizon in a row before"));
                }
                scenario.shocks.push(shock);
            }
            None => scenarios.push(Scenario {
                name: cell(0).to_owned(),
                weight,
                horizon_days,
                shocks: vec![shock],
            }),
        }
    }
    if scenarios.is_empty() { Err(StressError::Empty) } else { Ok(scenarios) }
}

/// Moves of prices and changes of volatility of the built-in set.
const STRESSES: [(&str, f64, f64); 10] = [
    ("prices -5 %", -0.05, 0.0),
    ("prices -10 %", -0.10, 0.05),
    ("prices -20 %", -0.20, 0.15),
    ("prices -35 %", -0.35, 0.30),
    ("prices -50 %", -0.50, 0.50),
    ("prices +5 %", 0.05, 0.0),
    ("prices +10 %", 0.10, 0.0),
    ("prices +20 %", 0.20, 0.05),
    ("prices +50 %", 0.50, 0.20),
    ("volatility +25 points", 0.0, 0.25),
];

/// The built-in stress set: all prices move together, volatilities with them.
///
/// # Errors
/// A portfolio that cannot be valued.
pub fn built_in(portfolio: &Portfolio, prices: &Panel) -> Result<Vec<Scenario>, StressError> {
    let holdings = Holdings::stressed(portfolio, prices, 0.0, &[])?;
    let is_volatility = |name: &&String| prices.column(name).is_none();
    let moved: Vec<&String> = holdings.factors.iter().filter(|name| !is_volatility(name)).collect();
    let smiles: Vec<&String> = moved
        .iter()
        .copied()
        .filter(|name| holdings.factors.contains(&volatility_name(name)))
        .collect();
    let scenario = |(name, price, change): (&str, f64, f64)| {
        let price = |factor: &&String| Shock {
            factor: (*factor).clone(),
            value: price,
            what: Moved::Price,
        };
        let smile = |factor: &&String| Shock {
            factor: (*factor).clone(),
            value: change,
            what: Moved::Volatility,
        };
        Scenario {
            name: name.to_owned(),
            weight: 1.0,
            horizon_days: 0.0,
            shocks: moved.iter().map(price).chain(smiles.iter().map(smile)).collect(),
        }
    };
    Ok(STRESSES.map(scenario).to_vec())
}

/// Scenarios that one book values.
struct Setting {
    days: f64,
    /// Changes of rates, by factor.
    rates: Vec<(String, f64)>,
    /// Which scenarios.
    places: Vec<usize>,
}

/// Values every scenario, in the order given, for the whole, every position and every portfolio.
///
/// # Errors
/// A scenario about what is not held, or a portfolio that cannot be valued.
pub fn value(
    engine: &Engine,
    Several { whole: portfolio, parts }: &Several,
    prices: &Panel,
    scenarios: &[Scenario],
) -> Result<Vec<Effect>, StressError> {
    let mut effects: Vec<Option<Effect>> = vec![None; scenarios.len()];
    // time passes for options and their rates move, so each horizon and set of rates is a book of its own
    let mut settings: BTreeMap<String, Setting> = BTreeMap::new();
    for (at, scenario) in scenarios.iter().enumerate() {
        let (days, rates) = (scenario.horizon_days, scenario.rates());
        let setting = settings.entry(format!("{days:e} {rates:?}"));
        setting.or_insert_with(|| Setting { days, rates, places: Vec::new() }).places.push(at);
    }
    for Setting { days, rates, places } in settings.into_values() {
        let holdings = Holdings::stressed(portfolio, prices, days / 365.0, &rates)?;
        if let Some((factor, _)) = rates.iter().find(|(factor, _)| !holdings.has_option_on(factor))
        {
            let optional = holdings.factors.iter().filter(|name| holdings.has_option_on(name));
            let known: Vec<&str> = optional.map(String::as_str).collect();
            return Err(StressError::Rate {
                scenario: scenarios[places[0]].name.clone(),
                factor: factor.clone(),
                known: if known.is_empty() { "nothing".to_owned() } else { known.join(", ") },
            });
        }
        let (columns, unchanged) = columns(&holdings, scenarios, &places)?;
        let tiles = tiles(&columns, places.len());
        let mut own = Vec::with_capacity(parts.len());
        for part in parts {
            own.push(holdings.part(part.positions.clone())?.1);
        }
        let positions = holdings.positions.iter().map(|position| &position.book);
        let books: Vec<_> = std::iter::once(&holdings.book).chain(positions).chain(&own).collect();
        let profits = engine.revalue_many(&books, &tiles, places.len())?;
        let (total, profits) = profits.split_first().expect("Invariant: a row a book");
        let (by_position, by_portfolio) = profits.split_at(holdings.positions.len());
        for (index, at) in places.iter().enumerate() {
            let scenario = &scenarios[*at];
            let position = |(position, profits): (&super::holdings::Holding, &Vec<f32>)| {
                PositionEffect { id: position.id.clone(), profit: f64::from(profits[index]) }
            };
            let portfolio = |(part, profits): (&Part, &Vec<f32>)| PortfolioEffect {
                portfolio: part.name.clone(),
                profit: f64::from(profits[index]),
            };
            effects[*at] = Some(Effect {
                scenario: scenario.name.clone(),
                weight: scenario.weight,
                horizon_days: days,
                profit: f64::from(total[index]),
                unchanged: unchanged[index],
                positions: holdings.positions.iter().zip(by_position).map(position).collect(),
                portfolios: parts.iter().zip(by_portfolio).map(portfolio).collect(),
            });
        }
    }
    let valued = |effect: Option<Effect>| effect.expect("Invariant: every scenario has a setting");
    Ok(effects.into_iter().map(valued).collect())
}

/// Shocks by factor and scenario, and how many factors each scenario leaves alone.
fn columns(
    holdings: &Holdings,
    scenarios: &[Scenario],
    places: &[usize],
) -> Result<(Vec<Vec<f64>>, Vec<usize>), StressError> {
    let factors = holdings.factors.len();
    let mut columns = vec![vec![0.0; places.len()]; factors];
    let mut unchanged = Vec::new();
    for (index, at) in places.iter().enumerate() {
        let mut moved = vec![false; factors];
        for shock in &scenarios[*at].shocks {
            let name = match shock.what {
                Moved::Price => shock.factor.clone(),
                Moved::Volatility => volatility_name(&shock.factor),
                // the book itself has them
                Moved::Rate => continue,
            };
            let factor = holdings.factors.iter().position(|known| *known == name);
            let factor = factor.ok_or_else(|| StressError::Factor {
                scenario: scenarios[*at].name.clone(),
                factor: name.clone(),
                known: holdings.factors.join(", "),
            })?;
            moved[factor] = true;
            columns[factor][index] = shock.value;
        }
        unchanged.push(moved.iter().filter(|moved| !**moved).count());
    }
    Ok((columns, unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_files_are_read() {
        let text = "scenario,weight,horizon_days,factor,shock,value\n\
                    crash,0.5,1,BTC,rel,-0.3\ncrash,0.5,1,BTC,vol_abs,0.2\nup,0.5,0,BTC,log,0.1\n";
        let found = read(text.as_bytes()).expect("sound");
        assert_eq!((found.len(), found[0].shocks.len()), (2, 2));
        assert!((found[1].shocks[0].value - 0.1_f64.exp_m1()).abs() < 1e-15);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let head = "scenario,weight,horizon_days,factor,shock,value\n";
        let says = |text: String, parts: &[&str]| {
            let error = read(text.as_bytes()).expect_err("is wrong").to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        says("scenario,weight\n".to_owned(), &["`horizon_days`"]);
        says(head.to_owned(), &["no scenario"]);
        says(format!("{head}a,1,0,BTC,rel,-1.5\n"), &["row 1", "`value`", "all of itself"]);
        says(format!("{head}a,1,0,BTC,jump,0.1\n"), &["row 1", "`shock`", "`jump`"]);
        says(format!("{head}a,-1,0,BTC,rel,0.1\n"), &["`weight`", "`-1`"]);
        says(format!("{head}a,1,0,BTC,rel,nan\n"), &["`value`", "`nan`"]);
        says(format!("{head}a,1,0,BTC,rate,0.1\n"), &["`rate`", "rate_abs"]);
        says(format!("{head}a,1,0,BTC,rate_abs,5\n"), &["row 1", "`5`", "five points"]);
        let twice = "a,1,0,BTC,rel,0.1\na,1,0,BTC,log,0.1\n";
        says(format!("{head}{twice}"), &["row 2", "already"]);
        says(format!("{head}a,1,0,BTC,rel,0.1\na,2,0,ETH,rel,0.1\n"), &["row 2", "`weight`"]);
        says(format!("{head}a,1,0,BTC,rel,0.1\na,1,9,ETH,rel,0.1\n"), &["row 2", "`horizon_days`"]);
    }
}
