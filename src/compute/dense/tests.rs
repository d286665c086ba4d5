//! Twins over shapes, and what each precision loses.

use super::*;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mix = |i: u32| (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519) >> 8;
    (0..count as u32).map(|i| mix(i) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn applied(dense: &Dense, x: &[f32], simd: Simd) -> Vec<f32> {
    let mut to = vec![0.0; dense.padded()];
    dense.apply(x, &mut to, simd);
    to.truncate(dense.outputs());
    to
}

#[test]
fn twins_agree_and_precisions_lose_little() {
    for (inputs, outputs) in [(1, 1), (3, 8), (32, 17), (160, 512), (129, 288), (512, 96), (7, 200)]
    {
        let (weights, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
        let x = numbers(inputs, 3);
        let exact: Vec<f64> = (0..outputs)
            .map(|o| {
                let row = x.iter().zip(&weights[o * inputs..]);
                f64::from(bias[o]) + row.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>()
            })
            .collect();
        // weights are at most one: Σ|x| bounds what a rounding of each of them can move
        let size = 1.0 + x.iter().map(|x| f64::from(x.abs())).sum::<f64>();
        let rounding = inputs as f64 * f64::from(f32::EPSILON) / 2.0;
        for (precision, loss) in [
            (Precision::Single, rounding),
            (Precision::Bf16, 2.0_f64.powi(-9) + rounding),
            (Precision::Int8, 0.5 / 127.0 + 1e-4),
        ] {
            let dense = Dense::new(inputs, outputs, &weights, &bias, precision).expect("sound");
            let plain = applied(&dense, &x, Simd::Scalar);
            let wide = applied(&dense, &x, Simd::detect());
            let apart = plain.iter().zip(&wide).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(apart, None, "{inputs} × {outputs} {precision:?}");
            let error = plain.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).abs());
            let error = error.fold(0.0, f64::max);
            assert!(error <= loss * size, "{inputs} × {outputs} {precision:?}: {error}");
        }
    }
}

/// However int8 weights lie, sums are the same integers; ends of the range included.
#[test]
fn groups_of_inputs_change_no_bit() {
    for (inputs, outputs) in [(1, 1), (3, 8), (32, 17), (160, 512), (129, 288), (512, 96), (7, 200)]
    {
        let (mut weights, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
        let mut x = numbers(inputs, 3);
        weights[..inputs].fill(-1.0);
        for extreme in [false, true] {
            if extreme {
                x.fill(-1.0);
                weights.fill(1.0);
            }
            let packed = |group| {
                Dense::grouped(inputs, outputs, &weights, &bias, Precision::Int8, group)
                    .expect("sound")
            };
            let pairs = applied(&packed(PAIRS), &x, Simd::Scalar);
            for (group, simd) in [
                (PAIRS, Simd::detect()),
                (FOURS, Simd::Scalar),
                // by the scalar twin where the machine does not know how
                (FOURS, Simd::detect()),
            ] {
                let found = applied(&packed(group), &x, simd);
                let apart = pairs.iter().zip(&found).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(apart, None, "{inputs} × {outputs} {group} {simd:?}");
            }
        }
    }
}

/// A word's upper number is as near to its weight as bf16 comes, whatever stands below it.
#[test]
fn words_hold_two_numbers_without_clearing_one() {
    let mut weights = numbers(400, 9);
    let tiny = f32::MIN_POSITIVE;
    weights.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        tiny,
        -0.7 * tiny,
        1e-42,
        f32::MAX,
        f32::MIN,
        1.0 - 1e-7,
    ]);
    for weight in weights {
        for lower in [0, 1, 0x7FFF, 0x8000, 0xABCD, 0xFFFF] {
            let word = above(weight, lower);
            let number = f32::from_bits(word);
            assert_eq!(word & 0xFFFF, lower);
            assert!(number.is_normal() || number == 0.0, "{weight} {lower}: {number:e}");
            let error = (f64::from(number) - f64::from(weight)).abs();
            // at the end of the range the next one up is no number
            let least = if weight.abs() < f32::MAX { 2.0_f64.powi(-8) } else { 2.0_f64.powi(-7) };
            let bound = least * f64::from(weight).abs() + 2.0 * f64::from(tiny);
            assert!(error <= bound * (1.0 + 1e-6), "{weight} {lower}: {number} {error:e}");
        }
    }
}

#[test]
fn many_samples_are_each_alone() {
    let (inputs, outputs) = (37, 100);
    let (weights, bias) = (numbers(inputs * outputs, 4), numbers(outputs, 5));
    for precision in [Precision::Single, Precision::Bf16, Precision::Int8] {
        let dense = Dense::new(inputs, outputs, &weights, &bias, precision).expect("sound");
        for samples in [1, 4, 11] {
            let x = numbers(samples * inputs, 6);
            let mut many = vec![0.0; samples * dense.padded()];
            dense.apply_many(&x, &mut many, Simd::detect());
            for sample in 0..samples {
                let row = &x[sample * inputs..(sample + 1) * inputs];
                let alone = applied(&dense, row, Simd::Scalar);
                let found = &many[sample * dense.padded()..][..outputs];
                assert!(alone.iter().zip(found).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }
}

#[test]
fn maps_that_cannot_be_are_refused() {
    let single = |weights: &[f32], bias: &[f32]| Dense::new(2, 1, weights, bias, Precision::Single);
    assert!(matches!(single(&[1.0], &[0.0]), Err(DenseError::Shape { what: "weights", .. })));
    assert!(matches!(single(&[1.0, 2.0], &[]), Err(DenseError::Shape { what: "biases", .. })));
    let nan = single(&[1.0, f32::NAN], &[0.0]);
    assert!(matches!(nan, Err(DenseError::NotFinite { index: 1, .. })));
    let wide = Dense::new(513, 1, &[0.1; 513], &[0.0], Precision::Int8);
    assert_eq!(wide, Err(DenseError::Wide(513)));
}
