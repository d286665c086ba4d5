//! Against what is known on paper, against random problems' own optimality conditions, and degenerate ones.

use super::*;

fn bounded(n: usize, low: f64, high: f64) -> Limits {
    let mut limits = Limits { lower: vec![low; n], upper: vec![high; n], ..Limits::default() };
    limits.equalities.push(&vec![1.0; n], 1.0);
    limits
}

fn quadratic(n: usize, seed: u64, rank: usize) -> Quadratic {
    let mut state = seed;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64 - 0.5
    };
    let factor = Mat::from_fn(n, rank, |_, _| noise());
    let matrix = &factor * factor.transpose() * 1e-4;
    let linear = (0..n).map(|_| 1e-4 * noise()).collect();
    Quadratic { matrix, linear }
}

#[test]
fn random_problems_are_proven() {
    for seed in 0..60 {
        let n = 2 + (seed as usize * 7) % 40;
        // half of them singular: fewer observations than assets
        let rank = if seed % 2 == 0 { n + 3 } else { n / 2 + 1 };
        let objective = quadratic(n, seed, rank);
        let mut limits = bounded(n, if seed % 3 == 0 { -0.3 } else { 0.0 }, 0.6);
        let group: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
        limits.inequalities.push(&group, 0.45);
        let found = solve(&objective, &limits, &vec![1.0 / n as f64; n]);
        assert_eq!(found.status, Status::Optimal, "{seed}: {:?}", found.certificate);
        let certificate = found.certificate;
        assert!(certificate.kkt_residual < 1e-10, "{seed} {n}: {certificate:?}");
        let relative = certificate.gap / (certificate.primal.abs() + 1e-6);
        assert!(relative < 1e-9, "{seed} {n}: {certificate:?}");
        assert!((found.x.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn two_assets_are_solved_on_paper() {
    // variances 1 and 4, no correlation: weights 0.8 and 0.2, variance 0.8
    let matrix = Mat::from_fn(2, 2, |i, j| if i != j { 0.0 } else { [2.0, 8.0][i] });
    let objective = Quadratic { matrix, linear: vec![0.0; 2] };
    let found = solve(&objective, &bounded(2, 0.0, f64::INFINITY), &[0.5, 0.5]);
    assert!((found.x[0] - 0.8).abs() < 1e-14 && (found.certificate.primal - 0.8).abs() < 1e-14);
    // held at 0.7 at most
    let found = solve(&objective, &bounded(2, 0.0, 0.7), &[0.5, 0.5]);
    assert_eq!(found.x[0].to_bits(), 0.7_f64.to_bits(), "a bound is met exactly");
    assert!(found.upper_duals[0] > 0.0 && found.upper_duals[1] < 1e-12);
}

#[test]
fn a_linear_objective_finds_its_corner() {
    let objective = Quadratic { matrix: Mat::zeros(3, 3), linear: vec![-1.0, -3.0, -2.0] };
    let found = solve(&objective, &bounded(3, 0.0, f64::INFINITY), &[0.3; 3]);
    assert_eq!(found.status, Status::Optimal);
    assert!((found.x[1] - 1.0).abs() < 1e-9, "{:?}", found.x);
}

#[test]
fn what_cannot_be_is_infeasible() {
    let objective = quadratic(3, 5, 6);
    let found = solve(&objective, &bounded(3, 0.0, 0.2), &[0.3; 3]);
    assert_eq!(found.status, Status::Infeasible, "{found:?}");
    let mut crossed = bounded(3, 0.0, 1.0);
    (crossed.lower[1], crossed.upper[1]) = (0.3, 0.2);
    let found = solve_near(&objective, &crossed, &[0.3; 3], Some(&[0.4, 0.3, 0.3]));
    assert_eq!(found.status, Status::Infeasible, "{found:?}");
}

#[test]
fn canary_a_spoiled_point_is_not_proven() {
    let objective = quadratic(6, 9, 12);
    let limits = bounded(6, 0.0, f64::INFINITY);
    let mut found = solve(&objective, &limits, &[1.0 / 6.0; 6]);
    assert!(found.certificate.kkt_residual < 1e-10);
    let (most, least) = (0..6).fold((0, 0), |(most, least), i| {
        let most = if found.x[i] > found.x[most] { i } else { most };
        (most, if found.x[i] < found.x[least] { i } else { least })
    });
    found.x[most] -= 1e-3;
    found.x[least] += 1e-3;
    found.certify(&objective, &limits);
    assert!(found.certificate.kkt_residual > 1e-6, "{:?}", found.certificate);
}

#[test]
fn a_point_nearby_leads_to_the_same_answer_in_fewer_steps() {
    let (mut quick, mut all) = (0, 0);
    for seed in 0..60 {
        let n = 3 + (seed as usize * 7) % 40;
        let before = quadratic(n, seed, n + 3);
        let mut limits = bounded(n, if seed % 3 == 0 { -0.3 } else { 0.0 }, 0.6);
        let group: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
        limits.inequalities.push(&group, 0.45);
        let start = vec![1.0 / n as f64; n];
        let known = solve(&before, &limits, &start);
        let mut after = before.clone();
        after.linear.iter_mut().enumerate().for_each(|(i, c)| *c += 2e-6 * (i as f64).sin());
        (0..n).for_each(|i| after.matrix[(i, i)] *= 1.02);
        let cold = solve(&after, &limits, &start);
        let warm = solve_near(&after, &limits, &start, Some(&known.x));
        assert!(warm.certificate.kkt_residual < 1e-10, "{seed}: {:?}", warm.certificate);
        for (warm, cold) in warm.x.iter().zip(&cold.x) {
            assert!((warm - cold).abs() < 1e-9, "{seed}: {warm} {cold}");
        }
        quick += usize::from(warm.iterations < cold.iterations);
        all += 1;
    }
    assert!(quick * 10 >= all * 9, "{quick} of {all}");
}

#[test]
fn a_point_far_away_or_without_a_single_answer_does_no_harm() {
    for seed in 0..40 {
        let n = 4 + (seed as usize * 5) % 30;
        // singular every other time: the guesses have no single answer
        let objective = quadratic(n, seed, if seed % 2 == 0 { n + 3 } else { n / 2 });
        let limits = bounded(n, 0.0, 0.6);
        let start = vec![1.0 / n as f64; n];
        let mut corner = vec![0.0; n];
        corner[seed as usize % n] = 1.0;
        let found = solve_near(&objective, &limits, &start, Some(&corner));
        let cold = solve(&objective, &limits, &start);
        assert_eq!(found.status, Status::Optimal, "{seed}");
        let apart = (found.certificate.primal - cold.certificate.primal).abs();
        assert!(apart < 1e-10 * (cold.certificate.primal.abs() + 1e-6), "{seed} {apart}");
    }
}
