//! Twins over shapes, and the layer by hand in f64. That a window is its stream, `parity` holds.

use super::*;
use crate::compute::cases::{self, LayerParts};

/// Of weights and inputs.
const SEED: u64 = 99;

/// The layer's definition in f64.
fn by_hand(weights: &[LayerParts], inputs: usize, hidden: usize, x: &[f32]) -> Vec<f64> {
    let mut below: Vec<Vec<f64>> =
        x.chunks(inputs).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    for [wi, wh, bi, bh] in weights {
        let mut h = vec![0.0; hidden];
        for row in &mut below {
            let map = |w: &[f32], b: &[f32], x: &[f64], index: usize| {
                let w = &w[index * x.len()..(index + 1) * x.len()];
                f64::from(b[index]) + w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>()
            };
            let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
            let next = |j: usize| {
                let of = |gate: usize| {
                    (map(wi, bi, row, gate * hidden + j), map(wh, bh, &h, gate * hidden + j))
                };
                let (r, z, n) = (of(0), of(1), of(2));
                let n = (n.0 + logistic(r.0 + r.1) * n.1).tanh();
                let z = logistic(z.0 + z.1);
                (1.0 - z) * n + z * h[j]
            };
            h = (0..hidden).map(next).collect();
            *row = h.clone();
        }
    }
    below.pop().unwrap_or_default()
}

#[test]
fn twins_agree_with_each_other_and_with_the_definition() {
    for shape in [(1, 1, 1, 20, 1), (5, 8, 1, 20, 1), (32, 96, 2, 20, 1), (7, 13, 3, 20, 1)] {
        let (inputs, hidden, layers, ..) = shape;
        let x = cases::windows(SEED, shape);
        let truth = by_hand(&cases::layers(SEED, shape, 3), inputs, hidden, &x);
        for (precision, loss) in
            [(Precision::Single, 2e-6), (Precision::Bf16, 3e-2), (Precision::Int8, 3e-2)]
        {
            let net = cases::gru_of(SEED, shape, precision);
            let last = |simd| {
                let mut state = net.state();
                x.chunks(inputs).for_each(|row| {
                    net.step(&mut state, row, simd);
                });
                state.h[(layers - 1) * hidden..].to_vec()
            };
            let (plain, wide) = (last(Simd::Scalar), last(Simd::detect()));
            assert!(plain.iter().zip(&wide).all(|(a, b)| a.to_bits() == b.to_bits()));
            for (ours, truth) in plain.iter().zip(&truth) {
                let error = (f64::from(*ours) - truth).abs();
                assert!(error < loss, "{shape:?} {precision:?}: {error}");
            }
        }
    }
}
