//! Batch indicators: the AVX2 twins against the scalar ones, which must give the same bits.

#[path = "../../indicator_cases.rs"]
mod indicator_cases;

use crate::row::Row;
use indicator_cases::{KERNELS, MANY, ONE, compare};

/// One row per kernel and shape, and `indicators_avx2_vs_scalar`, their geometric mean. A single
/// series of a recurrence has nothing to run abreast and is left out.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let note = "AVX2 against scalar, same bits".to_owned();
    for kernel in KERNELS {
        for (shape, suffix) in [(MANY, "many"), (ONE, "one")] {
            if shape == ONE && kernel.is_recurrence() {
                continue;
            }
            let name = format!("indicator_{}_{suffix}", kernel.name());
            let Some([scalar, wide]) = compare(kernel, shape) else {
                eprintln!("{name}: the twins differ, so they are not timed");
                std::process::exit(1);
            };
            rows.push(Row::of(&name, "ns/value", wide, scalar, note.clone()));
        }
    }
    let mean = |of: fn(&Row) -> f64| {
        (rows.iter().map(|row| of(row).ln()).sum::<f64>() / rows.len() as f64).exp()
    };
    let (wide, scalar) = (mean(|row| row.ours), mean(|row| row.rival));
    let note = format!("geometric mean of {} rows", rows.len());
    rows.insert(0, Row::of("indicators_avx2_vs_scalar", "ns/value", wide, scalar, note));
    rows
}
