//! Holes: what is dropped, what is refused, and the account of it.

use super::panel::Panel;
use serde::Serialize;

/// What to do with missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Drop the rows that have any.
    DropRows,
    /// Drop the columns that have any.
    DropColumns,
    /// Refuse.
    Error,
}

/// Dropping more than this share is refused unless it was asked for.
pub const LOSS_MAX: f64 = 0.05;

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repairs {
    /// Rows dropped because a value was missing.
    pub dropped_rows: usize,
    /// The first of them, by date.
    pub first_dropped: Option<String>,
    /// Columns dropped because a value was missing.
    pub dropped_columns: Vec<String>,
    /// Splits and dividends that changed a price.
    pub adjusted: usize,
}

/// Why a history is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RepairError {
    /// A hole, and holes are not wanted.
    #[error("row {row} ({date}), column `{column}`: no value; --missing drop-rows or drop-columns")]
    Hole {
        /// Row, from one.
        row: usize,
        /// Its date.
        date: String,
        /// Column.
        column: String,
    },
    /// Too much would go.
    #[error(
        "{dropped} of {all} {what} have missing values (the first: {first}), more than {:.0} %; say \
         --missing drop-rows or drop-columns if they may go",
        LOSS_MAX * 100.0
    )]
    Much {
        /// How many.
        dropped: usize,
        /// Of how many.
        all: usize,
        /// Of what.
        what: &'static str,
        /// The first.
        first: String,
    },
    /// A price that is none.
    #[error("row {row} ({date}), column `{column}`: a price of {value}; prices are positive")]
    Price {
        /// Row, from one.
        row: usize,
        /// Its date.
        date: String,
        /// Column.
        column: String,
        /// What stands there.
        value: f64,
    },
    /// Nothing that moves.
    #[error(
        "column `{0}` is the same in every row: it has no risk to measure; leave it out with --assets"
    )]
    Constant(String),
    /// Too short.
    #[error("{rows} complete rows; at least {needed} are needed")]
    Short {
        /// Left.
        rows: usize,
        /// Needed.
        needed: usize,
    },
}

/// Drops or refuses holes; `asked` says that the user named the way. The panel that comes back has none.
///
/// # Errors
/// Holes that may not be dropped, or too little left.
pub fn repair(
    panel: &Panel,
    missing: Missing,
    asked: bool,
    needed: usize,
) -> Result<(Panel, Repairs), RepairError> {
    let holed = |row: usize| panel.columns().iter().any(|column| column[row].is_nan());
    let mut repairs = Repairs::default();
    let (kept, what, dropped, all) = match missing {
        Missing::Error => {
            for (row, date) in panel.dates().iter().enumerate() {
                if let Some(at) = panel.columns().iter().position(|column| column[row].is_nan()) {
                    let column = panel.symbols()[at].clone();
                    return Err(RepairError::Hole { row: row + 1, date: date.to_string(), column });
                }
            }
            (panel.clone(), "rows", 0, panel.rows())
        }
        Missing::DropRows => {
            let kept = panel.filter(|row| !holed(row));
            repairs.dropped_rows = panel.rows() - kept.rows();
            let first = (0..panel.rows()).find(|&row| holed(row));
            repairs.first_dropped = first.map(|row| panel.dates()[row].to_string());
            (kept, "rows", repairs.dropped_rows, panel.rows())
        }
        Missing::DropColumns => {
            let full = |at: &usize| !panel.columns()[*at].iter().any(|x| x.is_nan());
            let (kept, gone): (Vec<usize>, Vec<usize>) =
                (0..panel.symbols().len()).partition(|at| full(at));
            let names = |places: &[usize]| -> Vec<String> {
                places.iter().map(|&at| panel.symbols()[at].clone()).collect()
            };
            repairs.dropped_columns = names(&gone);
            // every kept name stands in the panel
            let kept = panel.choose(&names(&kept)).unwrap_or_else(|_| panel.slice(0..0));
            (kept, "columns", gone.len(), panel.symbols().len())
        }
    };
    if !asked && dropped as f64 > LOSS_MAX * all as f64 {
        let first = repairs.first_dropped.clone();
        let first = first.or_else(|| repairs.dropped_columns.first().cloned()).unwrap_or_default();
        return Err(RepairError::Much { dropped, all, what, first });
    }
    if kept.rows() < needed || kept.symbols().is_empty() {
        return Err(RepairError::Short { rows: kept.rows(), needed });
    }
    Ok((kept, repairs))
}

/// Refuses prices that are not positive, and columns that never change.
///
/// # Errors
/// The first such price, or such a column.
pub fn check_prices(panel: &Panel) -> Result<(), RepairError> {
    for (symbol, column) in panel.symbols().iter().zip(panel.columns()) {
        if let Some(row) = column.iter().position(|&price| price <= 0.0) {
            return Err(RepairError::Price {
                row: row + 1,
                date: panel.dates()[row].to_string(),
                column: symbol.clone(),
                value: column[row],
            });
        }
    }
    check_moves(panel)
}

/// Refuses columns that never change.
///
/// # Errors
/// The first such column.
pub fn check_moves(panel: &Panel) -> Result<(), RepairError> {
    for (symbol, column) in panel.symbols().iter().zip(panel.columns()) {
        let known: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
        if known.len() > 1 && known.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()) {
            return Err(RepairError::Constant(symbol.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::date::Date;
    use super::*;

    fn panel(a: &[f64], b: &[f64]) -> Panel {
        let dates = (0..a.len() as i64).map(|day| Date(day * 86_400)).collect();
        Panel::new(dates, vec!["A".into(), "B".into()], vec![a.to_vec(), b.to_vec()])
            .expect("sound")
    }

    #[test]
    fn holes_are_dropped_reported_or_refused() {
        let mut b = vec![1.0; 40];
        b[7] = f64::NAN;
        let holed = panel(&[2.0; 40], &b);
        let (kept, repairs) = repair(&holed, Missing::DropRows, false, 2).expect("2.5 % may go");
        assert_eq!((kept.rows(), repairs.dropped_rows), (39, 1));
        assert_eq!(repairs.first_dropped.as_deref(), Some("1970-01-08"));
        let (kept, repairs) = repair(&holed, Missing::DropColumns, true, 2).expect("asked for");
        assert_eq!(
            (kept.symbols(), repairs.dropped_columns),
            (&["A".to_owned()][..], vec!["B".into()])
        );
        let refused = repair(&holed, Missing::Error, false, 2).expect_err("a hole").to_string();
        assert!(refused.contains("row 8") && refused.contains("`B`"), "{refused}");
        let much = panel(&[2.0; 10], &[1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(matches!(
            repair(&much, Missing::DropRows, false, 2),
            Err(RepairError::Much { dropped: 1, all: 10, .. })
        ));
        assert!(repair(&much, Missing::DropRows, true, 2).is_ok());
        assert!(matches!(
            repair(&much, Missing::DropRows, true, 99),
            Err(RepairError::Short { rows: 9, needed: 99 })
        ));
    }

    #[test]
    fn prices_that_are_none_are_refused() {
        let zero = check_prices(&panel(&[1.0, 0.0], &[1.0, 2.0])).expect_err("zero").to_string();
        assert!(
            zero.contains("row 2") && zero.contains("`A`") && zero.contains("positive"),
            "{zero}"
        );
        let same = check_prices(&panel(&[1.0, 2.0], &[3.0, 3.0]));
        assert_eq!(same, Err(RepairError::Constant("B".into())));
    }
}
