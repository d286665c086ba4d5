//! Twins over a grid of jobs, and what the paths must hold on average.

use super::*;

/// A job of every kind.
fn jobs(assets: usize, steps: u32, seed: u64) -> Vec<(String, Paths)> {
    let process = |j: usize| Asset {
        mean: 0.000_3 * j as f32,
        omega: 2e-6,
        alpha: 0.05 + 0.01 * (j % 3) as f32,
        gamma: if j.is_multiple_of(2) { 0.04 } else { 0.0 },
        beta: 0.88,
        start: 1e-4 * (1 + j) as f32,
    };
    let list: Vec<Asset> = (0..assets).map(process).collect();
    let correlations: Vec<f64> =
        (0..assets * assets).map(|i| if i % (assets + 1) == 0 { 1.0 } else { 0.3 }).collect();
    let cholesky = Dependence::correlated(&correlations, assets).expect("positive definite");
    let factors = Dependence::Factors {
        factors: 2,
        loadings: (0..2 * assets).map(|i| 0.1 + 0.05 * (i % 7) as f32).collect(),
        own: vec![0.8; assets],
    };
    let days = 37;
    let history = Shocks::Days {
        rows: (0..assets * days).map(|i| ((i * 29) % 101) as f32 / 40.0 - 1.25).collect(),
        days: days as u32,
    };
    let t = |nu| Shocks::student(nu).expect("above 2");
    let mixed = Shocks::mixed_student(4.5).expect("above 2");
    let all = [
        ("normal", Shocks::Normal, Dependence::Independent),
        ("t 2.5", t(2.5), Dependence::Independent),
        ("t 8", t(8.0), Dependence::Independent),
        ("mixed", mixed.clone(), Dependence::Independent),
        ("days", history, Dependence::Independent),
        ("cholesky", Shocks::Normal, cholesky.clone()),
        ("cholesky mixed", mixed.clone(), cholesky),
        ("factors", Shocks::Normal, factors.clone()),
        ("factors mixed", mixed, factors),
    ];
    let both = [Compounding::Log, Compounding::Simple];
    all.into_iter()
        .flat_map(|(name, shocks, dependence)| {
            both.map(|how| {
                let job =
                    Paths::new(seed, steps, list.clone(), shocks.clone(), dependence.clone(), how);
                (format!("{name} {how:?} {assets}x{steps}"), job.expect("sound"))
            })
        })
        .collect()
}

fn simulated(job: &Paths, first: u64, simd: Simd) -> Vec<f32> {
    let mut to = vec![0.0; job.rows() * BLOCK];
    block(job, first, &mut Room::default(), &mut to, simd);
    to
}

#[test]
fn twins_agree() {
    for (assets, steps) in [(1, 1), (1, 5), (2, 3), (3, 4), (7, 2)] {
        for (name, job) in jobs(assets, steps, 42) {
            let points = job.on_points(13, 2).expect("few numbers");
            for job in [job.mirrored(), points, job] {
                let (plain, wide) =
                    (simulated(&job, 4096, Simd::Scalar), simulated(&job, 4096, Simd::detect()));
                let apart = plain.iter().zip(&wide).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(apart, None, "{name}");
            }
        }
    }
}

#[test]
fn variances_follow_the_recursion_on_average() {
    // E h(2) = ω + (α + γ/2 + β)·h(1), so the two steps' variance is known; means add
    let asset = Asset { mean: 1e-3, omega: 4e-5, alpha: 0.1, gamma: 0.1, beta: 0.7, start: 4e-4 };
    for shocks in [Shocks::Normal, Shocks::student(8.0).expect("above 2")] {
        let job = Paths::new(7, 2, vec![asset], shocks, Dependence::Independent, Compounding::Log)
            .expect("sound");
        let mut logs = Vec::new();
        for b in 0..64 {
            let returns = simulated(&job, b * BLOCK as u64, Simd::detect());
            logs.extend(returns.iter().map(|&r| f64::from(r).ln_1p()));
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let variance = logs.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
        let second = 4e-5 + (0.1 + 0.05 + 0.7) * 4e-4;
        let truth = 4e-4 + second;
        assert!((mean - 2e-3).abs() < 5.0 * (truth / n).sqrt(), "mean {mean}");
        assert!((variance / truth - 1.0).abs() < 0.02, "variance {variance} against {truth}");
    }
}

#[test]
fn correlations_come_out_as_put_in() {
    let correlations = [1.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 1.0];
    let dependence = Dependence::correlated(&correlations, 3).expect("positive definite");
    for shocks in [Shocks::Normal, Shocks::mixed_student(6.0).expect("above 2")] {
        let assets = vec![Asset::constant(0.0, 0.01); 3];
        let job = Paths::new(3, 1, assets, shocks, dependence.clone(), Compounding::Simple)
            .expect("sound");
        let blocks: Vec<Vec<f32>> =
            (0..32).map(|b| simulated(&job, b * BLOCK as u64, Simd::detect())).collect();
        let moment = |i: usize, j: usize| {
            let pairs = blocks.iter().flat_map(|to| {
                (0..BLOCK).map(move |p| f64::from(to[i * BLOCK + p]) * f64::from(to[j * BLOCK + p]))
            });
            pairs.sum::<f64>() / (blocks.len() * BLOCK) as f64
        };
        for i in 0..3 {
            assert!((moment(i, i) / 1e-4 - 1.0).abs() < 0.03, "variance of {i}");
            for j in 0..i {
                let found = moment(i, j) / (moment(i, i) * moment(j, j)).sqrt();
                assert!((found - correlations[i * 3 + j]).abs() < 0.02, "{i} {j}: {found}");
            }
        }
    }
}

#[test]
fn jobs_that_cannot_be_are_refused() {
    let asset = Asset::constant(0.0, 0.01);
    let make = |assets, steps, shocks, dependence| {
        Paths::new(1, steps, assets, shocks, dependence, Compounding::Log)
    };
    let independent = || Dependence::Independent;
    assert!(matches!(make(vec![], 1, Shocks::Normal, independent()), Err(JobError::Empty { .. })));
    assert!(matches!(
        make(vec![asset], 0, Shocks::Normal, independent()),
        Err(JobError::Empty { .. })
    ));
    let bad = Asset { beta: -0.1, ..asset };
    assert!(matches!(
        make(vec![asset, bad], 1, Shocks::Normal, independent()),
        Err(JobError::Parameter { asset: 1, name: "beta", .. })
    ));
    let short = Dependence::Cholesky(vec![1.0]);
    assert!(matches!(make(vec![asset; 2], 1, Shocks::Normal, short), Err(JobError::Shape { .. })));
    let hole = Shocks::Days { rows: vec![0.0, f32::NAN], days: 2 };
    assert!(matches!(
        make(vec![asset], 1, hole, independent()),
        Err(JobError::NotFinite { index: 1, .. })
    ));
    assert!(matches!(Shocks::student(2.0), Err(JobError::Freedom(_))));
    assert!(matches!(Shocks::mixed_student(f64::NAN), Err(JobError::Freedom(_))));
    let factor = Dependence::Cholesky(vec![1.0]);
    let t = Shocks::student(5.0).expect("above 2");
    assert!(matches!(make(vec![asset], 1, t, factor), Err(JobError::Twice(_))));
}

/// ln f/g of the paths of a block, and whatever is asked of their returns.
fn tilted_block(job: &Paths, block: u64) -> (Vec<f64>, Vec<f32>) {
    let to = simulated(job, block * BLOCK as u64, Simd::detect());
    let n = job.assets().len();
    (to[n * BLOCK..].iter().map(|&x| f64::from(x)).collect(), to[..n * BLOCK].to_vec())
}

#[test]
fn a_tilt_changes_the_measure_and_tells_by_how_much() {
    let correlations = [1.0, 0.5, 0.5, 1.0];
    for (shocks, stretch) in
        [(Shocks::Normal, 1.0), (Shocks::mixed_student(5.0).expect("above 2"), 0.7)]
    {
        let dependence = Dependence::correlated(&correlations, 2).expect("positive definite");
        let assets = vec![Asset::constant(0.0, 0.01); 2];
        let plain =
            Paths::new(9, 2, assets, shocks, dependence, Compounding::Simple).expect("sound");
        let shifts = vec![-0.8, 0.1, -0.3, 0.0];
        let (g, f) = (
            plain.tilted(shifts.clone(), stretch, true).expect("normals"),
            plain.tilted(shifts, stretch, false).expect("normals"),
        );
        // under g: E w = 1 and E w·r = E_f r = 0, though r itself has moved
        let (mut ones, mut moved, mut weighted, mut n) = (0.0, 0.0, 0.0, 0.0);
        // under f: E g/f = 1, and returns are the plain ones in bits
        let mut inverse = 0.0;
        for block in 0..64 {
            let (logs, returns) = tilted_block(&g, block);
            for (log, r) in logs.iter().zip(&returns) {
                ones += log.exp();
                moved += f64::from(*r);
                weighted += log.exp() * f64::from(*r);
                n += 1.0;
            }
            let (logs, returns) = tilted_block(&f, block);
            inverse += logs.iter().map(|log| (-log).exp()).sum::<f64>();
            assert_eq!(returns, simulated(&plain, block * BLOCK as u64, Simd::detect()));
        }
        assert!((ones / n - 1.0).abs() < 0.02, "mean weight {}", ones / n);
        assert!((inverse / n - 1.0).abs() < 0.03, "mean inverse {}", inverse / n);
        assert!(moved / n < -0.005, "returns moved by {}", moved / n);
        assert!((weighted / n).abs() < 0.000_5, "weighted back to {}", weighted / n);
    }
}

#[test]
fn points_average_better_than_paths() {
    // the mean of a smooth function of 20 numbers: replicates of 4 096 points against as many plain paths
    let assets = vec![Asset::constant(0.0, 0.01); 4];
    let correlations: Vec<f64> = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.4 }).collect();
    let dependence = Dependence::correlated(&correlations, 4).expect("positive definite");
    let plain =
        Paths::new(5, 5, assets, Shocks::Normal, dependence, Compounding::Log).expect("sound");
    let points = plain.on_points(12, 32).expect("few numbers");
    let spread = |job: &Paths| {
        let mean = |block: u64| {
            let to = simulated(job, block * BLOCK as u64, Simd::detect());
            to.iter().map(|&r| f64::from(r)).sum::<f64>() / BLOCK as f64
        };
        let means: Vec<f64> = (0..32).map(mean).collect();
        let whole = means.iter().sum::<f64>() / 32.0;
        (whole, means.iter().map(|m| (m - whole).powi(2)).sum::<f64>() / 31.0)
    };
    let (mean, rough) = spread(&plain);
    let (better, fine) = spread(&points);
    // E e^x − 1 of a normal of variance 5·1e-4, four assets
    let truth = 4.0 * (0.5 * 5e-4_f64).exp_m1();
    assert!((better - truth).abs() < 4.0 * (fine / 32.0).sqrt(), "{better} against {truth}");
    assert!((mean - truth).abs() < 4.0 * (rough / 32.0).sqrt(), "{mean} against {truth}");
    assert!(rough > 100.0 * fine, "a hundredfold gain at least: {rough} over {fine}");
}

#[test]
fn tilts_that_cannot_be_are_refused() {
    let job = |shocks| {
        let list = vec![Asset::constant(0.0, 0.01)];
        Paths::new(1, 2, list, shocks, Dependence::Independent, Compounding::Log).expect("sound")
    };
    let own = job(Shocks::student(5.0).expect("above 2"));
    assert!(matches!(own.tilted(vec![0.1; 2], 1.0, true), Err(JobError::Tilt)));
    let normal = job(Shocks::Normal);
    assert!(matches!(normal.tilted(vec![0.1; 3], 1.0, true), Err(JobError::Shape { .. })));
    assert!(matches!(normal.tilted(vec![f32::NAN; 2], 1.0, true), Err(JobError::NotFinite { .. })));
    assert!(matches!(normal.tilted(vec![0.1; 2], 0.5, true), Err(JobError::Tilt)));
}
