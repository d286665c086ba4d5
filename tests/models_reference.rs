//! Recurrent networks against a reference in f64 (`../shared/oracle/models`, or `BOT4_SHARED`); a counted
//! skip where the folder is absent. The error of every precision is printed.

mod shared_folder;

use bot4::compute::attention::attend;
use bot4::compute::dense::{Dense, LayerWeights, Precision};
use bot4::compute::{gru, lstm};
use bot4::host::cpu::Simd;
use shared_folder::shared;
use std::collections::HashMap;
use std::io::Read;

/// Arrays of a NumPy archive, flat, as f64.
struct Archive(HashMap<String, Vec<f64>>);

impl Archive {
    fn read(name: &str) -> Option<Archive> {
        let path = shared(&format!("oracle/models/{name}"), name)?;
        let bytes = std::fs::read(path).expect("readable");
        Some(Archive(
            members(&bytes).into_iter().map(|(name, data)| (name, array(&data))).collect(),
        ))
    }

    fn singles(&self, name: &str) -> Vec<f32> {
        self.0[name].iter().map(|x| *x as f32).collect()
    }

    /// Weights of both layers: inputs, state, and a bias of each.
    fn layers(&self, net: &str) -> Vec<[Vec<f32>; 4]> {
        let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
        let part = |name, layer| self.singles(&format!("{net}__{name}_l{layer}"));
        (0..2).map(|layer| names.map(|name| part(name, layer))).collect()
    }
}

fn layer([input, state, input_bias, state_bias]: &[Vec<f32>; 4]) -> LayerWeights<'_> {
    LayerWeights { input, state, input_bias, state_bias }
}

/// Members of a zip file by its central directory.
fn members(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let word =
        |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().expect("four bytes")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
    let end = zip.windows(4).rposition(|w| w == b"PK\x05\x06").expect("a zip file ends so");
    let (count, mut at) = (half(end + 10), word(end + 16));
    let mut found = Vec::new();
    for _ in 0..count {
        let (method, packed, name_length) = (half(at + 10), word(at + 20), half(at + 28));
        let (extra, comment, local) = (half(at + 30), half(at + 32), word(at + 42));
        let name = String::from_utf8_lossy(&zip[at + 46..at + 46 + name_length]).into_owned();
        let from = local + 30 + half(local + 26) + half(local + 28);
        let body = &zip[from..from + packed];
        let mut data = Vec::new();
        match method {
            0 => data.extend_from_slice(body),
            _ => {
                flate2::read::DeflateDecoder::new(body).read_to_end(&mut data).expect("deflated");
            }
        }
        found.push((name.trim_end_matches(".npy").to_owned(), data));
        at += 46 + name_length + extra + comment;
    }
    found
}

fn array(npy: &[u8]) -> Vec<f64> {
    let length = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let header = String::from_utf8_lossy(&npy[10..10 + length]).into_owned();
    let data = &npy[10 + length..];
    if header.contains("<f4") {
        let single = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().expect("four bytes")));
        data.chunks_exact(4).map(single).collect()
    } else {
        assert!(header.contains("<f8"), "{header}");
        let double = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("eight bytes"));
        data.chunks_exact(8).map(double).collect()
    }
}

const SAMPLES: usize = 8;
const STEPS: usize = 64;
const INPUTS: usize = 32;
const PRECISIONS: [(Precision, f64); 3] =
    [(Precision::Single, 1e-5), (Precision::Bf16, 3e-2), (Precision::Int8, 3e-2)];

fn worst(ours: &[f64], truth: &[f64]) -> f64 {
    let error = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
    ours.iter().zip(truth).map(error).fold(0.0, f64::max)
}

#[test]
fn the_lstm_with_attention_is_the_references() {
    let Some(archive) = Archive::read("lstm_attn_2x128.npz") else { return };
    let weights = archive.layers("lstm");
    let layers: Vec<LayerWeights> = weights.iter().map(layer).collect();
    let x = archive.singles("x");
    for (precision, loss) in PRECISIONS {
        let net = lstm::Lstm::new(INPUTS, 128, &layers, precision).expect("sound");
        let (head, bias) = (archive.singles("head__weight"), archive.singles("head__bias"));
        let head = Dense::new(256, 1, &head, &bias, Precision::Single).expect("sound");
        for simd in [Simd::Scalar, Simd::detect()] {
            let ours: Vec<f64> = (0..SAMPLES)
                .map(|sample| {
                    let mut state = net.state();
                    let mut window = Vec::new();
                    for step in 0..STEPS {
                        let at = (sample * STEPS + step) * INPUTS;
                        window.extend(net.step(&mut state, &x[at..at + INPUTS], simd));
                    }
                    let query = window[(STEPS - 1) * 128..].to_vec();
                    let (mut weights, mut joined) = (vec![0.0; STEPS], vec![0.0; 256]);
                    attend(&window, &query, &mut weights, &mut joined[..128], simd);
                    joined[128..].copy_from_slice(&query);
                    let mut out = vec![0.0; head.padded()];
                    head.apply(&joined, &mut out, simd);
                    f64::from(out[0])
                })
                .collect();
            let error = worst(&ours, &archive.0["y_ref_f64"]);
            eprintln!("lstm {precision:?} {simd:?}: relative error {error:.2e}");
            assert!(error < loss, "{precision:?}: {error:e}");
        }
    }
}

#[test]
fn the_gru_is_the_references() {
    let Some(archive) = Archive::read("gru_2x96.npz") else { return };
    let weights = archive.layers("gru");
    let layers: Vec<LayerWeights> = weights.iter().map(layer).collect();
    let x = archive.singles("x");
    for (precision, loss) in PRECISIONS {
        let net = gru::Gru::new(INPUTS, 96, &layers, precision).expect("sound");
        let (head, bias) = (archive.singles("head__weight"), archive.singles("head__bias"));
        let head = Dense::new(96, 1, &head, &bias, Precision::Single).expect("sound");
        for simd in [Simd::Scalar, Simd::detect()] {
            let mut window = vec![0.0; SAMPLES * STEPS * 96];
            net.batch(&x, STEPS, &mut window, simd);
            let ours: Vec<f64> = (0..SAMPLES)
                .map(|sample| {
                    let last = &window[((sample + 1) * STEPS - 1) * 96..][..96];
                    let mut out = vec![0.0; head.padded()];
                    head.apply(last, &mut out, simd);
                    f64::from(out[0])
                })
                .collect();
            let error = worst(&ours, &archive.0["y_ref_f64"]);
            eprintln!("gru {precision:?} {simd:?}: relative error {error:.2e}");
            assert!(error < loss, "{precision:?}: {error:e}");
        }
    }
}
