//! The meaning: one output after the other.

use super::{Dense, INT8_INPUTS_MAX, Packed, REGISTER, each_panel, quantised};

pub(super) fn apply(dense: &Dense, x: &[f32], to: &mut [f32]) {
    match &dense.packed {
        Packed::Single(weights) => each_panel(&dense.panels, |first, width| {
            let panel = &weights.numbers()[first * dense.inputs..(first + width) * dense.inputs];
            for output in 0..width {
                let row = x.iter().enumerate();
                to[first + output] = row.fold(dense.bias[first + output], |sum, (k, x)| {
                    panel[k * width + output].mul_add(*x, sum)
                });
            }
        }),
        Packed::Bf16(weights) => each_panel(&dense.panels, |first, width| {
            let panel =
                &weights.numbers()[first * dense.inputs / 2..(first + width) * dense.inputs / 2];
            for output in 0..width {
                let (pair, within) = (output / (2 * REGISTER), output % (2 * REGISTER));
                let place = pair * REGISTER + within % REGISTER;
                let row = x.iter().enumerate();
                to[first + output] = row.fold(dense.bias[first + output], |sum, (k, x)| {
                    let word = panel[k * width / 2 + place];
                    let bits = if within < REGISTER { word << 16 } else { word & 0xFFFF_0000 };
                    f32::from_bits(bits).mul_add(*x, sum)
                });
            }
        }),
        Packed::Int8 { weights, scales } => {
            let mut activations = [0; INT8_INPUTS_MAX];
            let scale = quantised(x, &mut activations);
            let inputs = dense.inputs.next_multiple_of(2);
            each_panel(&dense.panels, |first, width| {
                let panel = &weights.numbers()[first * inputs..(first + width) * inputs];
                for output in 0..width {
                    let sum: i32 = (0..dense.inputs)
                        .map(|k| {
                            let weight = panel[(k / 2 * width + output) * 2 + k % 2];
                            i32::from(weight) * i32::from(activations[k])
                        })
                        .sum();
                    let scale = scales[first + output] * scale;
                    to[first + output] = (sum as f32).mul_add(scale, dense.bias[first + output]);
                }
            });
        }
    }
}
