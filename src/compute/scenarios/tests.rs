//! Twins over a grid of books, and values against Black-76 in f64.

use super::formula::{Spread, in_strikes};
use super::*;
use crate::compute::garch_paths::{Asset, Compounding, Dependence, Shocks, block as paths_block};
use crate::compute::philox::{Draw, Fill, Stream, fill};
use crate::maths::distribution::normal_cdf;

/// Black-76 in f64, in units of the strike and undiscounted: the slow twin of the kernel's formula.
fn black_76(moneyness: f64, spread: f64, right: Right) -> f64 {
    let sign = if right == Right::Call { 1.0 } else { -1.0 };
    if spread <= f64::from(super::book::SPREAD_MIN) {
        return (sign * (moneyness - 1.0)).max(0.0);
    }
    let first = moneyness.ln() / spread + 0.5 * spread;
    sign * (moneyness * normal_cdf(sign * first) - normal_cdf(sign * (first - spread)))
}

/// A book of everything over `factors` factors; the last two are a currency and a volatility.
fn book(factors: u32, linear: u32, curved: u32) -> Book {
    let mut book = Book::new(factors as usize);
    book.add_constant(0.25);
    let (currency, volatility) = (factors - 2, factors - 1);
    for i in 0..linear {
        let currency = (i % 3 == 1).then_some(currency);
        let exposure = 100.0 - 7.0 * i as f32;
        book.add_linear(Linear { factor: i % factors, exposure, currency }).expect("sound");
    }
    for i in 0..curved {
        let factor = i % (factors - 2).max(1);
        book.add_square(Square { factor, half_gamma: 3.0 - i as f32 }).expect("sound");
        let currency = (i % 2 == 0).then_some(currency);
        book.add_inverse(Inverse { factor, scale: 50.0, currency }).expect("sound");
        let moneyness = 0.7 + 0.09 * i as f32;
        let term = OptionTerm {
            factor,
            volatility_factor: (i % 2 == 0).then_some(volatility),
            volatility_scale: 0.5 + 0.1 * i as f32,
            right: if i % 3 == 0 { Right::Put } else { Right::Call },
            moneyness,
            volatility: 0.2 + 0.1 * i as f32,
            root_time: if i == 4 { 0.0 } else { 0.1 * i as f32 },
            value: 0.05,
            scale: 1_000.0,
            in_coin: i % 4 == 1,
            currency,
        };
        book.add_option(term).expect("sound");
    }
    book
}

fn tile(factors: usize, seed: u64) -> Vec<f32> {
    let mut tile = vec![0.0; factors * BLOCK];
    let job = Fill {
        seed,
        stream: Stream::Free,
        step: 0,
        first_path: 0,
        paths: BLOCK,
        places: factors,
        draw: Draw::Normal,
    };
    fill(&job, &mut tile, Simd::detect());
    tile.iter_mut().for_each(|r| *r *= 0.2);
    tile
}

fn profits(book: &Book, tile: &[f32], simd: Simd) -> Vec<f32> {
    let mut profits = vec![0.0; BLOCK];
    block(book, tile, &mut profits, simd);
    profits
}

#[test]
fn twins_agree() {
    for (factors, linear, curved) in [(2, 1, 0), (3, 7, 1), (5, 8, 3), (20, 41, 10), (4, 0, 6)] {
        for seed in 0..3 {
            let (book, tile) = (book(factors, linear, curved), tile(factors as usize, seed));
            let (plain, wide) =
                (profits(&book, &tile, Simd::Scalar), profits(&book, &tile, Simd::detect()));
            let apart = plain.iter().zip(&wide).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(apart, None, "{factors} {linear} {curved} seed {seed}");
            assert!(plain.iter().all(|p| p.is_finite()));
        }
    }
}

#[test]
fn fused_is_the_two_passes() {
    let assets = vec![Asset::constant(0.001, 0.05); 4];
    let correlated = Dependence::correlated(
        &[1.0, 0.5, 0.1, 0.0, 0.5, 1.0, 0.2, 0.1, 0.1, 0.2, 1.0, 0.3, 0.0, 0.1, 0.3, 1.0],
        4,
    )
    .expect("positive definite");
    let job =
        Paths::new(9, 3, assets, Shocks::Normal, correlated, Compounding::Simple).expect("sound");
    let book = book(6, 9, 5);
    for simd in [Simd::Scalar, Simd::detect()] {
        let mut tile = vec![0.0; 6 * BLOCK];
        paths_block(&job, BLOCK as u64, &mut Room::default(), &mut tile[..4 * BLOCK], simd);
        let mut fused = vec![0.0; BLOCK];
        simulate_block(&job, &book, BLOCK as u64, &mut Room::default(), &mut fused, simd);
        assert_eq!(profits(&book, &tile, simd), fused);
    }
}

#[test]
fn options_are_worth_black_76() {
    for right in [Right::Call, Right::Put] {
        for spread in [1e-6_f32, 0.001, 0.01, 0.1, 0.3, 1.0, 3.0] {
            for i in 0..200 {
                let m = 0.2 * 1.02_f32.powi(i);
                let ours = f64::from(in_strikes(m, Spread::of(spread), right));
                let truth = black_76(f64::from(m), f64::from(spread), right);
                let allowed = 4e-7 * f64::from(m).max(1.0);
                assert!(
                    (ours - truth).abs() < allowed,
                    "{right:?} m={m} s={spread}: {ours} {truth}"
                );
            }
        }
    }
    let canary = f64::from(in_strikes(1.0_f32, Spread::of(0.3), Right::Call))
        - black_76(1.0, 0.301, Right::Call);
    assert!(canary.abs() > 4e-7, "a spread 0.3 % off is told apart");
}

#[test]
fn a_coin_margined_profit_is_the_coins_at_the_scenarios_price() {
    // 100 contracts of 10 dollars at 50 000: profit in coin q·m·(1/P₀ − 1/P₁), times P₁
    let mut book = Book::new(1);
    let term = Inverse { factor: 0, scale: 1_000.0, currency: Some(0) };
    book.add_inverse(term).expect("sound");
    let mut tile = vec![0.0; BLOCK];
    tile[..3].copy_from_slice(&[0.1, -0.5, 1.0]);
    let found = profits(&book, &tile, Simd::detect());
    for (r, profit) in [0.1, -0.5, 1.0].into_iter().zip(&found) {
        let (before, after) = (50_000.0, 50_000.0 * (1.0 + r));
        let truth = 1_000.0 * (1.0 / before - 1.0 / after) * after;
        assert!((f64::from(*profit) - truth).abs() < 1e-4 * truth.abs().max(1.0), "{r}");
    }
}

#[test]
fn books_that_cannot_be_are_refused() {
    let mut book = Book::new(2);
    let far = Linear { factor: 2, exposure: 1.0, currency: None };
    assert!(matches!(book.add_linear(far), Err(BookError::Factor { factor: 2, .. })));
    let nan = Linear { factor: 0, exposure: f32::NAN, currency: None };
    assert!(matches!(book.add_linear(nan), Err(BookError::Number { name: "exposure", .. })));
    let foreign = Inverse { factor: 0, scale: 1.0, currency: Some(9) };
    assert!(matches!(book.add_inverse(foreign), Err(BookError::Factor { factor: 9, .. })));
}
