//! The paper's known answers, twins, and the distributions themselves.

use super::formula::{normals, uniform};
use super::*;
use crate::compute::singles::{Words, philox_keys};
use crate::maths::distribution::{StudentT, normal_cdf};

/// Counter, key and answer of philox4x32-10 in the known-answer file of the Random123 library, which
/// comes with the paper.
const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
    ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
    ([!0; 4], [!0; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
    (
        [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
        [0xA409_3822, 0x299F_31D0],
        [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
    ),
];

fn job(draw: Draw, first_path: u64, paths: usize, places: usize) -> Fill {
    Fill {
        seed: 0x0123_4567_89AB_CDEF,
        stream: Stream::Free,
        step: 3,
        first_path,
        paths,
        places,
        draw,
    }
}

fn drawn(job: &Fill, simd: Simd) -> Vec<f32> {
    let mut to = vec![0.0; job.paths * job.places];
    fill(job, &mut to, simd);
    to
}

fn draws() -> Vec<Draw> {
    let t = |nu| Draw::Student(Student::new(nu).expect("above 2"));
    vec![Draw::Words, Draw::Uniform, Draw::Normal, t(2.1), t(3.0), t(5.0), t(30.0), t(1e4)]
}

#[test]
fn known_answers_of_the_paper() {
    for (counter, key, answer) in KNOWN {
        assert_eq!(u32::philox(counter, &philox_keys(key)), answer, "counter {counter:x?}");
    }
}

#[test]
fn twins_agree() {
    for draw in draws() {
        for (paths, places) in [(1, 1), (7, 4), (8, 5), (9, 3), (1_021, 7)] {
            for first in [0, 5, u64::from(u32::MAX) - 11, 1 << 40] {
                let job = job(draw, first, paths, places);
                let (plain, wide) = (drawn(&job, Simd::Scalar), drawn(&job, Simd::detect()));
                let differ = plain.iter().zip(&wide).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(differ, None, "{job:?}");
            }
        }
    }
}

#[test]
fn a_path_has_its_numbers_wherever_it_is_drawn() {
    let whole = drawn(&job(Draw::Normal, 100, 50, 6), Simd::detect());
    for path in 0..50 {
        let alone = drawn(&job(Draw::Normal, 100 + path as u64, 1, 6), Simd::detect());
        let within: Vec<f32> = (0..6).map(|place| whole[place * 50 + path]).collect();
        assert_eq!(alone, within);
    }
}

#[test]
fn extreme_words_give_finite_numbers() {
    for a in [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FF00, 0xFFFF_FFFF_u32] {
        assert!(uniform(a) > 0.0 && uniform(a) <= 1.0, "word {a:#x}");
        for b in [0, 1, 1 << 30, 1 << 31, !0_u32] {
            let (x, y) = normals(a, b);
            assert!(x.is_finite() && y.is_finite() && x.abs() < 6.8, "words {a:#x} {b:#x}");
        }
    }
}

/// Kolmogorov and Smirnov's distance times √n, below 1.95 in 999 of 1 000 samples.
fn distance(mut sample: Vec<f32>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f32::total_cmp);
    let n = sample.len() as f64;
    let gap = |(i, &x): (usize, &f32)| {
        let p = cdf(f64::from(x));
        (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
    };
    sample.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn numbers_have_their_distributions() {
    let sample = |draw| drawn(&job(draw, 0, 200_000, 1), Simd::detect());
    assert!(distance(sample(Draw::Uniform), |x| x) < 1.95);
    assert!(distance(sample(Draw::Normal), normal_cdf) < 1.95);
    for nu in [2.1, 3.0, 5.0, 30.0] {
        let t = StudentT::new(nu).expect("positive");
        let draw = Draw::Student(Student::new(nu).expect("above 2"));
        let found = distance(sample(draw), |x| t.cdf(x / t.standardiser()));
        assert!(found < 1.95, "ν = {nu}: {found}");
    }
    let canary = distance(sample(Draw::Normal), |x| normal_cdf(1.01 * x + 0.005));
    assert!(canary > 1.95, "a normal one percent off is told apart");
}

#[test]
fn places_steps_and_streams_do_not_repeat_each_other() {
    let words = |stream, step, places| {
        let job = Fill { stream, step, ..job(Draw::Words, 0, 64, places) };
        drawn(&job, Simd::detect()).into_iter().map(f32::to_bits).collect::<Vec<u32>>()
    };
    let mut all = words(Stream::Shocks, 0, 16);
    all.extend(words(Stream::Shocks, 1, 16));
    all.extend(words(Stream::Mixing, 0, 16));
    let many = all.len();
    all.sort_unstable();
    all.dedup();
    assert!(many - all.len() < 3, "words repeat");
}
