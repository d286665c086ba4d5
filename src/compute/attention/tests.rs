//! Twins over shapes, and the definition in f64.

use super::*;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mix = |i: u32| (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519) >> 8;
    (0..count as u32).map(|i| mix(i) as f32 / (1 << 23) as f32 - 1.0).collect()
}

#[test]
fn twins_agree_with_each_other_and_with_the_definition() {
    for (steps, hidden) in [(1, 1), (3, 7), (64, 128), (67, 128), (65, 33), (200, 96)] {
        let (states, query) = (numbers(steps * hidden, 1), numbers(hidden, 2));
        let attended = |simd| {
            let (mut weights, mut context) = (vec![0.0; steps], vec![0.0; hidden]);
            attend(&states, &query, &mut weights, &mut context, simd);
            (weights, context)
        };
        let (plain, wide) = (attended(Simd::Scalar), attended(Simd::detect()));
        assert_eq!(plain, wide, "{steps} {hidden}");
        let dot = |state: &[f32]| {
            let products = state.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum::<f64>() / (hidden as f64).sqrt()
        };
        let scores: Vec<f64> = states.chunks(hidden).map(dot).collect();
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        for at in 0..hidden {
            let mean = scores.iter().zip(states.chunks(hidden));
            let truth: f64 = mean.map(|(s, state)| s.exp() / sum * f64::from(state[at])).sum();
            assert!((f64::from(plain.1[at]) - truth).abs() < 2e-6, "{steps} {hidden} {at}");
        }
    }
}
