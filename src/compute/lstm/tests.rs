//! Twins over shapes, streams against windows, and a network by hand in f64.

use super::*;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mix = |i: u32| (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519) >> 8;
    (0..count as u32).map(|i| (mix(i) as f32 / (1 << 23) as f32 - 1.0) * 0.4).collect()
}

struct Weights(Vec<[Vec<f32>; 4]>);

impl Weights {
    fn new(inputs: usize, hidden: usize, layers: usize) -> Weights {
        let layer = |at: usize| {
            let below = if at == 0 { inputs } else { hidden };
            let seed = 10 * at as u32;
            [
                numbers(4 * hidden * below, seed),
                numbers(4 * hidden * hidden, seed + 1),
                numbers(4 * hidden, seed + 2),
                numbers(4 * hidden, seed + 3),
            ]
        };
        Weights((0..layers).map(layer).collect())
    }

    fn layers(&self) -> Vec<LayerWeights<'_>> {
        fn layer(parts: &[Vec<f32>; 4]) -> LayerWeights<'_> {
            LayerWeights {
                input: &parts[0],
                state: &parts[1],
                input_bias: &parts[2],
                state_bias: &parts[3],
            }
        }
        self.0.iter().map(layer).collect()
    }
}

/// The layer's definition in f64.
fn by_hand(weights: &Weights, inputs: usize, hidden: usize, x: &[f32]) -> Vec<f64> {
    let steps = x.len() / inputs;
    let mut below: Vec<Vec<f64>> =
        x.chunks(inputs).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    for [wi, wh, bi, bh] in &weights.0 {
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
    for (inputs, hidden, layers) in [(1, 1, 1), (5, 8, 1), (32, 128, 2), (7, 13, 3)] {
        let weights = Weights::new(inputs, hidden, layers);
        let x = numbers(20 * inputs, 99);
        let truth = by_hand(&weights, inputs, hidden, &x);
        for (precision, loss) in
            [(Precision::Single, 2e-6), (Precision::Bf16, 2e-2), (Precision::Int8, 2e-2)]
        {
            let lstm = Lstm::new(inputs, hidden, &weights.layers(), precision).expect("sound");
            let last = |simd| {
                let mut state = lstm.state();
                x.chunks(inputs).for_each(|row| {
                    lstm.step(&mut state, row, simd);
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
    let weights = Weights::new(inputs, hidden, 2);
    let lstm = Lstm::new(inputs, hidden, &weights.layers(), Precision::Single).expect("sound");
    let x = numbers(samples * steps * inputs, 5);
    let mut batch = vec![0.0; samples * steps * hidden];
    lstm.batch(&x, steps, &mut batch, Simd::detect());
    for sample in 0..samples {
        let mut state = lstm.state();
        for step in 0..steps {
            let row = (sample * steps + step) * inputs;
            let h = lstm.step(&mut state, &x[row..row + inputs], Simd::Scalar);
            let at = (sample * steps + step) * hidden;
            assert!(h.iter().zip(&batch[at..]).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
