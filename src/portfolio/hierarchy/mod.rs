//! Allocation along a tree of assets: HRP, HERC and NCO.
//!
//! Distance √((1 − ρ)/2); `linkage` grows the tree, `leaf_order` turns its branches.
//! - HRP (López de Prado 2016): the leaves in their order are halved again and again; each half gets its
//!   share in inverse proportion to the variance of its inverse-variance portfolio;
//! - HERC (Raffinot 2018): the tree is cut into clusters, as many as the two-order difference of the gap
//!   statistic names (Yue, Wang and Wei 2009); weights go down the tree's own branches in inverse
//!   proportion to the sums of cluster variances, and by inverse variance within a cluster;
//! - NCO (López de Prado 2020): minimum variance within each cluster, then between the clusters.

pub mod leaf_order;
pub mod linkage;

#[cfg(test)]
mod tests;

use super::allocation::{Allocation, AllocationError};
use super::problem::{Constraints, Estimates, variance};
use super::quadratic::min_variance;
use crate::model::covariance::correlations;
use faer::Mat;
pub use linkage::{Linkage, Tree};

/// How leaves are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafOrder {
    /// So that neighbours are as near as the tree allows.
    Optimal,
    /// As the tree grew.
    Linkage,
}

/// √((1 − ρ)/2) of every pair.
///
/// # Errors
/// An asset without variance.
pub fn distances(covariance: &Mat<f64>) -> Result<Mat<f64>, AllocationError> {
    let (_, correlations) =
        correlations(covariance).map_err(|error| AllocationError::Numbers(error.to_string()))?;
    let n = covariance.nrows();
    Ok(Mat::from_fn(n, n, |i, j| {
        if i == j { 0.0 } else { (0.5 * (1.0 - correlations[(i, j)]).max(0.0)).sqrt() }
    }))
}

/// The tree of a covariance, its branches in order.
///
/// # Errors
/// An asset without variance.
pub fn tree(
    covariance: &Mat<f64>,
    linkage: Linkage,
    order: LeafOrder,
) -> Result<Tree, AllocationError> {
    let distances = distances(covariance)?;
    let tree = Tree::grow(&distances, linkage);
    Ok(match order {
        LeafOrder::Linkage => tree,
        LeafOrder::Optimal => leaf_order::ordered(&tree, &distances),
    })
}

/// Weights of a set in inverse proportion to variances, and the variance of the whole.
fn inverse_variance(covariance: &Mat<f64>, set: &[usize]) -> (Vec<f64>, f64) {
    let inverse: Vec<f64> = set.iter().map(|&i| 1.0 / covariance[(i, i)]).collect();
    let sum: f64 = inverse.iter().sum();
    let weights: Vec<f64> = inverse.iter().map(|x| x / sum).collect();
    let mut whole = 0.0;
    for (a, &i) in set.iter().enumerate() {
        let row: f64 = set.iter().zip(&weights).map(|(&j, w)| covariance[(j, i)] * w).sum();
        whole += weights[a] * row;
    }
    (weights, whole)
}

/// Hierarchical risk parity.
///
/// # Errors
/// An asset without variance.
pub fn hrp(
    covariance: &Mat<f64>,
    linkage: Linkage,
    order: LeafOrder,
) -> Result<Allocation, AllocationError> {
    let leaves = tree(covariance, linkage, order)?.leaves();
    let mut weights = vec![1.0; leaves.len()];
    let mut open: Vec<&[usize]> = vec![&leaves];
    while let Some(set) = open.pop() {
        if set.len() < 2 {
            continue;
        }
        let (left, right) = set.split_at(set.len() / 2);
        let (one, other) =
            (inverse_variance(covariance, left).1, inverse_variance(covariance, right).1);
        let share = 1.0 - one / (one + other);
        left.iter().for_each(|&i| weights[i] *= share);
        right.iter().for_each(|&i| weights[i] *= 1.0 - share);
        open.extend([left, right]);
    }
    let value = variance(covariance, &weights);
    Ok(Allocation::of_recipe(weights, "variance", value))
}

/// Hierarchical equal risk contribution; `clusters` where not by the gap statistic.
///
/// # Errors
/// An asset without variance, or more clusters than assets.
pub fn herc(
    covariance: &Mat<f64>,
    linkage: Linkage,
    clusters: Option<usize>,
) -> Result<Allocation, AllocationError> {
    let (tree, clusters) = clustered(covariance, linkage, clusters)?;
    let mut weights = vec![0.0; tree.leaf_count()];
    let mut risks = Vec::new();
    for cluster in &clusters {
        let (within, risk) = inverse_variance(covariance, cluster);
        cluster.iter().zip(&within).for_each(|(&i, w)| weights[i] = *w);
        risks.push(risk);
    }
    // down from the root, until a branch is one cluster
    let mut open = vec![tree.root()];
    while let Some(node) = open.pop() {
        let Some((left, right)) = tree.children(node) else { continue };
        let leaves = tree.leaves_of(node);
        if clusters
            .iter()
            .any(|cluster| cluster.len() == leaves.len() && cluster.contains(&leaves[0]))
        {
            continue;
        }
        let risk_of = |node: usize| -> f64 {
            let leaves = tree.leaves_of(node);
            let inside = clusters.iter().zip(&risks).filter(|(c, _)| leaves.contains(&c[0]));
            inside.map(|(_, risk)| risk).sum()
        };
        let (one, other) = (risk_of(left), risk_of(right));
        let share = 1.0 - one / (one + other);
        tree.leaves_of(left).iter().for_each(|&i| weights[i] *= share);
        tree.leaves_of(right).iter().for_each(|&i| weights[i] *= 1.0 - share);
        open.extend([left, right]);
    }
    let value = variance(covariance, &weights);
    Ok(Allocation::of_recipe(weights, "variance", value))
}

/// Nested clustered optimisation by minimum variance.
///
/// # Errors
/// An asset without variance, or more clusters than assets.
pub fn nco(
    estimates: &Estimates,
    linkage: Linkage,
    clusters: Option<usize>,
) -> Result<Allocation, AllocationError> {
    let covariance = &estimates.covariance;
    let (_, clusters) = clustered(covariance, linkage, clusters)?;
    let n = estimates.mean.len();
    let part = |matrix: Mat<f64>| Estimates {
        assets: (0..matrix.nrows()).map(|i| i.to_string()).collect(),
        mean: vec![0.0; matrix.nrows()],
        covariance: matrix,
    };
    let least = |estimates: &Estimates| {
        min_variance(estimates, &Constraints::long_only(estimates.mean.len()), None)
    };
    // [cluster][asset]
    let mut within = vec![vec![0.0; n]; clusters.len()];
    for (cluster, weights) in clusters.iter().zip(&mut within) {
        let size = cluster.len();
        let own = Mat::from_fn(size, size, |a, b| covariance[(cluster[a], cluster[b])]);
        let found = least(&part(own))?;
        cluster.iter().zip(&found.weights).for_each(|(&i, w)| weights[i] = *w);
    }
    let rows: Vec<Vec<f64>> =
        within.iter().map(|weights| super::problem::product(covariance, weights)).collect();
    let between = Mat::from_fn(clusters.len(), clusters.len(), |a, b| {
        crate::maths::programme::dot(&rows[a], &within[b])
    });
    let shares = least(&part(between))?.weights;
    let weights: Vec<f64> =
        (0..n).map(|i| within.iter().zip(&shares).map(|(w, share)| w[i] * share).sum()).collect();
    let value = variance(covariance, &weights);
    Ok(Allocation::of_recipe(weights, "variance", value))
}

fn clustered(
    covariance: &Mat<f64>,
    linkage: Linkage,
    clusters: Option<usize>,
) -> Result<(Tree, Vec<Vec<usize>>), AllocationError> {
    let distances = distances(covariance)?;
    let n = covariance.nrows();
    let tree = Tree::grow(&distances, linkage);
    let count = match clusters {
        Some(count) if (1..=n).contains(&count) => count,
        Some(count) => {
            let words = format!("{count} clusters of {n} assets; give from 1 to {n}");
            return Err(AllocationError::Numbers(words));
        }
        None => cluster_count(&tree, &distances),
    };
    let clusters = tree.cut(count);
    Ok((tree, clusters))
}

/// The number of clusters whose within-cluster dispersion bends most.
fn cluster_count(tree: &Tree, distances: &Mat<f64>) -> usize {
    let n = tree.leaf_count();
    if n < 3 {
        return n;
    }
    let most = n.min(8.max((n as f64).sqrt().round() as usize));
    let dispersion = |count: usize| -> f64 {
        tree.cut(count)
            .iter()
            .filter(|cluster| cluster.len() > 1)
            .map(|cluster| {
                let pairs = cluster
                    .iter()
                    .enumerate()
                    .flat_map(|(a, &i)| cluster[a + 1..].iter().map(move |&j| distances[(i, j)]));
                let (count, sum) = pairs.fold((0.0, 0.0), |(n, sum), d| (n + 1.0, sum + d));
                sum / count
            })
            .sum()
    };
    let curve: Vec<f64> = (1..=most).map(dispersion).collect();
    let bend = |k: &usize| curve[k + 2] + curve[*k] - 2.0 * curve[k + 1];
    // the first of equals
    let best = (0..most - 2).rev().max_by(|a, b| bend(a).total_cmp(&bend(b))).unwrap_or(0);
    best + 2
}
