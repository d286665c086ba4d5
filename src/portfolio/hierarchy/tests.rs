//! Small trees on paper, slow twins, and what every allocation along a tree keeps.

use super::*;

fn random(n: usize, seed: u64) -> Mat<f64> {
    let mut state = seed;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut matrix = Mat::zeros(n, n);
    for i in 0..n {
        for j in 0..i {
            let value = 0.1 + noise();
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
        }
    }
    matrix
}

/// Merges the nearest pair, found by looking at all of them.
fn slow(distances: &Mat<f64>, linkage: Linkage) -> Vec<f64> {
    let mut clusters: Vec<Vec<usize>> = (0..distances.nrows()).map(|i| vec![i]).collect();
    let mean = |a: &[usize], b: &[usize]| {
        let pairs = a.iter().flat_map(|&i| b.iter().map(move |&j| distances[(i, j)]));
        let all: Vec<f64> = pairs.collect();
        match linkage {
            Linkage::Single => all.iter().copied().fold(f64::INFINITY, f64::min),
            Linkage::Complete => all.iter().copied().fold(0.0, f64::max),
            _ => all.iter().sum::<f64>() / all.len() as f64,
        }
    };
    let mut heights = Vec::new();
    while clusters.len() > 1 {
        let pairs = (0..clusters.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let (height, a, b) = pairs
            .map(|(a, b)| (mean(&clusters[a], &clusters[b]), a, b))
            .min_by(|x, y| x.0.total_cmp(&y.0))
            .expect("a pair");
        heights.push(height);
        let other = clusters.swap_remove(a.max(b));
        clusters[a.min(b)].extend(other);
    }
    heights
}

#[test]
fn heights_are_the_slow_twins() {
    for seed in 0..20 {
        let distances = random(2 + seed as usize, seed);
        for linkage in [Linkage::Single, Linkage::Complete, Linkage::Average] {
            let tree = Tree::grow(&distances, linkage);
            let found: Vec<f64> = tree.merges().iter().map(|merge| merge.height).collect();
            let truth = slow(&distances, linkage);
            let near = found.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near && found.len() == truth.len(), "{linkage:?} {seed}: {found:?} {truth:?}");
        }
    }
}

/// Assets, seed, linkage, leaves as the tree grew, leaves in order: SciPy 1.17's `linkage`,
/// `optimal_leaf_ordering` and `leaves_list` on the same matrices.
type Known = (usize, u64, Linkage, &'static [usize], &'static [usize]);

const KNOWN: [Known; 16] = [
    (5, 1, Linkage::Single, &[0, 4, 1, 2, 3], &[0, 4, 1, 3, 2]),
    (5, 1, Linkage::Complete, &[2, 3, 0, 1, 4], &[2, 3, 4, 1, 0]),
    (5, 1, Linkage::Average, &[2, 3, 0, 1, 4], &[2, 3, 4, 1, 0]),
    (5, 1, Linkage::Ward, &[2, 3, 0, 1, 4], &[2, 3, 4, 1, 0]),
    (9, 2, Linkage::Single, &[5, 8, 0, 3, 6, 2, 7, 1, 4], &[5, 8, 3, 2, 4, 1, 7, 6, 0]),
    (9, 2, Linkage::Complete, &[0, 6, 5, 8, 2, 3, 7, 1, 4], &[5, 8, 6, 0, 7, 1, 4, 2, 3]),
    (9, 2, Linkage::Average, &[0, 6, 5, 8, 2, 3, 7, 1, 4], &[0, 6, 3, 2, 4, 1, 7, 8, 5]),
    (9, 2, Linkage::Ward, &[2, 3, 5, 8, 0, 6, 7, 1, 4], &[8, 5, 2, 3, 0, 6, 4, 1, 7]),
    (
        14,
        3,
        Linkage::Single,
        &[6, 11, 8, 12, 7, 10, 4, 5, 13, 0, 1, 9, 2, 3],
        &[6, 8, 12, 7, 4, 13, 0, 1, 9, 3, 2, 5, 10, 11],
    ),
    (
        14,
        3,
        Linkage::Complete,
        &[6, 2, 3, 0, 1, 9, 13, 8, 10, 11, 4, 5, 7, 12],
        &[6, 2, 3, 9, 13, 1, 0, 4, 5, 12, 7, 8, 11, 10],
    ),
    (
        14,
        3,
        Linkage::Average,
        &[4, 0, 1, 9, 13, 5, 8, 7, 12, 10, 11, 6, 2, 3],
        &[4, 9, 13, 1, 0, 8, 12, 7, 5, 6, 2, 3, 10, 11],
    ),
    (
        14,
        3,
        Linkage::Ward,
        &[4, 0, 1, 9, 13, 5, 8, 7, 12, 10, 11, 6, 2, 3],
        &[4, 9, 13, 1, 0, 8, 12, 7, 5, 6, 2, 3, 10, 11],
    ),
    (
        23,
        4,
        Linkage::Single,
        &[6, 14, 5, 19, 0, 4, 7, 10, 16, 17, 12, 3, 11, 20, 18, 2, 9, 13, 15, 1, 8, 21, 22],
        &[6, 5, 1, 8, 21, 22, 15, 13, 7, 4, 0, 12, 11, 3, 20, 2, 9, 18, 17, 10, 16, 19, 14],
    ),
    (
        23,
        4,
        Linkage::Complete,
        &[5, 14, 0, 12, 3, 11, 21, 22, 6, 1, 8, 20, 13, 15, 2, 9, 17, 19, 4, 7, 18, 10, 16],
        &[5, 14, 0, 12, 3, 11, 21, 22, 19, 17, 9, 2, 10, 16, 18, 4, 7, 13, 15, 20, 8, 1, 6],
    ),
    (
        23,
        4,
        Linkage::Average,
        &[5, 14, 18, 4, 7, 2, 9, 17, 19, 13, 15, 20, 10, 16, 3, 11, 21, 22, 0, 12, 6, 1, 8],
        &[5, 14, 19, 17, 9, 2, 16, 10, 20, 15, 13, 7, 4, 18, 8, 1, 6, 0, 12, 3, 11, 21, 22],
    ),
    (
        23,
        4,
        Linkage::Ward,
        &[13, 15, 5, 14, 20, 10, 16, 2, 9, 17, 19, 21, 22, 18, 3, 11, 6, 1, 8, 4, 7, 0, 12],
        &[16, 10, 20, 2, 9, 17, 19, 14, 5, 15, 13, 6, 1, 8, 12, 0, 4, 7, 18, 3, 11, 21, 22],
    ),
];

#[test]
fn leaves_stand_as_scipys() {
    for (n, seed, linkage, grown, ordered) in KNOWN {
        let distances = random(n, seed);
        let tree = Tree::grow(&distances, linkage);
        assert_eq!(tree.leaves(), grown, "{linkage:?} {n}");
        let found = leaf_order::ordered(&tree, &distances);
        assert_eq!(found.leaves(), ordered, "{linkage:?} {n}");
    }
}

#[test]
fn clusters_are_cut_from_the_top() {
    // two near pairs, far from each other
    let near =
        [[0.0, 0.1, 0.9, 0.8], [0.1, 0.0, 0.7, 0.9], [0.9, 0.7, 0.0, 0.11], [0.8, 0.9, 0.11, 0.0]];
    let distances = Mat::from_fn(4, 4, |i, j| near[i][j]);
    for linkage in [Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward] {
        let tree = Tree::grow(&distances, linkage);
        assert_eq!(tree.cut(2), [vec![0, 1], vec![2, 3]], "{linkage:?}");
        assert_eq!(tree.cut(1).len(), 1);
        assert_eq!(tree.cut(4).len(), 4);
        assert_eq!(cluster_count(&tree, &distances), 2, "{linkage:?}");
    }
}

#[test]
fn weights_along_a_tree_are_whole_and_positive() {
    let n = 12;
    let factor = random(n, 77);
    let mut covariance = &factor * factor.transpose();
    (0..n).for_each(|i| covariance[(i, i)] += 0.1);
    let estimates = Estimates {
        assets: (0..n).map(|i| i.to_string()).collect(),
        mean: vec![0.0; n],
        covariance: covariance.clone(),
    };
    let mut all = Vec::new();
    for linkage in [Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward] {
        for order in [LeafOrder::Optimal, LeafOrder::Linkage] {
            all.push(hrp(&covariance, linkage, order).expect("positive"));
        }
        for clusters in [None, Some(1), Some(3), Some(n)] {
            all.push(herc(&covariance, linkage, clusters).expect("positive"));
            all.push(nco(&estimates, linkage, clusters).expect("positive"));
        }
    }
    for found in all {
        assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{found:?}");
        assert!(found.weights.iter().all(|w| *w >= -1e-12));
    }
    assert!(herc(&covariance, Linkage::Ward, Some(13)).is_err());
    let still = Mat::zeros(3, 3);
    assert!(hrp(&still, Linkage::Single, LeafOrder::Optimal).is_err());
}
