//! Twins, definitions by hand, closed forms, and whether error bars hold what they promise.

use super::*;
use crate::compute::philox::{Draw, Fill, Stream, Student, fill};
use crate::maths::distribution::{StudentT, normal_quantile, normal_shortfall};

fn drawn(seed: u64, draw: Draw, n: usize) -> Vec<f32> {
    let mut to = vec![0.0; n];
    let job =
        Fill { seed, stream: Stream::Free, step: 0, first_path: 0, paths: n, places: 1, draw };
    fill(&job, &mut to, Simd::detect());
    to
}

#[test]
fn twins_agree() {
    let levels = [0.5, 0.9, 0.95, 0.99, 0.995];
    for n in [200, 1_021, 4_096, 4_097, 16_385, 100_000] {
        for seed in 0..4 {
            let mut profits = drawn(seed, Draw::Normal, n);
            if seed == 3 {
                // few different numbers: ranks fall on ties
                profits.iter_mut().for_each(|x| *x = (*x * 4.0).round());
            }
            let plain = measure(&profits, &levels, Simd::Scalar);
            assert_eq!(plain, measure(&profits, &levels, Simd::detect()), "n {n} seed {seed}");
        }
    }
}

#[test]
fn a_sorted_vector_does_not_mislead_the_sample() {
    let mut profits = drawn(1, Draw::Normal, 50_000);
    profits.sort_by(f32::total_cmp);
    let plain = measure(&profits, &[0.99], Simd::Scalar);
    assert_eq!(plain, measure(&profits, &[0.99], Simd::detect()));
    profits.reverse();
    let plain = measure(&profits, &[0.99], Simd::Scalar);
    assert_eq!(plain, measure(&profits, &[0.99], Simd::detect()));
}

#[test]
fn definitions_by_hand() {
    // profits −10, −9, …, 10: at 0.9 the quantile stands at (21 − 1)·0.1 = 2, so −8
    let profits: Vec<f32> = (-10..=10).map(|x| x as f32).collect();
    let found = measure(&profits, &[0.9, 0.875], Simd::Scalar).expect("sound");
    assert!((found[0].var - 8.0).abs() < 1e-6);
    assert_eq!((found[0].es, found[0].beyond), (9.0, 3));
    // at 0.875 it stands at 2.5, so −7.5, with −10, −9 and −8 below
    assert_eq!((found[1].var, found[1].es, found[1].beyond), (7.5, 9.0, 3));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let measure = |profits: &[f32], level| measure(profits, &[level], Simd::detect());
    assert!(matches!(measure(&[1.0; 50], 0.99), Err(TailError::Few { needed: 100, .. })));
    assert!(measure(&[1.0; 100], 0.99).is_ok());
    assert!(matches!(measure(&[], 0.5), Err(TailError::Few { .. })));
    assert!(matches!(measure(&[1.0; 9], 1.0), Err(TailError::Level(_))));
    assert!(matches!(measure(&[1.0; 9], f64::NAN), Err(TailError::Level(_))));
    let hole = [1.0, f32::NAN, 2.0];
    assert!(matches!(measure(&hole, 0.5), Err(TailError::NotFinite { index: 1, .. })));
}

#[test]
fn a_constant_vector_has_no_error() {
    let found = measure(&[-3.0; 5_000], &[0.99], Simd::detect()).expect("sound")[0];
    assert_eq!((found.var, found.es), (3.0, 3.0));
    assert_eq!((found.var_std_error, found.es_std_error), (0.0, 0.0));
}

/// Shares of 1 000 seeds whose 95 % bars hold the truth, of VaR and of ES.
fn coverage(draw: Draw, level: f64, truth: (f64, f64)) -> (f64, f64) {
    let (mut var, mut es) = (0, 0);
    for seed in 0..1_000 {
        let found =
            measure(&drawn(seed, draw, 20_000), &[level], Simd::detect()).expect("sound")[0];
        let within = |value: f32, error: f64, truth: f64| {
            i32::from((f64::from(value) - truth).abs() <= NORMAL_95 * error)
        };
        var += within(found.var, found.var_std_error, truth.0);
        es += within(found.es, found.es_std_error, truth.1);
    }
    (f64::from(var) / 1_000.0, f64::from(es) / 1_000.0)
}

#[test]
fn error_bars_hold_the_truth_as_often_as_they_say() {
    let promised = 0.93..=0.97;
    for level in [0.95, 0.99] {
        let normal = (normal_quantile(level), normal_shortfall(level));
        let found = coverage(Draw::Normal, level, normal);
        assert!(promised.contains(&found.0) && promised.contains(&found.1), "normal {found:?}");
        let t = StudentT::new(6.0).expect("positive");
        let truth = (t.quantile(level) * t.standardiser(), t.shortfall(level) * t.standardiser());
        let draw = Draw::Student(Student::new(6.0).expect("above 2"));
        let found = coverage(draw, level, truth);
        assert!(promised.contains(&found.0) && promised.contains(&found.1), "t {found:?}");
    }
    let canary = coverage(Draw::Normal, 0.99, (normal_quantile(0.9905), normal_shortfall(0.9905)));
    assert!(canary.0 < 0.93, "a truth half a thousandth of a level off is missed: {canary:?}");
}
