//! The meaning: one output after the other.

use super::{Dense, Packed, REGISTER, each_panel, scale_of};

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
                    let bits = if within < REGISTER { word << 16 } else { word };
                    f32::from_bits(bits).mul_add(*x, sum)
                });
            }
        }),
        Packed::Int8 { weights, scales, group, .. } => {
            let scale = scale_of(x.iter().fold(0.0, |most: f32, x| most.max(x.abs())));
            let (inputs, group) = (dense.inputs.next_multiple_of(*group), *group);
            each_panel(&dense.panels, |first, width| {
                let panel = &weights.numbers()[first * inputs..(first + width) * inputs];
                for output in 0..width {
                    let products = x.iter().enumerate().map(|(k, x)| {
                        let weight = panel[(k / group * width + output) * group + k % group];
                        i32::from(weight) * (x / scale).round_ties_even() as i32
                    });
                    let sum: i32 = products.sum();
                    let scale = scales[first + output] * scale;
                    to[first + output] = (sum as f32).mul_add(scale, dense.bias[first + output]);
                }
            });
        }
    }
}
