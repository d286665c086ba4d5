// Covariances, the mirror of src/compute/cov/formula.rs: rows in time order within blocks of 256, blocks folded
// by a pairwise tree.
//
// Entry `cov_means`: a thread a series; entry `cov`: a thread an entry of the matrix. words: rows, series, where
// weights of means and of products begin, where means begin. Within 1e-6 of the product of two deviations.

const COV_ROWS = 256u;

// Sums of 1, 2, 4, … blocks, folded as soon as two of a size are there.
struct Tree {
    sums: array<f32, 32>,
    depth: u32,
    blocks: u32,
}

fn tree_push(tree: ptr<function, Tree>, sum: f32) {
    (*tree).sums[(*tree).depth] = sum;
    (*tree).depth += 1u;
    (*tree).blocks += 1u;
    for (var n = (*tree).blocks; (n & 1u) == 0u; n = n >> 1u) {
        let top = (*tree).depth - 1u;
        (*tree).sums[top - 1u] = (*tree).sums[top - 1u] + (*tree).sums[top];
        (*tree).depth = top;
    }
}

fn tree_finish(tree: ptr<function, Tree>) -> f32 {
    while (*tree).depth > 1u {
        let top = (*tree).depth - 1u;
        (*tree).sums[top - 1u] = (*tree).sums[top - 1u] + (*tree).sums[top];
        (*tree).depth = top;
    }
    return (*tree).sums[0];
}

@compute @workgroup_size(64)
fn cov_means(@builtin(global_invocation_id) id: vec3<u32>) {
    let series = words[1];
    if id.x >= series {
        return;
    }
    var tree: Tree;
    for (var first = 0u; first < words[0]; first += COV_ROWS) {
        var sum = 0.0;
        for (var t = first; t < min(first + COV_ROWS, words[0]); t++) {
            sum = fma(numbers[t * series + id.x], numbers[words[2] + t], sum);
        }
        tree_push(&tree, sum);
    }
    out[id.x] = tree_finish(&tree);
}

@compute @workgroup_size(64)
fn cov(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let series = words[1];
    let entry = id.x + id.y * groups.x * 64u;
    if entry >= series * series {
        return;
    }
    let i = max(entry / series, entry % series);
    let j = min(entry / series, entry % series);
    let mean_i = numbers[words[4] + i];
    let mean_j = numbers[words[4] + j];
    var tree: Tree;
    for (var first = 0u; first < words[0]; first += COV_ROWS) {
        var sum = 0.0;
        for (var t = first; t < min(first + COV_ROWS, words[0]); t++) {
            let left = numbers[t * series + i] - mean_i;
            let right = (numbers[t * series + j] - mean_j) * numbers[words[3] + t];
            sum = fma(left, right, sum);
        }
        tree_push(&tree, sum);
    }
    out[entry] = tree_finish(&tree);
}
