//! Round numbers for axes.

/// About `count` round numbers that cover a range.
#[must_use]
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) || count == 0 {
        return vec![low];
    }
    let raw = span / count as f64;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// A number in few letters: 1.5M, 20k, 0.003.
#[must_use]
pub fn words(value: f64) -> String {
    let size = value.abs();
    let (scale, unit) = match size {
        s if s >= 1e9 => (1e9, "G"),
        s if s >= 1e6 => (1e6, "M"),
        s if s >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let digits =
        if size == 0.0 { 0 } else { (2 - (size / scale).log10().floor() as i32).clamp(0, 9) };
    let text = format!("{:.*}", digits as usize, value / scale);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(-0.9, 2.2, 3), [0.0, 2.0]);
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(1.0, 1.0, 5), [1.0]);
    }

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 1_500_000.0, -25_000.0, 0.0031, 12.0].map(words);
        assert_eq!(all, ["0", "1.5M", "-25k", "0.0031", "12"]);
    }
}
