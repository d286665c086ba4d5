//! Splits and dividends: what makes prices of different times comparable.
//!
//! A table of `date, symbol, split or dividend, value`. A split of v gives v shares for one from its date
//! on: earlier prices are divided by v. A dividend of v a share is paid to who held before its date:
//! earlier prices are multiplied by P/(P + v), P the first price from that date on, so that the return of
//! that row is (P + v)/P₋₁ − 1, the dividend bought shares at P. What lies before the second row or after
//! the last changes no return.

use super::date::Date;
use super::panel::Panel;
use std::path::{Path, PathBuf};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shares for one.
    Split,
    /// Cash a share.
    Dividend,
}

/// A split or a dividend.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The first date on which prices know of it.
    pub date: Date,
    /// Whose.
    pub symbol: String,
    /// What.
    pub kind: Kind,
    /// Shares for one, or cash a share.
    pub value: f64,
}

/// Why actions are refused.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The file.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ::csv::Error,
    },
    /// A row.
    #[error("{}, row {row}: {what}", .path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Row, from one, the heading not counted.
        row: usize,
        /// What is wrong.
        what: String,
    },
    /// None of what is priced.
    #[error("{}: no action of any symbol in the history ({known})", .path.display())]
    Strange {
        /// Which file.
        path: PathBuf,
        /// What is priced.
        known: String,
    },
}

/// Reads a table of actions; its heading may have any names.
///
/// # Errors
/// A file that cannot be read, a row that is no action.
pub fn read(path: &Path) -> Result<Vec<Action>, ActionError> {
    let file = |error: ::csv::Error| ActionError::File { path: path.to_owned(), error };
    let mut settings = ::csv::ReaderBuilder::new();
    settings.has_headers(false).flexible(true).trim(::csv::Trim::All);
    let mut reader = settings.from_path(path).map_err(file)?;
    let mut found = Vec::new();
    let mut row = 0;
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(file)?;
        let cells: Vec<&str> = record.iter().collect();
        let date = cells.first().and_then(|cell| Date::parse(cell));
        if line == 0 && date.is_none() {
            continue;
        }
        row += 1;
        let refused = |what: String| ActionError::Row { path: path.to_owned(), row, what };
        let [first, symbol, kind, value] = cells[..] else {
            return Err(refused("write date,symbol,split or dividend,value".to_owned()));
        };
        let date = date.ok_or_else(|| refused(format!("`{first}` is no date")))?;
        let kind = match kind.to_lowercase().as_str() {
            "split" => Kind::Split,
            "dividend" => Kind::Dividend,
            other => return Err(refused(format!("`{other}` is neither split nor dividend"))),
        };
        let number = value.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 0.0);
        let value = number.ok_or_else(|| refused(format!("`{value}` is no number above 0")))?;
        found.push(Action { date, symbol: symbol.to_owned(), kind, value });
    }
    Ok(found)
}

/// Prices with actions taken out, and how many actions changed one.
///
/// # Errors
/// Actions of none of the symbols; `path` is named.
pub fn adjust(
    panel: &Panel,
    actions: &[Action],
    path: &Path,
) -> Result<(Panel, usize), ActionError> {
    let symbols = panel.symbols();
    if !actions.is_empty() && !actions.iter().any(|action| symbols.contains(&action.symbol)) {
        let known = symbols.join(", ");
        return Err(ActionError::Strange { path: path.to_owned(), known });
    }
    let mut columns = panel.columns().to_vec();
    let mut changed = 0;
    for (symbol, column) in symbols.iter().zip(&mut columns) {
        // an action's factor stands on the prices as they were, whatever its place in the table
        let plain = column.clone();
        for action in actions.iter().filter(|action| action.symbol == *symbol) {
            let from = panel.dates().partition_point(|date| *date < action.date);
            let Some(at) = (from..plain.len()).find(|&row| !plain[row].is_nan()) else { continue };
            let factor = match action.kind {
                Kind::Split => 1.0 / action.value,
                Kind::Dividend => plain[at] / (plain[at] + action.value),
            };
            column[..at].iter_mut().for_each(|price| *price *= factor);
            changed += usize::from(plain[..at].iter().any(|price| !price.is_nan()));
        }
    }
    let adjusted = Panel::new(panel.dates().to_vec(), symbols.to_vec(), columns);
    Ok((adjusted.expect("Invariant: dates and symbols are a panel's own"), changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(prices: &[f64]) -> Panel {
        let dates = (0..prices.len()).map(|day| Date(86_400 * day as i64)).collect();
        Panel::new(dates, vec!["A".into()], vec![prices.to_vec()]).expect("sound")
    }

    fn action(day: i64, kind: Kind, value: f64) -> Action {
        Action { date: Date(86_400 * day), symbol: "A".into(), kind, value }
    }

    fn adjusted(prices: &[f64], actions: &[Action]) -> (Vec<f64>, usize) {
        let (panel, changed) = adjust(&panel(prices), actions, Path::new("a.csv")).expect("known");
        (panel.columns()[0].clone(), changed)
    }

    #[test]
    fn returns_are_what_a_holder_had() {
        // two for one on day 2, a dividend of 1 on day 3
        let actions = [action(3, Kind::Dividend, 1.0), action(2, Kind::Split, 2.0)];
        let (found, changed) = adjusted(&[100.0, 110.0, 56.0, 54.0], &actions);
        let r: Vec<f64> = found.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
        for (r, wanted) in r.iter().zip([0.1, 112.0 / 110.0 - 1.0, 55.0 / 56.0 - 1.0]) {
            assert!((r - wanted).abs() < 1e-12, "{r} {wanted}");
        }
        assert!((found[3] - 54.0).abs() < 1e-12 && changed == 2, "the last price stays");
    }

    #[test]
    fn what_lies_outside_changes_nothing() {
        let actions = [action(0, Kind::Split, 2.0), action(9, Kind::Dividend, 1.0)];
        assert_eq!(adjusted(&[10.0, 11.0], &actions), (vec![10.0, 11.0], 0));
        // without a price on the day, the next one's is used
        let (found, _) = adjusted(&[10.0, f64::NAN, 6.0], &[action(1, Kind::Split, 2.0)]);
        assert!((found[0] - 5.0).abs() < 1e-12);
        let other = Action { symbol: "B".into(), ..action(1, Kind::Split, 2.0) };
        let strange = adjust(&panel(&[1.0, 2.0]), &[other], Path::new("a.csv"));
        assert!(matches!(strange, Err(ActionError::Strange { .. })));
    }

    #[test]
    fn wrong_rows_are_named() {
        let read_text = |text: &str| {
            let path = std::env::temp_dir().join(format!("bot4_actions_{}", std::process::id()));
            std::fs::write(&path, text).expect("room");
            let found = read(&path);
            std::fs::remove_file(&path).expect("it is there");
            found
        };
        let sound = read_text(
            "date,symbol,action,value\n2020-01-02,A,split,2\n2020-01-03,A,Dividend,0.5\n",
        );
        assert_eq!(sound.expect("sound").len(), 2);
        assert_eq!(read_text("2020-01-02,A,split,2\n").expect("no heading").len(), 1);
        for (text, wanted) in [
            ("date,symbol,action,value\n2020-01-02,A,merger,2\n", "row 1: `merger`"),
            ("date,symbol,action,value\nx,A,split,2\n", "row 1: `x` is no date"),
            ("2020-01-02,A,split,0\n", "`0` is no number above 0"),
            ("2020-01-02,A,split,2\n2020-01-02,A\n", "row 2: write date"),
        ] {
            let words = read_text(text).expect_err("wrong").to_string();
            assert!(words.contains(wanted), "{words}");
        }
    }
}
