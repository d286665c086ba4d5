//! Twins over shapes, the definition in f64, and what is refused.

use super::*;
use crate::compute::philox::{Draw, Fill, Stream, fill};
use crate::compute::reduce::pairwise;

fn drawn(count: usize, series: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; count * series];
    let job = Fill {
        seed: 4,
        stream: Stream::Free,
        step: 0,
        first_path: 0,
        paths: count * series,
        places: 1,
        draw: Draw::Normal,
    };
    fill(&job, &mut numbers, Simd::detect());
    // what series share, so that correlations are not all near zero
    for row in numbers.chunks_mut(series) {
        let common = row[0];
        row.iter_mut()
            .enumerate()
            .for_each(|(at, x)| *x = 0.01 * (*x + 0.5 * common) + 0.001 * at as f32);
    }
    numbers
}

fn by_hand(rows: &[f32], series: usize, weighting: Weighting) -> Vec<f64> {
    let count = rows.len() / series;
    let (total, weight): (f64, Box<dyn Fn(usize) -> f64>) = match weighting {
        Weighting::Equal { ddof } => ((count - ddof) as f64 / count as f64, Box::new(|_| 1.0)),
        Weighting::Exponential { lambda } => {
            (1.0, Box::new(move |t| lambda.powi((count - 1 - t) as i32)))
        }
    };
    let sum: f64 = (0..count).map(&weight).sum();
    let x = |t: usize, at: usize| f64::from(rows[t * series + at]);
    let mean = |at: usize| (0..count).map(|t| weight(t) * x(t, at)).sum::<f64>() / sum;
    let means: Vec<f64> = (0..series).map(mean).collect();
    let entry = |i: usize, j: usize| {
        let product = |t: usize| weight(t) * (x(t, i) - means[i]) * (x(t, j) - means[j]);
        (0..count).map(product).sum::<f64>() / sum / total
    };
    (0..series * series).map(|at| entry(at / series, at % series)).collect()
}

#[test]
fn twins_agree_with_each_other_and_with_the_definition() {
    for (count, series) in [(2, 1), (10, 3), (256, 16), (257, 17), (1_021, 20), (3_000, 5)] {
        let rows = drawn(count, series);
        for weighting in [
            Weighting::Equal { ddof: 1 },
            Weighting::Equal { ddof: 0 },
            Weighting::Exponential { lambda: 0.94 },
        ] {
            let plain = covariance(&rows, series, weighting, Simd::Scalar).expect("sound");
            let wide = covariance(&rows, series, weighting, Simd::detect()).expect("sound");
            assert!(
                plain.iter().zip(&wide).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{count} {series}"
            );
            for (ours, truth) in plain.iter().zip(by_hand(&rows, series, weighting)) {
                assert!(
                    (f64::from(*ours) - truth).abs() < 2e-5 * 1e-4,
                    "{count} {series}: {ours} {truth}"
                );
            }
        }
    }
}

#[test]
fn windows_are_each_alone() {
    let rows = drawn(20, 3);
    let weighting = Weighting::Equal { ddof: 1 };
    let all = windows(&rows, 3, 8, weighting, Simd::detect()).expect("sound");
    assert_eq!(all.len(), 13 * 9);
    let fifth = covariance(&rows[4 * 3..12 * 3], 3, weighting, Simd::Scalar).expect("sound");
    assert_eq!(all[4 * 9..5 * 9], fifth);
}

#[test]
fn the_tree_folds_as_reduce_does() {
    for blocks in 1..20 {
        let sums: Vec<f32> = (0..blocks).map(|i| 1.0 + (i as f32).exp2().recip()).collect();
        let mut tree = Tree::default();
        sums.iter().for_each(|sum| tree.push(vec![*sum]));
        assert_eq!(tree.finish(), [pairwise(sums)]);
    }
}

#[test]
fn what_has_no_covariance_is_refused() {
    let of = |rows: &[f32], series| {
        covariance(rows, series, Weighting::Equal { ddof: 1 }, Simd::detect())
    };
    assert!(matches!(of(&[1.0], 1), Err(CovError::Few { rows: 1, needed: 2 })));
    assert!(matches!(of(&[1.0, 2.0, 3.0], 2), Err(CovError::Shape { .. })));
    let nan = of(&[1.0, 2.0, f32::NAN, 4.0], 2);
    assert!(matches!(nan, Err(CovError::NotFinite { row: 1, series: 0, .. })));
    let lambda = Weighting::Exponential { lambda: 1.0 };
    assert_eq!(covariance(&[1.0, 2.0], 1, lambda, Simd::Scalar), Err(CovError::Lambda(1.0)));
    let still = of(&[1.0, 2.0, 1.0, 3.0], 2).expect("has a covariance");
    assert_eq!(correlation(&still, 2), Err(CovError::Still(0)));
    let moving = of(&[1.0, 2.0, 2.0, 4.0, 4.0, 8.0], 2).expect("sound");
    let correlations = correlation(&moving, 2).expect("sound");
    assert!(correlations.iter().all(|c| (c - 1.0).abs() < 1e-6));
}
