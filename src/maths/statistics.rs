//! Moments and quantiles of samples.

/// Mean.
#[must_use]
pub fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Mean of products of deviations, ddof 1.
#[must_use]
pub fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let products = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb));
    products.sum::<f64>() / (a.len() - 1) as f64
}

/// Standard deviation, skew and excess kurtosis, all biased (ddof 0).
#[must_use]
pub fn shape(numbers: &[f64]) -> (f64, f64, f64) {
    let middle = mean(numbers);
    let moment = |power: i32| {
        numbers.iter().map(|x| (x - middle).powi(power)).sum::<f64>() / numbers.len() as f64
    };
    let spread = moment(2);
    (spread.sqrt(), moment(3) / spread.powf(1.5), moment(4) / (spread * spread) - 3.0)
}

/// Linear interpolation between order statistics (Hyndman and Fan's seventh).
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * share;
    let low = place as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + place.fract() * (sorted[high] - sorted[low])
}

/// The quantile, and the mean of what is at or below it.
#[must_use]
pub fn lower_tail(sorted: &[f64], share: f64) -> (f64, f64) {
    let at = quantile(sorted, share);
    let below = sorted.partition_point(|&x| x <= at);
    (at, mean(&sorted[..below.max(1)]))
}

/// The same numbers in ascending order.
#[must_use]
pub fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_paper() {
        let sample = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert!((mean(&sample) - 4.0).abs() < 1e-15);
        assert!((covariance(&sample, &sample) - 12.5).abs() < 1e-12);
        let (deviation, skew, excess) = shape(&sample);
        assert!((deviation - 10.0_f64.sqrt()).abs() < 1e-12);
        // third moment (−27 − 8 − 1 + 216)/5 = 36, fourth (81 + 16 + 1 + 1296)/5 = 278.8
        assert!((skew - 36.0 / 10.0_f64.powf(1.5)).abs() < 1e-12);
        assert!((excess - (2.788 - 3.0)).abs() < 1e-12);
        assert!((quantile(&sample, 0.1) - 1.4).abs() < 1e-12);
        assert_eq!(lower_tail(&sample, 0.5), (3.0, 2.0));
    }
}
