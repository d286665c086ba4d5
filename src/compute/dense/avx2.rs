//! A panel's outputs in registers, the weights streamed past them once.
#![allow(unsafe_code, reason = "AVX2 intrinsics; panels are cut to length before each access")]

use super::{
    Dense, FOURS, INT8_INPUTS_MAX, PAIRS, PANEL, Packed, REGISTER, each_panel, scalar, scale_of,
};
use crate::host::cpu;
use std::arch::x86_64::{
    __m256, _mm_loadu_si128, _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cvtepi8_epi16,
    _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_div_ps, _mm256_dpbusd_avx_epi32,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps,
    _mm256_set_epi8, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_epi32,
};

/// Samples that share a load of the weights.
const SAMPLES: usize = 4;
/// Registers of outputs beside them: 4 × 2 sums, two weights, an input.
const COLUMNS: usize = 2;

/// Calls a panel function with the panel's registers as a constant.
macro_rules! by_registers {
    ($registers:expr, $call:ident, $($argument:expr),*) => {
        match $registers {
            2 => $call::<2>($($argument),*),
            4 => $call::<4>($($argument),*),
            6 => $call::<6>($($argument),*),
            8 => $call::<8>($($argument),*),
            10 => $call::<10>($($argument),*),
            _ => $call::<PANEL>($($argument),*),
        }
    };
}

pub(super) fn apply(dense: &Dense, x: &[f32], to: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA; `Dense` has made every slice
    // as long as its panels say, and `apply` has seen the lengths of `x` and `to`.
    unsafe {
        match &dense.packed {
            Packed::Single(weights) => each_panel(&dense.panels, |first, width| {
                let panel =
                    &weights.numbers()[first * dense.inputs..(first + width) * dense.inputs];
                let (bias, to) = (&dense.bias[first..first + width], &mut to[first..first + width]);
                by_registers!(width / REGISTER, single, panel, x, bias, to);
            }),
            Packed::Bf16(weights) => each_panel(&dense.panels, |first, width| {
                let (from, end) = (first * dense.inputs / 2, (first + width) * dense.inputs / 2);
                let (bias, to) = (&dense.bias[first..first + width], &mut to[first..first + width]);
                by_registers!(width / REGISTER, bf16, &weights.numbers()[from..end], x, bias, to);
            }),
            Packed::Int8 { group: FOURS, .. } if !cpu::has_byte_sums() => {
                scalar::apply(dense, x, to);
            }
            Packed::Int8 { weights, scales, sums, group } => {
                let mut activations = [0; INT8_INPUTS_MAX];
                let scale = quantised(x, &mut activations);
                let inputs = dense.inputs.next_multiple_of(*group);
                let used = &activations[..inputs];
                let mut bytes = [[0; INT8_INPUTS_MAX]; 2];
                if *group == FOURS {
                    split(used, &mut bytes);
                }
                let bytes = bytes.each_ref().map(|bytes| &bytes[..inputs]);
                each_panel(&dense.panels, |first, width| {
                    let panel = &weights.numbers()[first * inputs..(first + width) * inputs];
                    let range = first..first + width;
                    let (bias, scales) = (&dense.bias[range.clone()], &scales[range.clone()]);
                    let (sums, to) = (&sums[range.clone()], &mut to[range]);
                    if *group == PAIRS {
                        let registers = width / REGISTER;
                        by_registers!(registers, pairs, panel, used, scale, scales, bias, to);
                        return;
                    }
                    // two sums an output: half a panel at a time
                    for from in (0..width).step_by(HALF * REGISTER) {
                        let columns = from..width.min(from + HALF * REGISTER);
                        let (bias, scales) = (&bias[columns.clone()], &scales[columns.clone()]);
                        let (sums, to) = (&sums[columns.clone()], &mut to[columns.clone()]);
                        let half = Half { panel: &panel[from * FOURS..], stride: width * FOURS };
                        match columns.len() / REGISTER {
                            2 => fours::<2>(&half, bytes, scale, scales, sums, bias, to),
                            4 => fours::<4>(&half, bytes, scale, scales, sums, bias, to),
                            _ => fours::<HALF>(&half, bytes, scale, scales, sums, bias, to),
                        }
                    }
                });
            }
        }
    }
}

/// Registers of outputs beside which there is room for two sums each.
const HALF: usize = 6;

/// Some of a panel's registers.
struct Half<'a> {
    panel: &'a [i8],
    /// Bytes from a group of inputs to the next.
    stride: usize,
}

/// int16 activations and their scale; what is left of `to` stays zero.
///
/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn quantised(x: &[f32], to: &mut [i16; INT8_INPUTS_MAX]) -> f32 {
    // the greatest of a set does not depend on its order
    let mut lanes = [0.0_f32; REGISTER];
    let mut registers = x.chunks_exact(REGISTER);
    for eight in &mut registers {
        lanes.iter_mut().zip(eight).for_each(|(lane, x)| *lane = lane.max(x.abs()));
    }
    lanes.iter_mut().zip(registers.remainder()).for_each(|(lane, x)| *lane = lane.max(x.abs()));
    let scale = scale_of(lanes.into_iter().fold(0.0, f32::max));
    let mut numbers = [0_i32; INT8_INPUTS_MAX];
    let whole = x.len() / REGISTER * REGISTER;
    // SAFETY: both are as long as `whole`.
    unsafe {
        let divisor = _mm256_set1_ps(scale);
        for at in (0..whole).step_by(REGISTER) {
            let quotient = _mm256_div_ps(_mm256_loadu_ps(x.as_ptr().add(at)), divisor);
            let nearest = _mm256_cvtps_epi32(quotient);
            _mm256_storeu_si256(numbers.as_mut_ptr().add(at).cast(), nearest);
        }
    }
    for (number, x) in numbers[whole..].iter_mut().zip(&x[whole..]) {
        *number = (x / scale).round_ties_even() as i32;
    }
    to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number as i16);
    scale
}

/// The upper and the lower bytes of activations lifted by 2¹⁵.
///
/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn split(activations: &[i16], to: &mut [[u8; INT8_INPUTS_MAX]; 2]) {
    let [high, low] = to;
    for ((high, low), x) in high.iter_mut().zip(low).zip(activations) {
        let lifted = x.cast_unsigned() ^ 0x8000;
        (*high, *low) = ((lifted >> 8) as u8, lifted as u8);
    }
}

/// Σ w·(x + 2¹⁵) by the bytes of the latter, less 2¹⁵ Σ w; what overflows on the way comes back.
///
/// # Safety
/// The CPU must have AVX2, FMA and AVX-VNNI; the half holds `R` registers of fours for every four of `bytes`.
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn fours<const R: usize>(
    half: &Half,
    bytes: [&[u8]; 2],
    scale: f32,
    scales: &[f32],
    sums: &[i32],
    bias: &[f32],
    to: &mut [f32],
) {
    let groups = bytes[0].len() / FOURS;
    debug_assert!(half.panel.len() >= (groups - 1) * half.stride + R * REGISTER * FOURS);
    debug_assert!(to.len() == R * REGISTER && bytes[1].len() == groups * FOURS);
    let four = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        let (mut upper, mut lower) = ([_mm256_setzero_si256(); R], [_mm256_setzero_si256(); R]);
        let mut at = half.panel.as_ptr();
        for (high, low) in bytes[0].chunks_exact(FOURS).zip(bytes[1].chunks_exact(FOURS)) {
            let (high, low) = (_mm256_set1_epi32(four(high)), _mm256_set1_epi32(four(low)));
            for r in 0..R {
                let weights = _mm256_loadu_si256(at.add(r * REGISTER * FOURS).cast());
                upper[r] = _mm256_dpbusd_avx_epi32(upper[r], high, weights);
                lower[r] = _mm256_dpbusd_avx_epi32(lower[r], low, weights);
            }
            at = at.wrapping_add(half.stride);
        }
        let scale = _mm256_set1_ps(scale);
        for r in 0..R {
            let of = |numbers: &[f32]| _mm256_loadu_ps(numbers.as_ptr().add(r * REGISTER));
            let lifted = _mm256_add_epi32(_mm256_slli_epi32::<8>(upper[r]), lower[r]);
            let own = _mm256_loadu_si256(sums.as_ptr().add(r * REGISTER).cast());
            let sum = _mm256_sub_epi32(lifted, _mm256_slli_epi32::<15>(own));
            let scale = _mm256_mul_ps(of(scales), scale);
            let value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, of(bias));
            _mm256_storeu_ps(to.as_mut_ptr().add(r * REGISTER), value);
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `panel` holds `R` registers an input, `bias` and `to` `R` registers.
#[target_feature(enable = "avx2,fma")]
unsafe fn single<const R: usize>(panel: &[f32], x: &[f32], bias: &[f32], to: &mut [f32]) {
    debug_assert!(panel.len() == x.len() * R * REGISTER && bias.len() == R * REGISTER);
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        let mut sums: [__m256; R] =
            std::array::from_fn(|r| _mm256_loadu_ps(bias.as_ptr().add(r * REGISTER)));
        let mut at = panel.as_ptr();
        for x in x {
            let x = _mm256_set1_ps(*x);
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_fmadd_ps(_mm256_loadu_ps(at.add(r * REGISTER)), x, *sum);
            }
            at = at.add(R * REGISTER);
        }
        for (r, sum) in sums.into_iter().enumerate() {
            _mm256_storeu_ps(to.as_mut_ptr().add(r * REGISTER), sum);
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `panel` holds `R / 2` registers of words an input.
#[target_feature(enable = "avx2,fma")]
unsafe fn bf16<const R: usize>(panel: &[u32], x: &[f32], bias: &[f32], to: &mut [f32]) {
    debug_assert!(panel.len() == x.len() * R * REGISTER / 2 && bias.len() == R * REGISTER);
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        // lower halves go up by a shuffle, which leaves both ports of multiply-adds free; a shift does not,
        // and a compiler that knows the mask makes it a shift
        let lift = std::hint::black_box(_mm256_set_epi8(
            13, 12, -1, -1, 9, 8, -1, -1, 5, 4, -1, -1, 1, 0, -1, -1, //
            13, 12, -1, -1, 9, 8, -1, -1, 5, 4, -1, -1, 1, 0, -1, -1,
        ));
        let mut sums: [__m256; R] =
            std::array::from_fn(|r| _mm256_loadu_ps(bias.as_ptr().add(r * REGISTER)));
        let mut at = panel.as_ptr();
        for x in x {
            let x = _mm256_set1_ps(*x);
            for pair in 0..R / 2 {
                let words = _mm256_loadu_si256(at.add(pair * REGISTER).cast());
                let low = _mm256_castsi256_ps(_mm256_shuffle_epi8(words, lift));
                let high = _mm256_castsi256_ps(words);
                sums[2 * pair] = _mm256_fmadd_ps(low, x, sums[2 * pair]);
                sums[2 * pair + 1] = _mm256_fmadd_ps(high, x, sums[2 * pair + 1]);
            }
            at = at.add(R * REGISTER / 2);
        }
        for (r, sum) in sums.into_iter().enumerate() {
            _mm256_storeu_ps(to.as_mut_ptr().add(r * REGISTER), sum);
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `panel` holds `R` registers' worth of pairs for every pair of `x`.
#[target_feature(enable = "avx2,fma")]
unsafe fn pairs<const R: usize>(
    panel: &[i8],
    x: &[i16],
    scale: f32,
    scales: &[f32],
    bias: &[f32],
    to: &mut [f32],
) {
    debug_assert!(panel.len() == x.len() * R * REGISTER && x.len().is_multiple_of(2));
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        let mut sums = [_mm256_setzero_si256(); R];
        let mut at = panel.as_ptr();
        for pair in x.chunks_exact(2) {
            let both =
                u32::from(pair[0].cast_unsigned()) | u32::from(pair[1].cast_unsigned()) << 16;
            let both = _mm256_set1_epi32(both.cast_signed());
            for (r, sum) in sums.iter_mut().enumerate() {
                let bytes = _mm_loadu_si128(at.add(r * 2 * REGISTER).cast());
                let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), both);
                *sum = _mm256_add_epi32(*sum, products);
            }
            at = at.add(R * 2 * REGISTER);
        }
        let scale = _mm256_set1_ps(scale);
        for (r, sum) in sums.into_iter().enumerate() {
            let of = |numbers: &[f32]| _mm256_loadu_ps(numbers.as_ptr().add(r * REGISTER));
            let scale = _mm256_mul_ps(of(scales), scale);
            let value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, of(bias));
            _mm256_storeu_ps(to.as_mut_ptr().add(r * REGISTER), value);
        }
    }
}

/// Four samples at a time, so that a weight is loaded once for them.
pub(super) fn apply_many(dense: &Dense, x: &[f32], to: &mut [f32]) {
    let Packed::Single(weights) = &dense.packed else { return };
    let (inputs, padded) = (dense.inputs, dense.padded());
    let mut rows = x.chunks_exact(SAMPLES * inputs);
    let mut outs = to.chunks_exact_mut(SAMPLES * padded);
    for (x, to) in (&mut rows).zip(&mut outs) {
        each_panel(&dense.panels, |first, width| {
            let panel = &weights.numbers()[first * inputs..(first + width) * inputs];
            for column in (0..width).step_by(COLUMNS * REGISTER) {
                // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA; a panel holds pairs
                // of registers, so `column` and its neighbour lie within.
                unsafe { tile(dense, panel, width, first + column, column, x, to) }
            }
        });
    }
    for (x, to) in
        rows.remainder().chunks_exact(inputs).zip(outs.into_remainder().chunks_exact_mut(padded))
    {
        apply(dense, x, to);
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `column + 16 <= width`, `x` and `to` hold `SAMPLES` rows.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile(
    dense: &Dense,
    panel: &[f32],
    width: usize,
    output: usize,
    column: usize,
    x: &[f32],
    to: &mut [f32],
) {
    debug_assert!(column + COLUMNS * REGISTER <= width && x.len() == SAMPLES * dense.inputs);
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        let bias: [__m256; COLUMNS] = std::array::from_fn(|c| {
            _mm256_loadu_ps(dense.bias.as_ptr().add(output + c * REGISTER))
        });
        let mut sums = [bias; SAMPLES];
        for k in 0..dense.inputs {
            let weights: [__m256; COLUMNS] = std::array::from_fn(|c| {
                _mm256_loadu_ps(panel.as_ptr().add(k * width + column + c * REGISTER))
            });
            for (sample, sums) in sums.iter_mut().enumerate() {
                let x = _mm256_set1_ps(*x.get_unchecked(sample * dense.inputs + k));
                for c in 0..COLUMNS {
                    sums[c] = _mm256_fmadd_ps(weights[c], x, sums[c]);
                }
            }
        }
        for (sample, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                let at = sample * dense.padded() + output + c * REGISTER;
                _mm256_storeu_ps(to.as_mut_ptr().add(at), sum);
            }
        }
    }
}
