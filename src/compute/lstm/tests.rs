//! Twins over shapes, and the layer by hand in f64. That a window is its stream, `parity` holds.

use super::*;
use crate::compute::cases::{self, LayerParts};

/// Of weights and inputs.
const SEED: u64 = 99;

/// The layer's definition in f64.
fn by_hand(weights: &[LayerParts], inputs: usize, hidden: usize, x: &[f32]) -> Vec<f64> {
    let steps = x.len() / inputs;
    let mut below: Vec<Vec<f64>> =
        x.chunks(inputs).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    for [wi, wh, bi, bh] in weights {
        let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
        for row in below.iter_mut().take(steps) {
            let gate = |index: usize, h: &[f64]| {
                let width = row.len();
                let dot = |w: &[f32], x: &[f64]| {
                    w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>()
                };
                f64::from(bi[index])
                    + f64::from(bh[index])
                    + dot(&wi[index * width..(index + 1) * width], row)
                    + dot(&wh[index * hidden..(index + 1) * hidden], h)
            };
            let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
            let next: Vec<(f64, f64)> = (0..hidden)
                .map(|j| {
                    let i = logistic(gate(j, &h));
                    let f = logistic(gate(hidden + j, &h));
                    let g = gate(2 * hidden + j, &h).tanh();
                    let o = logistic(gate(3 * hidden + j, &h));
                    let cell = f * c[j] + i * g;
                    (cell, o * cell.tanh())
                })
                .collect();
            (c, h) = next.into_iter().unzip();
            *row = h.clone();
        }
    }
    below.pop().unwrap_or_default()
}

#[test]
fn twins_agree_with_each_other_and_with_the_definition() {
    for shape in [(1, 1, 1, 20, 1), (5, 8, 1, 20, 1), (32, 128, 2, 20, 1), (7, 13, 3, 20, 1)] {
        let (inputs, hidden, layers, ..) = shape;
        let x = cases::windows(SEED, shape);
        let truth = by_hand(&cases::layers(SEED, shape, 4), inputs, hidden, &x);
        for (precision, loss) in
            [(Precision::Single, 2e-6), (Precision::Bf16, 2e-2), (Precision::Int8, 2e-2)]
        {
            let net = cases::lstm_of(SEED, shape, precision);
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
