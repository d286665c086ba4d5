//! Latencies in nanoseconds, untrimmed: `record(ns)` -> p50, p99, p99.9, max, count.
//!
//! Over hdrhistogram at three significant digits: a percentile is at most 0.1 % too high; `max` and
//! `count` are exact. Values above `SPAN_MAX` keep their rank and the exact maximum, but a
//! percentile that falls among them reads as `SPAN_MAX`. Never allocates after construction.

use serde::Serialize;

/// Longest span with full resolution: one minute.
pub const SPAN_MAX: u64 = 60_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 3;

/// Spans of one kind.
#[derive(Clone, Debug)]
pub struct Histogram {
    spans: hdrhistogram::Histogram<u64>,
    max: u64,
}

/// What a report prints, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Half of the spans were at most this long.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest, exactly.
    pub max: u64,
    /// How many.
    pub count: u64,
}

impl Histogram {
    /// An empty histogram; allocates about 220 KiB, once.
    #[must_use]
    pub fn new() -> Histogram {
        let spans = hdrhistogram::Histogram::new_with_bounds(1, SPAN_MAX, DIGITS)
            .expect("Invariant: the constant bounds satisfy 2 * low <= high and digits <= 5");
        Histogram { spans, max: 0 }
    }

    /// Adds one span.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.spans.saturating_record(ns);
        self.max = self.max.max(ns);
    }

    /// How many spans.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.spans.len()
    }

    /// The span that a share `q` (0 to 1) of all spans does not exceed; zero when empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        self.spans.value_at_quantile(q).min(self.max)
    }

    /// Mean span, to the histogram's resolution; zero when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.spans.mean()
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Histogram) {
        self.spans.add(&other.spans).expect("Invariant: all histograms share their bounds");
        self.max = self.max.max(other.max);
    }

    /// Forgets everything; keeps the memory.
    pub fn reset(&mut self) {
        self.spans.reset();
        self.max = 0;
    }

    /// The five figures of a report.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            p50: self.quantile(0.5),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: self.max,
            count: self.count(),
        }
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The meaning: the smallest span with at least a share `q` of all at or below it.
    fn quantile_of(sorted: &[u64], q: f64) -> u64 {
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    fn summary_of(spans: &[u64]) -> Summary {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        Summary {
            p50: quantile_of(&sorted, 0.5),
            p99: quantile_of(&sorted, 0.99),
            p999: quantile_of(&sorted, 0.999),
            max: sorted[sorted.len() - 1],
            count: sorted.len() as u64,
        }
    }

    /// Equal up to the resolution, and exact where exactness is promised.
    fn agrees(ours: Summary, slow: Summary) -> bool {
        let near = |a: u64, b: u64| a >= b && a - b <= b / 1_000;
        near(ours.p50, slow.p50)
            && near(ours.p99, slow.p99)
            && near(ours.p999, slow.p999)
            && (ours.max, ours.count) == (slow.max, slow.count)
    }

    fn histogram_of(spans: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        spans.iter().for_each(|span| histogram.record(*span));
        histogram
    }

    fn spans() -> impl Strategy<Value = Vec<u64>> {
        let span = prop_oneof![0..2_000u64, 0..5_000_000u64, 0..SPAN_MAX];
        prop::collection::vec(span, 1..3_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn percentiles_agree_with_a_sorted_list(spans in spans()) {
            let (ours, slow) = (histogram_of(&spans).summary(), summary_of(&spans));
            prop_assert!(agrees(ours, slow), "{ours:?} against {slow:?}");
        }

        #[test]
        fn merging_is_recording_both(one in spans(), two in spans()) {
            let mut merged = histogram_of(&one);
            merged.merge(&histogram_of(&two));
            let both: Vec<u64> = one.into_iter().chain(two).collect();
            prop_assert_eq!(merged.summary(), histogram_of(&both).summary());
        }
    }

    #[test]
    fn canary_a_trimmed_tail_is_caught() {
        let mut spans = vec![100u64; 1_000];
        spans[500] = 9_000_000;
        let trimmed: Vec<u64> = spans.iter().copied().filter(|span| *span < 1_000_000).collect();
        assert!(agrees(histogram_of(&spans).summary(), summary_of(&spans)));
        assert!(!agrees(histogram_of(&trimmed).summary(), summary_of(&spans)));
    }

    #[test]
    fn spans_beyond_the_end_keep_rank_and_maximum() {
        let summary = histogram_of(&[5, u64::MAX, SPAN_MAX + 7]).summary();
        assert_eq!((summary.max, summary.count), (u64::MAX, 3));
        assert!(summary.p50 >= SPAN_MAX, "{summary:?}");
    }

    #[test]
    fn empty_and_reset_are_all_zero() {
        assert_eq!(Histogram::new().summary(), Summary::default());
        let mut histogram = histogram_of(&[1, 2, 3]);
        histogram.reset();
        assert_eq!(histogram.summary(), Summary::default());
    }
}
