//! A panel: one row a date, one column a symbol, NaN where a value is missing.

use super::date::Date;

/// Prices or returns by date and symbol. Invariant: dates strictly increase, columns are full length.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    dates: Vec<Date>,
    symbols: Vec<String>,
    columns: Vec<Vec<f64>>,
}

/// Why columns make no panel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    /// Dates that do not increase.
    #[error("row {row}: {date} does not come after {before}; dates must strictly increase")]
    Order {
        /// Row, from one, the heading not counted.
        row: usize,
        /// Its date.
        date: Date,
        /// The date of the row before.
        before: Date,
    },
    /// The same symbol twice.
    #[error("column `{0}` stands there twice")]
    Twice(String),
    /// A symbol that is not there.
    #[error("no column `{symbol}`; there are {}", .known.join(", "))]
    Unknown {
        /// What was asked for.
        symbol: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Nothing.
    #[error("no rows are left")]
    Empty,
}

impl Panel {
    /// Checks the order of dates and the names.
    ///
    /// # Errors
    /// Dates that do not increase, or a name that stands there twice.
    ///
    /// # Panics
    /// When a column is not as long as the dates.
    pub fn new(
        dates: Vec<Date>,
        symbols: Vec<String>,
        columns: Vec<Vec<f64>>,
    ) -> Result<Panel, PanelError> {
        assert!(columns.iter().all(|column| column.len() == dates.len()), "Invariant: a rectangle");
        assert_eq!(columns.len(), symbols.len(), "Invariant: a name a column");
        if let Some(at) = dates.windows(2).position(|pair| pair[1] <= pair[0]) {
            return Err(PanelError::Order { row: at + 2, date: dates[at + 1], before: dates[at] });
        }
        let mut names: Vec<&String> = symbols.iter().collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(PanelError::Twice(pair[0].clone()));
        }
        Ok(Panel { dates, symbols, columns })
    }

    /// Dates.
    #[must_use]
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// Symbols.
    #[must_use]
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Values by symbol.
    #[must_use]
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.dates.len()
    }

    /// Values of a symbol.
    #[must_use]
    pub fn column(&self, symbol: &str) -> Option<&[f64]> {
        let at = self.symbols.iter().position(|name| name == symbol)?;
        Some(&self.columns[at])
    }

    /// Only these symbols, in this order.
    ///
    /// # Errors
    /// A symbol that is not there.
    pub fn choose(&self, symbols: &[String]) -> Result<Panel, PanelError> {
        let find = |symbol: &String| {
            let found = self.column(symbol).map(<[f64]>::to_vec);
            found.ok_or_else(|| PanelError::Unknown {
                symbol: symbol.clone(),
                known: self.symbols.clone(),
            })
        };
        let columns = symbols.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        Panel::new(self.dates.clone(), symbols.to_vec(), columns)
    }

    /// Only these rows.
    #[must_use]
    pub fn slice(&self, rows: std::ops::Range<usize>) -> Panel {
        let rows = rows.start.min(self.rows())..rows.end.min(self.rows());
        Panel {
            dates: self.dates[rows.clone()].to_vec(),
            symbols: self.symbols.clone(),
            columns: self.columns.iter().map(|column| column[rows.clone()].to_vec()).collect(),
        }
    }

    /// Rows for which `keep` holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Panel {
        let rows: Vec<usize> = (0..self.rows()).filter(|&row| keep(row)).collect();
        let pick = |column: &Vec<f64>| rows.iter().map(|&row| column[row]).collect();
        Panel {
            dates: rows.iter().map(|&row| self.dates[row]).collect(),
            symbols: self.symbols.clone(),
            columns: self.columns.iter().map(pick).collect(),
        }
    }

    /// Both panels' columns on the dates of either; NaN where one has no value.
    ///
    /// # Errors
    /// A symbol that both have.
    pub fn join(&self, other: &Panel) -> Result<Panel, PanelError> {
        let mut dates: Vec<Date> = self.dates.iter().chain(&other.dates).copied().collect();
        dates.sort_unstable();
        dates.dedup();
        let spread = |panel: &Panel| {
            let at: Vec<Option<usize>> =
                dates.iter().map(|date| panel.dates.binary_search(date).ok()).collect();
            let column = |column: &Vec<f64>| {
                at.iter().map(|row| row.map_or(f64::NAN, |row| column[row])).collect()
            };
            panel.columns.iter().map(column).collect::<Vec<Vec<f64>>>()
        };
        let columns = [spread(self), spread(other)].concat();
        let symbols = [self.symbols.clone(), other.symbols.clone()].concat();
        Panel::new(dates, symbols, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(dates: &[i64], symbol: &str, values: &[f64]) -> Panel {
        let dates = dates.iter().map(|&day| Date(day)).collect();
        Panel::new(dates, vec![symbol.to_owned()], vec![values.to_vec()]).expect("sound")
    }

    #[test]
    fn a_join_has_the_dates_of_both() {
        let joined = panel(&[1, 2, 4], "A", &[1.0, 2.0, 4.0])
            .join(&panel(&[2, 3], "B", &[20.0, 30.0]))
            .expect("different names");
        assert_eq!(joined.dates(), [1, 2, 3, 4].map(Date));
        assert!(joined.column("A").expect("is there")[2].is_nan());
        assert_eq!(joined.column("B").expect("is there")[1..3], [20.0, 30.0]);
    }

    #[test]
    fn what_is_no_panel_is_named() {
        let back = Panel::new(vec![Date(2), Date(2)], vec!["A".into()], vec![vec![1.0, 2.0]]);
        assert!(matches!(back, Err(PanelError::Order { row: 2, .. })));
        let one = panel(&[1], "A", &[1.0]);
        assert_eq!(one.join(&one), Err(PanelError::Twice("A".into())));
        let missing = one.choose(&["Z".into()]).expect_err("is not there").to_string();
        assert!(missing.contains("`Z`") && missing.contains("there are A"), "{missing}");
    }
}
