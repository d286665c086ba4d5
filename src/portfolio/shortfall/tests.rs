//! Twins: the condensed active set against the programme written out in full; and what is known on paper.

use super::*;
use crate::portfolio::problem::{Costs, Group};
use faer::Mat;

fn scenarios(assets: usize, rows: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(99);
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64 - 0.5
    };
    let market: Vec<f64> = (0..rows).map(|_| 0.04 * noise() * (1.0 + noise())).collect();
    (0..assets)
        .map(|i| {
            let beta = 0.5 + i as f64 / assets as f64;
            market.iter().map(|m| 2e-4 * i as f64 + beta * m + 0.03 * noise()).collect()
        })
        .collect()
}

fn estimates(columns: &[Vec<f64>]) -> Estimates {
    let n = columns.len();
    Estimates {
        assets: (0..n).map(|i| format!("A{i}")).collect(),
        mean: columns.iter().map(|c| c.iter().sum::<f64>() / c.len() as f64).collect(),
        covariance: Mat::zeros(n, n),
    }
}

#[test]
fn the_condensed_solution_is_the_written_out_ones() {
    for (assets, rows, level, seed) in [
        (1, 50, 0.9, 1),
        (2, 100, 0.95, 2),
        (5, 400, 0.95, 3),
        (12, 700, 0.99, 4),
        (30, 600, 0.9, 5),
        (70, 300, 0.95, 6),
    ] {
        let columns = scenarios(assets, rows, seed);
        let (known, plain) = (estimates(&columns), Constraints::long_only(assets));
        let fast = condensed::solve(&columns, level, None);
        let slow = general::solve(&known, &columns, &plain, level).expect("feasible");
        let near = (fast.objective.value / slow.objective.value - 1.0).abs();
        assert!(near < 1e-8, "{assets}x{rows}: {fast:?} {slow:?}");
        let proof = fast.certificate.expect("proven");
        assert!(proof.kkt_residual < 1e-9, "{assets}x{rows}: {proof:?}");
        assert_eq!(fast.status, Status::Optimal);
        // from another problem's solution it ends at the same value
        let moved: Vec<Vec<f64>> =
            columns.iter().map(|c| c.iter().map(|r| r * 1.01 + 1e-4).collect()).collect();
        let cold = condensed::solve(&moved, level, None).objective.value;
        let again = condensed::solve(&moved, level, Some(&fast.weights)).objective.value;
        assert!((cold / again - 1.0).abs() < 1e-9, "{assets}x{rows}: {cold} {again}");
    }
}

#[test]
fn degenerate_scenarios_are_solved_all_the_same() {
    // the same asset twice, the same day many times over, an asset that never moves
    let mut columns = scenarios(6, 300, 8);
    columns[1] = columns[0].clone();
    for column in &mut columns {
        let first = column[0];
        column[..40].fill(first);
    }
    for still in [None, Some(5)] {
        if let Some(still) = still {
            columns[still].fill(0.0);
        }
        let found = condensed::solve(&columns, 0.95, None);
        let slow = general::solve(&estimates(&columns), &columns, &Constraints::long_only(6), 0.95);
        let slow = slow.expect("feasible").objective.value;
        assert!((found.objective.value - slow).abs() < 1e-9, "{found:?} {slow}");
    }
}

#[test]
fn limits_and_costs_are_kept() {
    let columns = scenarios(6, 300, 7);
    let known = estimates(&columns);
    let plain = Constraints::long_only(6);
    let least = min_cvar(&known, &columns, &plain, 0.95, None).expect("feasible").objective.value;
    let capped = Constraints { upper: vec![0.25; 6], ..plain.clone() };
    let found = min_cvar(&known, &columns, &capped, 0.95, None).expect("feasible");
    assert!(
        found.weights.iter().all(|w| *w < 0.25 + 1e-9) && found.objective.value >= least - 1e-12
    );
    let group = Group { name: "g".into(), members: vec![0, 1], lower: Some(0.5), upper: None };
    let grouped = Constraints { groups: vec![group], ..plain.clone() };
    let found = min_cvar(&known, &columns, &grouped, 0.95, None).expect("feasible");
    assert!(found.weights[0] + found.weights[1] > 0.5 - 1e-9);
    // a cost that outweighs everything keeps what is held
    let held = vec![1.0 / 6.0; 6];
    let dear = Constraints {
        previous: Some(held.clone()),
        costs: Some(Costs { linear: vec![1.0; 6], impact: vec![0.1; 6] }),
        ..plain.clone()
    };
    let found = min_cvar(&known, &columns, &dear, 0.95, None).expect("feasible");
    assert!(found.weights.iter().zip(&held).all(|(w, h)| (w - h).abs() < 1e-6), "{found:?}");
    let impossible = Constraints { upper: vec![0.1; 6], ..plain };
    let refused = min_cvar(&known, &columns, &impossible, 0.95, None).expect_err("0.6 < 1");
    assert!(refused.to_string().contains("every asset at most 0.1"), "{refused}");
}

#[test]
fn shortfalls_on_paper() {
    let losses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    let (alpha, cvar) = shortfall(&losses, 0.8);
    assert!((cvar - 9.5).abs() < 1e-12 && (8.0..=9.0).contains(&alpha));
    // a part of the third scenario: (10 + 9 + ½·8)/2.5
    assert!((shortfall(&losses, 0.75).1 - 9.2).abs() < 1e-12);
    let columns = scenarios(3, 10, 3);
    let known = estimates(&columns);
    for level in [0.0, 1.0, 0.95] {
        let plain = Constraints::long_only(3);
        assert!(min_cvar(&known, &columns, &plain, level, None).is_err(), "{level}");
    }
}

#[test]
fn canary_a_spoiled_weight_misses_the_bound() {
    let columns = scenarios(8, 400, 9);
    let found = condensed::solve(&columns, 0.95, None);
    let bound = found.certificate.expect("proven").dual;
    let above = |weights: &[f64]| shortfall(&losses(&columns, weights), 0.95).1 - bound;
    assert!(above(&found.weights).abs() < 1e-12 * bound.abs());
    let mut spoiled = found.weights.clone();
    let most = (0..8).max_by(|&a, &b| spoiled[a].total_cmp(&spoiled[b])).expect("an asset");
    spoiled[most] -= 0.05;
    spoiled[(most + 1) % 8] += 0.05;
    assert!(above(&spoiled) > 1e-6, "{}", above(&spoiled));
}

/// CVaR and what trades cost.
fn whole(columns: &[Vec<f64>], limits: &Constraints, level: f64, weights: &[f64]) -> f64 {
    let mut value = shortfall(&losses(columns, weights), level).1;
    if let (Some(costs), Some(held)) = (&limits.costs, &limits.previous) {
        for (i, w) in weights.iter().enumerate() {
            let change = (w - held[i]).abs();
            value += costs.linear[i] * change + costs.impact[i] * change.powf(1.5);
        }
    }
    value
}

/// Bounds and costs of every kind by turns.
fn bounds(assets: usize, kind: usize) -> Constraints {
    let n = assets as f64;
    let mut limits = Constraints::long_only(assets);
    if kind & 1 == 1 {
        limits.upper = (0..assets).map(|i| (2.0 + i as f64 / n) / n).collect();
        limits.lower = (0..assets).map(|i| if i % 7 == 3 { 0.1 / n } else { 0.0 }).collect();
    }
    if kind & 2 == 2 {
        limits.previous =
            Some((0..assets).map(|i| if i % 2 == 0 { 2.0 / n } else { 0.0 }).collect());
        let impact = if kind & 4 == 4 { 0.004 } else { 0.0 };
        limits.costs = Some(Costs { linear: vec![0.0007; assets], impact: vec![impact; assets] });
    }
    if kind & 8 == 8 {
        limits.lower = vec![-0.3; assets];
        limits.upper = limits.upper.iter().map(|u| u.min(0.6)).collect();
    }
    limits
}

#[test]
fn bounds_and_costs_are_the_written_out_ones() {
    let (mut solved, mut tried) = (0, 0);
    for (assets, rows, level, seed) in [
        (3, 200, 0.9, 1),
        (8, 400, 0.95, 2),
        (20, 600, 0.95, 3),
        (60, 400, 0.9, 4),
        (90, 900, 0.95, 5),
    ] {
        let columns = scenarios(assets, rows, seed);
        let known = estimates(&columns);
        for kind in 1..16 {
            let limits = bounds(assets, kind);
            tried += 1;
            let Some(fast) = bounded::solve(&columns, &limits, level, None) else { continue };
            solved += 1;
            let slow = general::solve(&known, &columns, &limits, level).expect("feasible");
            let of = |found: &Allocation| whole(&columns, &limits, level, &found.weights);
            let (ours, theirs) = (of(&fast), of(&slow));
            assert!(ours < theirs + 1e-7 * theirs.abs(), "{assets} {kind}: {ours} {theirs}");
            let proof = fast.certificate.expect("proven");
            assert!((proof.primal - ours).abs() < 1e-12 && proof.gap > -1e-10, "{proof:?}");
            assert!(proof.gap < 1e-8 * ours.abs(), "{assets} {kind}: {proof:?}");
            for (i, w) in fast.weights.iter().enumerate() {
                assert!((limits.lower[i]..=limits.upper[i]).contains(w), "{assets} {kind}: {w}");
            }
            assert!((fast.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            // from its own solution it ends at the same value
            let again = bounded::solve(&columns, &limits, level, Some(&fast.weights));
            if let Some(again) = again {
                assert!((of(&again) / ours - 1.0).abs() < 1e-7, "{assets} {kind}");
            }
            // canary: all on the wildest asset is seen
            let mut moved = vec![0.0; assets];
            moved[assets - 1] = 1.0;
            assert!(whole(&columns, &limits, level, &moved) > ours * (1.0 + 1e-6));
        }
    }
    assert!(solved * 10 >= tried * 9, "{solved} of {tried}");
}
