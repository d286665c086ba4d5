//! Against all rows as one normal vector, against what was drawn, and the size of the test.

use super::*;
use crate::maths::random::Random;

fn random_model(assets: usize, many: usize, seed: u64) -> (Model, Random) {
    let mut random = Random::new(seed, 0);
    let loadings = Mat::from_fn(assets, many, |_, _| 0.6 * random.normal());
    let own = (0..assets).map(|_| 0.2 + random.unit()).collect();
    let transition = Mat::from_fn(many, many, |i, j| {
        if i == j { 0.3 + 0.4 * random.unit() } else { 0.1 * random.normal() }
    });
    (Model { loadings, own, transition, shocks: Mat::identity(many, many) }, random)
}

fn drawn(model: &Model, rows: usize, random: &mut Random) -> (Mat<f64>, Mat<f64>) {
    let (n, many) = (model.own.len(), model.many());
    let start = model.variance().llt(Side::Lower).expect("positive");
    let mut state = start.L() * Mat::from_fn(many, 1, |_, _| random.normal());
    let (mut x, mut factors) = (Mat::zeros(n, rows), Mat::zeros(many, rows));
    for t in 0..rows {
        if t > 0 {
            let shock = Mat::from_fn(many, 1, |_, _| random.normal());
            state = &model.transition * &state + shock;
        }
        let shared = &model.loadings * &state;
        for i in 0..n {
            x[(i, t)] = shared[(i, 0)] + model.own[i].sqrt() * random.normal();
        }
        (0..many).for_each(|k| factors[(k, t)] = state[(k, 0)]);
    }
    (x, factors)
}

fn squares(x: &Mat<f64>) -> Vec<f64> {
    (0..x.nrows()).map(|i| x.row(i).iter().map(|x| x * x).sum()).collect()
}

/// The slow, obvious twin: all rows at once as one normal vector.
#[test]
fn the_filter_is_one_great_normal_distribution() {
    for (n, many, rows, seed) in [(4, 1, 12, 1), (5, 2, 30, 2), (7, 3, 9, 3)] {
        let (model, mut random) = random_model(n, many, seed);
        let (x, _) = drawn(&model, rows, &mut random);
        let found = model.states(&x, &squares(&x)).expect("has inverses");
        // variances of the factors at every pair of rows
        let mut own = vec![model.variance()];
        for t in 1..rows {
            let next = &model.transition * &own[t - 1] * model.transition.transpose();
            own.push(next + &model.shocks);
        }
        let mut prior = Mat::<f64>::zeros(rows * many, rows * many);
        for s in 0..rows {
            let mut block = own[s].clone();
            for t in s..rows {
                for i in 0..many {
                    for j in 0..many {
                        prior[(t * many + i, s * many + j)] = block[(i, j)];
                        prior[(s * many + j, t * many + i)] = block[(i, j)];
                    }
                }
                block = &model.transition * block;
            }
        }
        let wide = Mat::from_fn(rows * n, rows * many, |a, b| {
            if a / n == b / many { model.loadings[(a % n, b % many)] } else { 0.0 }
        });
        let noise =
            Mat::from_fn(rows * n, rows * n, |a, b| if a == b { model.own[a % n] } else { 0.0 });
        let whole = &wide * &prior * wide.transpose() + noise;
        let seen = Mat::from_fn(rows * n, 1, |a, _| x[(a % n, a / n)]);
        let solved = whole.partial_piv_lu().solve(&seen);
        let square: f64 = (0..rows * n).map(|a| seen[(a, 0)] * solved[(a, 0)]).sum();
        let constant = (rows * n) as f64 * (2.0 * std::f64::consts::PI).ln();
        let truth =
            -0.5 * (constant + ln_determinant(&symmetric(&whole)).expect("positive") + square);
        assert!((found.log_likelihood - truth).abs() < 1e-9 * truth.abs(), "{n} {many}");
        let mean = &prior * wide.transpose() * solved;
        let turned = whole.partial_piv_lu().solve(&wide * &prior);
        let after = &prior - &prior * wide.transpose() * turned;
        let (mut spread, mut lagged) =
            (Mat::<f64>::zeros(many, many), Mat::<f64>::zeros(many, many));
        for t in 0..rows {
            for i in 0..many {
                assert!((found.smoothed[(i, t)] - mean[(t * many + i, 0)]).abs() < 1e-10);
                for j in 0..many {
                    spread[(i, j)] += after[(t * many + i, t * many + j)];
                    if t > 0 {
                        lagged[(i, j)] += after[(t * many + i, (t - 1) * many + j)];
                    }
                }
            }
        }
        assert!(apart(&spread, &found.spread) < 1e-10, "{n} {many}");
        assert!(apart(&lagged, &found.lagged) < 1e-10, "{n} {many}");
        // the last row's factors by both
        let last = rows - 1;
        assert!((found.filtered[(0, last)] - found.smoothed[(0, last)]).abs() < 1e-15);
    }
}

#[test]
fn every_step_is_uphill() {
    let (truth, mut random) = random_model(8, 2, 5);
    let (x, _) = drawn(&truth, 300, &mut random);
    let mut model = random_model(8, 2, 6).0;
    let mut before = f64::NEG_INFINITY;
    for step in 0..200 {
        let states = model.states(&x, &squares(&x)).expect("has inverses");
        let now = states.log_likelihood;
        // but for what the first of 300 rows says
        assert!(now > before - 1e-5 * now.abs(), "{step}: {now} {before}");
        before = now;
        model = model.better(&x, &squares(&x), &states, true).expect("has inverses");
        // turning changes units, not likelihoods
        let turned = model.turned().expect("comes back");
        let same = turned.states(&x, &squares(&x)).expect("has inverses").log_likelihood;
        let own = model.states(&x, &squares(&x)).expect("has inverses").log_likelihood;
        assert!((same - own).abs() < 1e-9 * own.abs(), "{step}: {same} {own}");
    }
}

#[test]
fn what_was_drawn_is_found_again() {
    let (truth, mut random) = random_model(12, 2, 8);
    let (x, factors) = drawn(&truth, 4_000, &mut random);
    let columns: Vec<Vec<f64>> =
        (0..12).map(|i| (0..4_000).map(|t| 0.01 * x[(i, t)] + 0.001).collect()).collect();
    let found = fit(&columns, Some(2)).expect("fits");
    assert!(found.converged && found.p_value.is_some_and(|p| p < 1e-12), "{found:?}");
    let wanted = truth.turned().expect("comes back");
    let truly = persistence(&truth.transition).expect("has some");
    assert!((found.persistence - truly).abs() < 0.05, "{} {truly}", found.persistence);
    for i in 0..12 {
        assert!((found.own[i] / (1e-4 * truth.own[i]) - 1.0).abs() < 0.1, "{i}");
        for k in 0..2 {
            let apart = found.loadings[(i, k)] - 0.01 * wanted.loadings[(i, k)];
            assert!(apart.abs() < 0.001, "{i} {k}: {apart}");
        }
    }
    // what factors move is followed, by all rows closer than by those before
    let shared = |series: &[Vec<f64>]| {
        let at = |t: usize| (0..2).map(|k| found.loadings[(0, k)] * series[k][t]).sum::<f64>();
        let truth =
            |t: usize| 0.01 * (0..2).map(|k| truth.loadings[(0, k)] * factors[(k, t)]).sum::<f64>();
        let whole: f64 = (0..4_000).map(|t| truth(t).powi(2)).sum();
        (0..4_000).map(|t| (at(t) - truth(t)).powi(2)).sum::<f64>() / whole
    };
    let (smoothed, filtered) = (shared(&found.smoothed), shared(&found.filtered));
    assert!(smoothed < filtered && filtered < 0.2, "{smoothed} {filtered}");
}

/// At a level of 5 %: rows of one size, rows whose size clusters, more factors than there are.
#[test]
fn no_dynamics_are_found_where_there_are_none() {
    for (clusters, fitted) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let mut called = 0;
        for seed in 0..20 {
            let (mut model, mut random) = random_model(9, 1, 50 + seed);
            model.transition = Mat::zeros(1, 1);
            let (x, _) = drawn(&model, 300, &mut random);
            let mut size = vec![1.0_f64];
            for _ in 1..300 {
                let last = size[size.len() - 1];
                let shock = random.normal();
                let next = 0.1 + (0.2 * shock * shock + 0.7) * last;
                size.push(if clusters { next } else { 1.0 });
            }
            let at = |i: usize| (0..300).map(|t| x[(i, t)] * size[t].sqrt()).collect();
            let columns: Vec<Vec<f64>> = (0..9).map(at).collect();
            let found = fit(&columns, Some(fitted)).expect("fits");
            called += usize::from(found.p_value.is_some_and(|p| p < 0.05));
        }
        // 1 expected; more than 5 come in 3 of 10 000
        assert!(called <= 5, "{clusters} {fitted}: {called}");
    }
}

#[test]
fn what_cannot_be_told_is_refused() {
    let (model, mut random) = random_model(4, 1, 9);
    let (x, _) = drawn(&model, 60, &mut random);
    let columns: Vec<Vec<f64>> = (0..4).map(|i| (0..60).map(|t| x[(i, t)]).collect()).collect();
    assert!(matches!(fit(&columns, Some(2)), Err(LatentError::Many { .. })));
    let short: Vec<Vec<f64>> = columns.iter().map(|c| c[..12].to_vec()).collect();
    assert!(matches!(fit(&short, Some(1)), Err(LatentError::Few { needed: 20, .. })));
}
