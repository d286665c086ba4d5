//! One comparison as it is printed.

/// Ours beside the fastest rival; `ratio` above 1 means ours is faster.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// What was compared.
    pub name: String,
    /// Unit of both figures.
    pub unit: String,
    /// Our figure.
    pub ours: f64,
    /// The rival's figure.
    pub rival: f64,
    /// `rival / ours`.
    pub ratio: f64,
    /// Which rival, over which input.
    pub note: String,
}

impl Row {
    /// A row of two times.
    pub fn of(name: &str, unit: &str, ours: f64, rival: f64, note: String) -> Row {
        Row { name: name.into(), unit: unit.into(), ours, rival, ratio: rival / ours, note }
    }
}

/// Prints rows for people.
pub fn print(rows: &[Row]) {
    println!("{:<32} {:>10} {:>10} {:>7}  unit, note", "comparison", "ours", "rival", "ratio");
    for row in rows {
        let Row { name, unit, ours, rival, ratio, note } = row;
        println!("{name:<32} {ours:>10.2} {rival:>10.2} {ratio:>6.2}x  {unit}, {note}");
    }
}
