// Covariances, the mirror of src/compute/cov/formula.rs to the bit: rows in time order within blocks of 256, blocks
// folded by a pairwise tree. words: rows, series, where weights of means and of products and the means begin.
#include "elementary.cuh"

// Sums of 1, 2, 4, ... blocks, folded as soon as two of a size are there.
struct Tree {
    float sums[32];
    u32 depth, blocks;
};

__device__ inline void push(Tree& tree, float sum) {
    tree.sums[tree.depth++] = sum;
    tree.blocks++;
    for (u32 n = tree.blocks; (n & 1u) == 0u; n >>= 1) {
        tree.depth--;
        tree.sums[tree.depth - 1u] = tree.sums[tree.depth - 1u] + tree.sums[tree.depth];
    }
}

__device__ inline float finish(Tree& tree) {
    while (tree.depth > 1u) {
        tree.depth--;
        tree.sums[tree.depth - 1u] = tree.sums[tree.depth - 1u] + tree.sums[tree.depth];
    }
    return tree.sums[0];
}

extern "C" __global__ void cov_means(const u32* words, const float* numbers, float* out) {
    const u32 series = words[1], at = thread_number();
    if (at >= series) return;
    Tree tree;
    tree.depth = tree.blocks = 0u;
    for (u32 from = 0; from < words[0]; from += 256u) {
        const u32 end = from + 256u < words[0] ? from + 256u : words[0];
        float sum = 0.0f;
        for (u32 t = from; t < end; t++) {
            sum = fmaf(numbers[(u64)t * series + at], numbers[words[2] + t], sum);
        }
        push(tree, sum);
    }
    out[at] = finish(tree);
}

extern "C" __global__ void cov(const u32* words, const float* numbers, float* out) {
    const u32 series = words[1], entry = thread_number();
    if (entry >= series * series) return;
    const u32 a = entry / series, b = entry % series;
    const u32 i = a > b ? a : b, j = a > b ? b : a;
    const float mean_i = numbers[words[4] + i], mean_j = numbers[words[4] + j];
    Tree tree;
    tree.depth = tree.blocks = 0u;
    for (u32 from = 0; from < words[0]; from += 256u) {
        const u32 end = from + 256u < words[0] ? from + 256u : words[0];
        float sum = 0.0f;
        for (u32 t = from; t < end; t++) {
            const float left = numbers[(u64)t * series + i] - mean_i;
            const float right = (numbers[(u64)t * series + j] - mean_j) * numbers[words[3] + t];
            sum = fmaf(left, right, sum);
        }
        push(tree, sum);
    }
    out[entry] = finish(tree);
}
