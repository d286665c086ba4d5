//! Matrices by asset: rows for JSON, a table for eyes.

use faer::Mat;
use std::fmt::Write;

/// A matrix by rows.
pub fn rows(matrix: &Mat<f64>) -> Vec<Vec<f64>> {
    (0..matrix.nrows()).map(|i| (0..matrix.ncols()).map(|j| matrix[(i, j)]).collect()).collect()
}

/// Assets that a terminal has room for.
pub const SHOWN: usize = 12;

/// A matrix with names, as far as a terminal has room.
pub fn table(text: &mut String, title: &str, names: &[String], matrix: &[Vec<f64>]) {
    let shown = names.len().min(SHOWN);
    // writing to a String cannot fail
    let _ = write!(text, "{title:<24}");
    names[..shown].iter().for_each(|name| {
        let _ = write!(text, " {:>7}", name.chars().take(7).collect::<String>());
    });
    text.push('\n');
    for (name, row) in names.iter().zip(matrix).take(shown) {
        let _ = write!(text, "{name:<24}");
        for value in &row[..shown] {
            let _ = write!(text, " {value:>7.3}");
        }
        text.push('\n');
    }
    if shown < names.len() {
        let _ = writeln!(text, "({} more: --json)", names.len() - shown);
    }
}
