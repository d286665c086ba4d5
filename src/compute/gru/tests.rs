//! Twins over shapes, streams against windows, and a network by hand in f64.

use super::*;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mix = |i: u32| (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519) >> 8;
    (0..count as u32).map(|i| (mix(i) as f32 / (1 << 23) as f32 - 1.0) * 0.4).collect()
}

type Parts = [Vec<f32>; 4];

fn weights(inputs: usize, hidden: usize, layers: usize) -> Vec<Parts> {
    let layer = |at: usize| {
        let below = if at == 0 { inputs } else { hidden };
        let seed = 10 * at as u32 + 7;
        [
            numbers(3 * hidden * below, seed),
            numbers(3 * hidden * hidden, seed + 1),
            numbers(3 * hidden, seed + 2),
            numbers(3 * hidden, seed + 3),
        ]
    };
    (0..layers).map(layer).collect()
}

fn gru(inputs: usize, hidden: usize, weights: &[Parts], precision: Precision) -> Gru {
    fn layer([input, state, input_bias, state_bias]: &Parts) -> LayerWeights<'_> {
        LayerWeights { input, state, input_bias, state_bias }
    }
    let layers: Vec<LayerWeights> = weights.iter().map(layer).collect();
    Gru::new(inputs, hidden, &layers, precision).expect("sound")
}

/// The layer's definition in f64.
fn by_hand(weights: &[Parts], inputs: usize, hidden: usize, x: &[f32]) -> Vec<f64> {
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
    for (inputs, hidden, layers) in [(1, 1, 1), (5, 8, 1), (32, 96, 2), (7, 13, 3)] {
        let weights = weights(inputs, hidden, layers);
        let x = numbers(20 * inputs, 99);
        let truth = by_hand(&weights, inputs, hidden, &x);
        for (precision, loss) in
            [(Precision::Single, 2e-6), (Precision::Bf16, 3e-2), (Precision::Int8, 3e-2)]
        {
            let gru = gru(inputs, hidden, &weights, precision);
            let last = |simd| {
                let mut state = gru.state();
                x.chunks(inputs).for_each(|row| {
                    gru.step(&mut state, row, simd);
                });
                state.h[(layers - 1) * hidden..].to_vec()
            };
            let (plain, wide) = (last(Simd::Scalar), last(Simd::detect()));
            assert!(plain.iter().zip(&wide).all(|(a, b)| a.to_bits() == b.to_bits()));
            for (ours, truth) in plain.iter().zip(&truth) {
                let error = (f64::from(*ours) - truth).abs();
                assert!(error < loss, "{inputs} {hidden} {layers} {precision:?}: {error}");
            }
        }
    }
}

#[test]
fn a_window_is_its_stream() {
    let (inputs, hidden, steps, samples) = (6, 20, 9, 7);
    let gru = gru(inputs, hidden, &weights(inputs, hidden, 2), Precision::Single);
    let x = numbers(samples * steps * inputs, 5);
    let mut batch = vec![0.0; samples * steps * hidden];
    gru.batch(&x, steps, &mut batch, Simd::detect());
    for sample in 0..samples {
        let mut state = gru.state();
        for step in 0..steps {
            let row = (sample * steps + step) * inputs;
            let h = gru.step(&mut state, &x[row..row + inputs], Simd::Scalar);
            let at = (sample * steps + step) * hidden;
            assert!(h.iter().zip(&batch[at..]).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
