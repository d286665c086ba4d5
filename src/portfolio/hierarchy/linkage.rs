//! Agglomerative clustering: a tree of merges from a matrix of distances.
//!
//! Single linkage by Prim's minimum spanning tree, the others by chains of nearest neighbours (Müllner 2011)
//! with Lance and Williams' updates: n² work. Merges are sorted by height, equals in the order found, and
//! every merge's branches stand in the order of their numbers, as SciPy's do, whose orientation FORMATS asks
//! for.

use faer::Mat;

/// What the distance between clusters is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// The nearest pair's.
    Single,
    /// The farthest pair's.
    Complete,
    /// The mean of all pairs.
    Average,
    /// The growth of the variance within (Ward 1963).
    Ward,
}

/// A merge of two nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// One branch: a leaf below the number of leaves, or merge k as leaves + k.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// Their distance.
    pub height: f64,
}

/// A tree of leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    merges: Vec<Merge>,
}

impl Tree {
    /// Merges the nearest until one is left.
    #[must_use]
    pub fn grow(distances: &Mat<f64>, linkage: Linkage) -> Tree {
        let n = distances.nrows();
        let mut found = match linkage {
            Linkage::Single => spanning(distances),
            _ => chained(distances, linkage),
        };
        found.sort_by(|a, b| a.height.total_cmp(&b.height));
        // from members to the nodes that hold them by then
        let mut parent: Vec<usize> = (0..2 * n).collect();
        let root = |parent: &[usize], mut at: usize| {
            while parent[at] != at {
                at = parent[at];
            }
            at
        };
        let mut merges = Vec::with_capacity(found.len());
        for (at, merge) in found.iter().enumerate() {
            let (a, b) = (root(&parent, merge.left), root(&parent, merge.right));
            let node = n + at;
            for member in [merge.left, merge.right] {
                // halves the way for whoever asks next
                let mut at = member;
                while parent[at] != at {
                    let next = parent[at];
                    parent[at] = node;
                    at = next;
                }
                parent[at] = node;
            }
            merges.push(Merge { left: a.min(b), right: a.max(b), height: merge.height });
        }
        Tree { merges }
    }

    /// The same tree with other branches on the left.
    #[must_use]
    pub(super) fn turned(&self, swapped: &[bool]) -> Tree {
        let turn = |(merge, swap): (&Merge, &bool)| {
            if *swap { Merge { left: merge.right, right: merge.left, ..*merge } } else { *merge }
        };
        Tree { merges: self.merges.iter().zip(swapped).map(turn).collect() }
    }

    /// The merges, the lowest first.
    #[must_use]
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// How many leaves.
    #[must_use]
    pub fn leaf_count(&self) -> usize {
        self.merges.len() + 1
    }

    /// The node that holds all.
    #[must_use]
    pub fn root(&self) -> usize {
        2 * self.merges.len()
    }

    /// A node's branches; none of a leaf.
    #[must_use]
    pub fn children(&self, node: usize) -> Option<(usize, usize)> {
        let merge = self.merges.get(node.checked_sub(self.leaf_count())?)?;
        Some((merge.left, merge.right))
    }

    /// All leaves from left to right.
    #[must_use]
    pub fn leaves(&self) -> Vec<usize> {
        self.leaves_of(self.root())
    }

    /// A node's leaves from left to right.
    #[must_use]
    pub fn leaves_of(&self, node: usize) -> Vec<usize> {
        let (mut leaves, mut open) = (Vec::new(), vec![node]);
        while let Some(node) = open.pop() {
            match self.children(node) {
                Some((left, right)) => open.extend([right, left]),
                None => leaves.push(node),
            }
        }
        leaves
    }

    /// The leaves of so many clusters: what is left when the last merges are undone.
    #[must_use]
    pub fn cut(&self, clusters: usize) -> Vec<Vec<usize>> {
        let n = self.leaf_count();
        let undone = n + self.merges.len() - (clusters.clamp(1, n) - 1);
        let (mut found, mut open) = (Vec::new(), vec![self.root()]);
        while let Some(node) = open.pop() {
            match self.children(node) {
                Some((left, right)) if node >= undone => open.extend([right, left]),
                _ => found.push(self.leaves_of(node)),
            }
        }
        found
    }
}

/// The edges of the minimum spanning tree, from leaf 0 on.
fn spanning(distances: &Mat<f64>) -> Vec<Merge> {
    let n = distances.nrows();
    let mut nearest = vec![f64::INFINITY; n];
    let mut is_in = vec![false; n];
    let (mut at, mut edges) = (0, Vec::with_capacity(n.saturating_sub(1)));
    for _ in 1..n {
        is_in[at] = true;
        let (mut next, mut least) = (at, f64::INFINITY);
        for other in (0..n).filter(|&other| !is_in[other]) {
            nearest[other] = nearest[other].min(distances[(other, at)]);
            if nearest[other] < least {
                (next, least) = (other, nearest[other]);
            }
        }
        edges.push(Merge { left: at, right: next, height: least });
        at = next;
    }
    edges
}

/// Chains of nearest neighbours, merged where two are each other's.
fn chained(distances: &Mat<f64>, linkage: Linkage) -> Vec<Merge> {
    let n = distances.nrows();
    let mut distance = distances.clone();
    let mut size = vec![1.0_f64; n];
    let (mut chain, mut merges): (Vec<usize>, Vec<Merge>) = (Vec::new(), Vec::new());
    while merges.len() + 1 < n {
        if chain.is_empty() {
            chain.extend((0..n).find(|&i| size[i] > 0.0));
        }
        let (x, y, height) = loop {
            let x = chain[chain.len() - 1];
            // the one before wins among equals, or chains would never end
            let (mut y, mut least) = match chain.len() {
                1 => (x, f64::INFINITY),
                many => (chain[many - 2], distance[(chain[many - 2], x)]),
            };
            for i in (0..n).filter(|&i| size[i] > 0.0 && i != x) {
                if distance[(i, x)] < least {
                    (y, least) = (i, distance[(i, x)]);
                }
            }
            if chain.len() > 1 && y == chain[chain.len() - 2] {
                break (x, y, least);
            }
            chain.push(y);
        };
        chain.truncate(chain.len() - 2);
        let (x, y) = (x.min(y), x.max(y));
        let (nx, ny) = (size[x], size[y]);
        merges.push(Merge { left: x, right: y, height });
        size[x] = 0.0;
        size[y] = nx + ny;
        for i in (0..n).filter(|&i| size[i] > 0.0 && i != y) {
            let (to_x, to_y) = (distance[(i, x)], distance[(i, y)]);
            let both = match linkage {
                Linkage::Single => to_x.min(to_y),
                Linkage::Complete => to_x.max(to_y),
                Linkage::Average => (nx * to_x + ny * to_y) / (nx + ny),
                Linkage::Ward => {
                    let t = 1.0 / (nx + ny + size[i]);
                    ((size[i] + nx) * t * to_x * to_x + (size[i] + ny) * t * to_y * to_y
                        - size[i] * t * height * height)
                        .sqrt()
                }
            };
            distance[(i, y)] = both;
            distance[(y, i)] = both;
        }
    }
    merges
}
