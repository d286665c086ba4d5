// Attention of queries over windows, the mirror of src/compute/attention to the bit: 32 lanes a query. words: steps,
// hidden, queries. numbers: [query][steps][hidden] states, then [query][hidden]. out: weights and context of each.
#include "elementary.cuh"

// The butterfly over 32 lanes.
__device__ inline float fold(float* lanes, float sum, u32 lane) {
    for (u32 reach = 16u; reach > 0u; reach /= 2u) {
        lanes[lane] = sum;
        __syncthreads();
        sum = sum + lanes[lane ^ reach];
        __syncthreads();
    }
    return sum;
}

extern "C" __global__ void attention(const u32* words, const float* numbers, float* out) {
    __shared__ float lanes[32];
    const u32 steps = words[0], hidden = words[1], lane = threadIdx.x;
    const float* states = numbers + (u64)blockIdx.x * steps * hidden;
    const float* query = numbers + (u64)words[2] * steps * hidden + (u64)blockIdx.x * hidden;
    float* weights = out + (u64)blockIdx.x * (steps + hidden);
    const float scale = 1.0f / sqrtf((float)hidden);
    float most = __uint_as_float(0xFF800000u);
    for (u32 step = 0; step < steps; step++) {
        float sum = 0.0f;
        for (u32 i = lane; i < hidden; i += 32u) sum = fmaf(states[step * hidden + i], query[i], sum);
        const float score = fold(lanes, sum, lane) * scale;
        most = score > most ? score : most;
        if (step % 32u == lane) weights[step] = score;
    }
    float sum = 0.0f;
    for (u32 step = lane; step < steps; step += 32u) {
        weights[step] = exp_(weights[step] - most);
        sum = sum + weights[step];
    }
    const float total = fold(lanes, sum, lane);
    for (u32 step = lane; step < steps; step += 32u) weights[step] = weights[step] / total;
    __syncthreads();
    for (u32 j = lane; j < hidden; j += 32u) {
        float context = 0.0f;
        for (u32 step = 0; step < steps; step++) context = fmaf(weights[step], states[step * hidden + j], context);
        weights[steps + j] = context;
    }
}
