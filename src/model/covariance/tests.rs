//! Against two assets on paper, against each other, and against known spectra.

use super::*;

fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // a sum of uniforms is normal enough
        (0..12)
            .map(|i| ((state.rotate_left(5 * i) >> 11) as f64) / (1_u64 << 53) as f64)
            .sum::<f64>()
            - 6.0
    }
}

fn independent(assets: usize, rows: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut next = noise(seed);
    (0..assets).map(|_| (0..rows).map(|_| next()).collect()).collect()
}

const ALL: [Estimator; 7] = [
    Estimator::Sample,
    Estimator::Weighted(40.0),
    Estimator::LedoitWolf,
    Estimator::Oas,
    Estimator::Nonlinear,
    Estimator::Denoised,
    Estimator::Gerber(0.5),
];

#[test]
fn two_assets_on_paper() {
    let columns = vec![vec![1.0, 2.0, 3.0], vec![2.0, 1.0, 6.0]];
    let found = covariance(&columns, Estimator::Sample).expect("sound").matrix;
    assert!((found[(0, 0)] - 1.0).abs() < 1e-15);
    assert!((found[(0, 1)] - 2.0).abs() < 1e-15);
    assert!((found[(1, 1)] - 7.0).abs() < 1e-15);
    // half-life of one row: weights 1/7, 2/7, 4/7 of raw products
    let found = covariance(&columns, Estimator::Weighted(1.0)).expect("sound").matrix;
    assert!((found[(0, 1)] - (2.0 + 2.0 * 2.0 + 4.0 * 18.0) / 7.0).abs() < 1e-12);
    // all days move both beyond half a deviation of their own, upwards
    let found = covariance(&columns, Estimator::Gerber(0.1)).expect("sound").matrix;
    let deviations = (2.0_f64 / 3.0).sqrt() * (14.0_f64 / 3.0).sqrt();
    assert!((found[(0, 1)] - deviations).abs() < 1e-12);
}

#[test]
fn every_estimate_is_symmetric_and_positive() {
    let columns = independent(8, 100, 3);
    for how in ALL {
        let found = covariance(&columns, how).expect("sound").matrix;
        for i in 0..8 {
            for j in 0..8 {
                assert!((found[(i, j)] - found[(j, i)]).abs() < 1e-12, "{how:?}");
            }
        }
        assert!(found.llt(faer::Side::Lower).is_ok(), "{how:?}");
    }
}

#[test]
fn shrinkage_comes_nearer_to_the_truth() {
    // independent assets of variance one, hardly more rows than assets
    for (assets, rows) in [(30, 45), (40, 30)] {
        let columns = independent(assets, rows, 11);
        let distance = |how| {
            let found = covariance(&columns, how).expect("sound").matrix;
            (0..assets)
                .flat_map(|i| (0..assets).map(move |j| (i, j)))
                .map(|(i, j)| (found[(i, j)] - f64::from(u8::from(i == j))).powi(2))
                .sum::<f64>()
        };
        let plain = distance(Estimator::Sample);
        for how in [Estimator::LedoitWolf, Estimator::Oas, Estimator::Nonlinear] {
            assert!(distance(how) < 0.3 * plain, "{assets}x{rows} {how:?}: {}", distance(how));
        }
    }
}

#[test]
fn many_columns_have_the_products_of_few() {
    let columns = independent(70, 50, 5);
    let many = covariance(&columns, Estimator::Sample).expect("sound").matrix;
    for pair in [[0, 69], [31, 32], [68, 69], [40, 3]] {
        let two = pair.map(|i| columns[i].clone());
        let few = covariance(&two, Estimator::Sample).expect("sound").matrix;
        let (i, j) = (pair[0], pair[1]);
        for (a, b) in
            [(many[(i, j)], few[(0, 1)]), (many[(j, i)], few[(0, 1)]), (many[(i, i)], few[(0, 0)])]
        {
            assert!((a - b).abs() < 1e-13, "{pair:?}: {a} {b}");
        }
    }
}

#[test]
fn what_has_no_covariance_is_refused() {
    assert!(matches!(covariance(&[vec![1.0]], Estimator::Sample), Err(CovarianceError::Few(1))));
    let still = vec![vec![1.0, 2.0, 4.0], vec![3.0; 3]];
    assert!(matches!(covariance(&still, Estimator::Denoised), Err(CovarianceError::Still(1))));
    assert!(matches!(covariance(&still, Estimator::Gerber(0.5)), Err(CovarianceError::Still(1))));
    assert!(matches!(
        covariance(&still, Estimator::Gerber(2.0)),
        Err(CovarianceError::Parameter { .. })
    ));
}
