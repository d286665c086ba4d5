//! An order of leaves with short ways between neighbours, by turning the tree's branches, as SciPy finds it.
//!
//! For every node and every pair (u, w) of a leaf of its left and a leaf of its right branch, the least
//! length of an order that begins at u and ends at w (Bar-Joseph, Gifford and Jaakkola 2001). SciPy then
//! turns a node's branches as the node's own best pair wants them and never goes back when a node above
//! wants another pair, so its order may be longer than the least; lengths are f32, and equals go to the
//! first pair, left branch outside. FORMATS asks for its order and orientation, so both are kept.

use super::linkage::Tree;
use faer::Mat;

/// The tree turned so.
#[must_use]
pub fn ordered(tree: &Tree, distances: &Mat<f64>) -> Tree {
    let n = tree.leaf_count();
    if n < 3 {
        return tree.clone();
    }
    // leaves are numbered by their present place, so that every node is a range
    let leaves = tree.leaves();
    let mut place = vec![0; n];
    leaves.iter().enumerate().for_each(|(at, &leaf)| place[leaf] = at);
    let near = Mat::from_fn(n, n, |i, j| distances[(leaves[i], leaves[j])]);
    let mut ranges: Vec<(usize, usize)> =
        (0..n).map(|leaf| (place[leaf], place[leaf] + 1)).collect();
    for merge in tree.merges() {
        ranges.push((ranges[merge.left].0, ranges[merge.right].1));
    }
    let mut lengths = Mat::<f32>::zeros(n, n);
    let mut must_swap = vec![false; n - 1];
    for merge in tree.merges() {
        let (left, right) = (merge.left, merge.right);
        // (outer range, inner range, whether the branch is turned)
        let sides = |node: usize, is_left: bool| match tree.children(node) {
            None => vec![(ranges[node], ranges[node], false)],
            Some((a, b)) => {
                let (outer, inner) = if is_left { (a, b) } else { (b, a) };
                vec![(ranges[outer], ranges[inner], false), (ranges[inner], ranges[outer], true)]
            }
        };
        let mut turned = std::collections::HashMap::new();
        for &(u_range, m_range, swap_left) in &sides(left, true) {
            for &(w_range, k_range, swap_right) in &sides(right, false) {
                let pairs = best(&lengths, &near, [u_range, m_range, w_range, k_range]);
                for (u, w, length) in pairs {
                    lengths[(u, w)] = length;
                    lengths[(w, u)] = length;
                    turned.insert((u, w), (swap_left, swap_right));
                }
            }
        }
        let (mut least, mut chosen) = (f32::INFINITY, (false, false));
        for u in ranges[left].0..ranges[left].1 {
            for w in ranges[right].0..ranges[right].1 {
                if lengths[(u, w)] < least {
                    least = lengths[(u, w)];
                    chosen = turned.get(&(u, w)).copied().unwrap_or_default();
                }
            }
        }
        if left >= n {
            must_swap[left - n] = chosen.0;
        }
        if right >= n {
            must_swap[right - n] = chosen.1;
        }
    }
    // turning a node turns all below it
    let mut swapped = must_swap.clone();
    for at in (0..n - 1).rev() {
        if let Some((left, right)) = tree.children(n + at) {
            for child in [left, right].into_iter().filter(|&child| child >= n) {
                swapped[child - n] = must_swap[child - n] ^ swapped[at];
            }
        }
    }
    tree.turned(&swapped)
}

/// For every u and w the least of length(u, m) + length(w, k) + distance(m, k).
fn best(
    lengths: &Mat<f32>,
    near: &Mat<f64>,
    [u_range, m_range, w_range, k_range]: [(usize, usize); 4],
) -> Vec<(usize, usize, f32)> {
    let sorted = |range: (usize, usize), from: usize| {
        let mut all: Vec<(f32, usize)> =
            (range.0..range.1).map(|at| (lengths[(at, from)], at)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    };
    let between = (m_range.0..m_range.1).flat_map(|m| (k_range.0..k_range.1).map(move |k| (m, k)));
    let shortest = between.map(|(m, k)| near[(m, k)]).fold(f64::INFINITY, f64::min);
    let ends: Vec<Vec<(f32, usize)>> = (w_range.0..w_range.1).map(|w| sorted(k_range, w)).collect();
    let mut found = Vec::with_capacity((u_range.1 - u_range.0) * ends.len());
    for u in u_range.0..u_range.1 {
        let starts = sorted(m_range, u);
        for (w, ends) in (w_range.0..).zip(&ends) {
            let mut least = f32::INFINITY;
            for &(to_m, m) in &starts {
                if f64::from(to_m + ends[0].0) + shortest >= f64::from(least) {
                    break;
                }
                for &(to_k, k) in ends {
                    let both = to_m + to_k;
                    if f64::from(both) + shortest >= f64::from(least) {
                        break;
                    }
                    let length = (f64::from(both) + near[(m, k)]) as f32;
                    least = least.min(length);
                }
            }
            found.push((u, w, least));
        }
    }
    found
}
