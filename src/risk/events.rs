//! What happened before, done to today's book: documented events, and the worst stretches of a history.
//!
//! An event moves factors by their class: the symbol's beginning (BTC, ETH), a coin where it is quoted in a
//! stable coin or traded as a perpetual, equity otherwise, or what the user says. Where the history holds
//! both of an event's days, the factor's own move is taken instead. Options' volatilities rise by as many
//! points as their underlying falls, at most fifty: an assumption, stated because no source covers all.
//!
//! Moves, rounded to a percent. 12 March 2020 and its month: CoinMarketCap's daily closes (BTC, ETH, the
//! median of five other coins), S&P 500 closes. 19 May 2021: to the day's lows from its opening, as reported
//! that day. November 2022: closes of the 6th and the 9th, as reported. 21 October 2021: the low on
//! Binance.US alone. 6 May 2010: to the day's low (report of CFTC and SEC, 30 September 2010). 1987 and 2008:
//! S&P 500.

use super::holdings::{Holdings, volatility_name};
use super::stress::{Moved, Scenario, Shock, StressError};
use super::value_at_risk::hypothetical;
use crate::compute::engine::Engine;
use crate::history::date::Date;
use crate::history::{Panel, returns};
use crate::instrument::{Kind, Portfolio};
use serde::Serialize;

/// What a factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Bitcoin.
    Bitcoin,
    /// Ether.
    Ether,
    /// Any other coin.
    Coin,
    /// Shares and their indices.
    Equity,
    /// Not moved.
    None,
}

impl Class {
    /// As written on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Class> {
        Some(match text {
            "bitcoin" => Class::Bitcoin,
            "ether" => Class::Ether,
            "coin" => Class::Coin,
            "equity" => Class::Equity,
            "none" => Class::None,
            _ => return None,
        })
    }
}

/// A documented event; moves of bitcoin, ether, other coins, equities.
struct Event {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    moves: [f64; 4],
}

const EVENTS: [Event; 8] = [
    Event {
        name: "Black Monday, 19 October 1987",
        from: "1987-10-16",
        to: "1987-10-19",
        moves: [0.0, 0.0, 0.0, -0.20],
    },
    Event {
        name: "Lehman, 12 September to 10 October 2008",
        from: "2008-09-12",
        to: "2008-10-10",
        moves: [0.0, 0.0, 0.0, -0.28],
    },
    Event {
        name: "flash crash, 6 May 2010, to its low",
        from: "",
        to: "",
        moves: [0.0, 0.0, 0.0, -0.09],
    },
    Event {
        name: "12 March 2020",
        from: "2020-03-11",
        to: "2020-03-12",
        moves: [-0.37, -0.42, -0.40, -0.10],
    },
    Event {
        name: "Covid, 19 February to 23 March 2020",
        from: "2020-02-19",
        to: "2020-03-23",
        moves: [-0.33, -0.48, -0.46, -0.34],
    },
    Event { name: "19 May 2021, to its low", from: "", to: "", moves: [-0.30, -0.46, -0.45, 0.0] },
    Event {
        name: "flash crash on one venue, 21 October 2021",
        from: "",
        to: "",
        moves: [-0.87, 0.0, 0.0, 0.0],
    },
    Event {
        name: "FTX, 6 to 9 November 2022",
        from: "2022-11-06",
        to: "2022-11-09",
        moves: [-0.24, -0.30, -0.30, 0.0],
    },
];

/// Points that volatilities rise at most.
const RISE_MAX: f64 = 0.5;
/// Days that a history's row may lie before an event's day: weekends and holidays.
const STALE_MAX: i64 = 4;
/// Lengths of the history's own worst stretches.
const STRETCHES: [usize; 3] = [1, 5, 20];

/// A factor and how it was moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// Factor.
    pub factor: String,
    /// Its class.
    pub class: Class,
    /// Events whose move is the factor's own, from the history.
    pub own_moves: usize,
}

/// Stable coins that coins are quoted in.
const STABLE: [&str; 5] = ["USDT", "USDC", "FDUSD", "BUSD", "TUSD"];

/// The class by symbol and by how it is held.
fn class(portfolio: &Portfolio, factor: &str) -> Class {
    let upper = factor.to_uppercase();
    let begins = |names: &[&str]| names.iter().any(|name| upper.starts_with(name));
    let quoted = |coin: &&str| upper.ends_with(*coin);
    let held = portfolio.positions.iter().filter(|position| position.factor() == factor);
    let is_perpetual = held.clone().any(|p| matches!(p.kind, Kind::Perp | Kind::Inverse));
    if begins(&STABLE) {
        Class::None
    } else if begins(&["BTC", "XBT", "BITCOIN"]) {
        Class::Bitcoin
    } else if begins(&["ETH"]) {
        Class::Ether
    } else if is_perpetual || STABLE.iter().any(quoted) {
        Class::Coin
    } else if held.count() > 0 {
        Class::Equity
    } else {
        // a currency that profits are converted by
        Class::None
    }
}

/// Documented events for this book, and how its factors were moved.
///
/// # Errors
/// A portfolio that cannot be valued.
pub fn documented(
    portfolio: &Portfolio,
    prices: &Panel,
    said: &[(String, Class)],
) -> Result<(Vec<Scenario>, Vec<Classified>), StressError> {
    let holdings = Holdings::stressed(portfolio, prices, 0.0, &[])?;
    let moved: Vec<&String> =
        holdings.factors.iter().filter(|name| prices.column(name).is_some()).collect();
    let mut classes: Vec<Classified> = Vec::new();
    for factor in &moved {
        let told = said.iter().find(|(name, _)| name == *factor).map(|(_, class)| *class);
        let class = told.unwrap_or_else(|| class(portfolio, factor));
        classes.push(Classified { factor: (*factor).clone(), class, own_moves: 0 });
    }
    let mut scenarios = Vec::new();
    for event in &EVENTS {
        let mut shocks = Vec::new();
        for known in &mut classes {
            let own = own_move(prices, &known.factor, event).filter(|_| known.class != Class::None);
            known.own_moves += usize::from(own.is_some());
            let value = own.unwrap_or(match known.class {
                Class::Bitcoin => event.moves[0],
                Class::Ether => event.moves[1],
                Class::Coin => event.moves[2],
                Class::Equity => event.moves[3],
                Class::None => 0.0,
            });
            if value == 0.0 {
                continue;
            }
            shocks.push(Shock { factor: known.factor.clone(), value, what: Moved::Price });
            let rise = (-value).clamp(0.0, RISE_MAX);
            if rise > 0.0 && holdings.factors.contains(&volatility_name(&known.factor)) {
                shocks.push(Shock {
                    factor: known.factor.clone(),
                    value: rise,
                    what: Moved::Volatility,
                });
            }
        }
        if !shocks.is_empty() {
            scenarios.push(scenario(event.name.to_owned(), shocks));
        }
    }
    Ok((scenarios, classes))
}

/// A scenario that happens at once.
fn scenario(name: String, shocks: Vec<Shock>) -> Scenario {
    Scenario { name, weight: 1.0, horizon_days: 0.0, shocks }
}

/// The factor's own move over an event, where the history has both days.
fn own_move(prices: &Panel, factor: &str, event: &Event) -> Option<f64> {
    let column = prices.column(factor)?;
    let at = |day: i64| {
        let behind = prices.dates().partition_point(|date| date.day() <= day);
        behind.checked_sub(1).filter(|&last| day - prices.dates()[last].day() <= STALE_MAX)
    };
    let (first, last) = (Date::parse(event.from)?.day(), Date::parse(event.to)?.day());
    let (from, to) = (at(first)?, at(last)?);
    // a history that ends in between, or whose rows lie further apart, has not seen it
    let has_both = from < to && prices.dates()[to].day() > first;
    let is_sound = column[from] > 0.0 && column[to] > 0.0;
    (has_both && is_sound).then(|| column[to] / column[from] - 1.0)
}

/// The stretches of a history that would have hurt today's book the most, one a length.
///
/// # Errors
/// A portfolio that cannot be valued.
pub fn worst_stretches(
    engine: &Engine,
    portfolio: &Portfolio,
    prices: &Panel,
) -> Result<Vec<Scenario>, StressError> {
    let holdings = Holdings::new(portfolio, prices, 0.0, super::holdings::Revaluation::Full)?;
    let Ok(used) = prices.choose(&holdings.factors) else { return Ok(Vec::new()) };
    let mut scenarios = Vec::new();
    for length in STRETCHES.into_iter().filter(|length| used.rows() > *length) {
        let Ok(moves) = returns::over(&used, length) else { continue };
        let Ok(profits) = hypothetical(engine, &holdings, &moves) else { continue };
        let lowest = profits.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let Some((at, profit)) = lowest.filter(|(_, profit)| **profit < 0.0) else { continue };
        let shock = |(factor, column): (&String, &Vec<f64>)| Shock {
            factor: factor.clone(),
            value: column[at],
            what: Moved::Price,
        };
        let shocks = moves.symbols().iter().zip(moves.columns()).map(shock);
        let shocks: Vec<Shock> =
            shocks.filter(|shock| prices.column(&shock.factor).is_some()).collect();
        debug_assert!(profit.is_finite(), "Invariant: sound books have finite profits");
        let name = format!("worst {length} period(s) of the history, to {}", moves.dates()[at]);
        scenarios.push(scenario(name, shocks));
    }
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = "base = \"USD\"\n\
        [[position]]\nid = \"b\"\nsymbol = \"BTCUSDT\"\nkind = \"perp\"\nquantity = 2\n\
        [[position]]\nid = \"s\"\nsymbol = \"SPY\"\nkind = \"spot\"\nquantity = 10\n";

    fn panel(days: &[&str], btc: &[f64], spy: &[f64]) -> Panel {
        let dates = days.iter().map(|day| Date::parse(day).expect("a day")).collect();
        let names = vec!["BTCUSDT".to_owned(), "SPY".to_owned()];
        Panel::new(dates, names, vec![btc.to_vec(), spy.to_vec()]).expect("sound")
    }

    #[test]
    fn events_move_by_class_and_by_the_factors_own_past() {
        let book: Portfolio = toml::from_str(BOOK).expect("a book");
        let today = panel(&["2026-01-01", "2026-01-02"], &[90.0, 100.0], &[50.0, 50.0]);
        let (scenarios, classes) = documented(&book, &today, &[]).expect("sound");
        assert_eq!(
            classes.iter().map(|c| c.class).collect::<Vec<_>>(),
            [Class::Bitcoin, Class::Equity]
        );
        let find = |scenarios: &[Scenario], name: &str, factor: &str| {
            let scenario = scenarios.iter().find(|s| s.name.contains(name)).expect("there");
            scenario.shocks.iter().find(|s| s.factor == factor).map(|s| s.value)
        };
        assert_eq!(find(&scenarios, "12 March 2020", "BTCUSDT"), Some(-0.37));
        assert_eq!(find(&scenarios, "1987", "BTCUSDT"), None);
        let old =
            panel(&["2020-03-10", "2020-03-11", "2020-03-12"], &[7.9, 8.0, 4.0], &[3.0, 2.0, 2.0]);
        let (scenarios, classes) = documented(&book, &old, &[]).expect("sound");
        assert_eq!(find(&scenarios, "12 March 2020", "BTCUSDT"), Some(-0.5));
        assert_eq!((classes[0].own_moves, classes[1].own_moves), (1, 1));
        // a history that ends before the event has not seen it
        let before = panel(&["2020-03-10", "2020-03-11"], &[7.9, 8.0], &[3.0, 2.0]);
        let (scenarios, classes) = documented(&book, &before, &[]).expect("sound");
        assert_eq!(find(&scenarios, "12 March 2020", "BTCUSDT"), Some(-0.37));
        assert_eq!(classes[0].own_moves, 0);
        assert_eq!(class(&book, "USDTUSD"), Class::None);
        assert_eq!(class(&book, "SOLUSDT"), Class::Coin);
        let said = [("SPY".to_owned(), Class::None)];
        let (scenarios, _) = documented(&book, &today, &said).expect("sound");
        assert_eq!(find(&scenarios, "12 March 2020", "SPY"), None);
    }

    #[test]
    fn the_worst_stretch_is_found() {
        let book: Portfolio = toml::from_str(BOOK).expect("a book");
        let days = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"];
        let prices = panel(&days, &[100.0, 80.0, 100.0, 99.0], &[10.0, 10.0, 9.9, 10.0]);
        let engine = Engine::open(crate::compute::device::Choice::default()).expect("a CPU");
        let worst = worst_stretches(&engine, &book, &prices).expect("sound");
        assert_eq!(worst.len(), 1);
        assert!(worst[0].name.contains("1 period(s)") && worst[0].name.contains("2024-01-02"));
        assert!((worst[0].shocks[0].value + 0.2).abs() < 1e-12);
    }
}
