//! Known points, what scrambling keeps, and twins.

use super::*;
#[cfg(target_arch = "x86_64")]
use crate::compute::singles::Singles;
#[cfg(target_arch = "x86_64")]
use crate::compute::singles::avx2::Sixteen;

/// Point `index` of dimension `d`, not scrambled.
fn plain(index: u32, d: usize) -> u32 {
    let bits = (0..32).filter(|b| index >> b & 1 == 1);
    bits.fold(0, |word, b| word ^ table()[d][b].reverse_bits())
}

#[test]
fn points_are_joe_and_kuos() {
    assert_eq!(table().len(), DIMENSIONS_MAX);
    // SciPy 1.17's qmc.Sobol, which walks in Gray's order
    let gray = |k: u32| k ^ (k >> 1);
    let known = [
        (2, [3_221_225_472, 1_073_741_824, 1_073_741_824, 1_073_741_824, 3_221_225_472]),
        (5, [3_758_096_384, 3_758_096_384, 536_870_912, 1_610_612_736, 3_758_096_384]),
        (13, [3_489_660_928, 2_952_790_016, 3_489_660_928, 268_435_456, 1_879_048_192]),
    ];
    for (k, wanted) in known {
        assert_eq!(std::array::from_fn(|d| plain(gray(k), d)), wanted, "point {k}");
    }
    let far = [(100, 1_543_503_872), (500, 738_197_504), (1_023, 3_154_116_608)];
    for (d, wanted) in far {
        assert_eq!(plain(gray(37), d), wanted, "dimension {d}");
    }
}

#[test]
fn scrambling_keeps_the_net() {
    // the points of a replicate fall one into each of as many equal cells, in every coordinate, and the
    // first two coordinates one into each elementary rectangle
    let sobol = Sobol::new(7, 40, 12, 3).expect("possible");
    for replicate in 0..3_u64 {
        let words = |d: usize| -> Vec<u32> {
            (0..4_096).map(|i| sobol.word::<u32>(replicate * 4_096 + i, d)).collect()
        };
        for d in 0..40 {
            let mut cells: Vec<u32> = words(d).iter().map(|w| w >> 20).collect();
            cells.sort_unstable();
            assert!(cells.iter().enumerate().all(|(i, &c)| c == i as u32), "coordinate {d}");
        }
        let (x, y) = (words(0), words(1));
        for wide in 0..=12 {
            let cell = |i: usize| {
                let high = |w: u32, bits: u32| u64::from(w) >> (32 - bits);
                (high(x[i], wide) << (12 - wide)) | high(y[i], 12 - wide)
            };
            let mut cells: Vec<u64> = (0..4_096).map(cell).collect();
            cells.sort_unstable();
            assert!(cells.iter().enumerate().all(|(i, &c)| c == i as u64), "rectangles {wide}");
        }
    }
    let other = Sobol::new(8, 40, 12, 3).expect("possible");
    assert_ne!(sobol.word::<u32>(5, 3), other.word::<u32>(5, 3), "a seed of its own");
    assert_ne!(sobol.word::<u32>(5, 3), sobol.word::<u32>(5 + 4_096, 3), "a replicate of its own");
}

#[test]
fn scrambled_points_average_out() {
    // over many keys one point's coordinate is uniform: mean ½, variance 1/12, and two coordinates of the
    // same point know nothing of each other
    let sobol = Sobol::new(11, 2, 12, 20_000).expect("possible");
    let at = |replicate: u64, d| {
        f64::from(sobol.word::<u32>(replicate * 4_096 + 1_234, d)) / 4_294_967_296.0 - 0.5
    };
    let mean = |f: &dyn Fn(u64) -> f64| (0..20_000).map(f).sum::<f64>() / 20_000.0;
    assert!(mean(&|r| at(r, 0)).abs() < 4.0 * (1.0 / 12.0 / 20_000.0_f64).sqrt());
    assert!((12.0 * mean(&|r| at(r, 0).powi(2)) - 1.0).abs() < 0.03);
    assert!((12.0 * mean(&|r| at(r, 0) * at(r, 1))).abs() < 0.03);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn lanes_are_one_point_each() {
    if !std::arch::is_x86_feature_detected!("avx2") {
        println!("SKIPPED (1): no AVX2");
        return;
    }
    let sobol = Sobol::new(3, 9, 13, 2).expect("possible");
    for path in (0..16_384).step_by(Sixteen::WIDTH) {
        let mut wide = [0; Sixteen::WIDTH];
        sobol.word::<<Sixteen as Singles>::Words>(path, 8).store(&mut wide, 0);
        let one: [u32; Sixteen::WIDTH] =
            std::array::from_fn(|lane| sobol.word(path + lane as u64, 8));
        assert_eq!(wide, one);
    }
}

#[test]
fn impossible_points_are_refused() {
    assert_eq!(Sobol::new(1, 1_025, 12, 1), Err(SobolError::Dimensions(1_025)));
    assert_eq!(Sobol::new(1, 4, 11, 1), Err(SobolError::Points(11)));
}
