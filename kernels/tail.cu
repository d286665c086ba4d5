// Parts of a tail, the mirror of src/compute/tail to the bit: `tail_digits` counts 4096 numbers by a digit of their
// keys, `tail_excess` adds a block of 4096 over 32 lanes in the order of src/compute/reduce.
#include "elementary.cuh"

__device__ inline u32 key(float x) {
    const u32 bits = __float_as_uint(x);
    return bits ^ ((u32)((int)bits >> 31) | 0x80000000u);
}

// words: count, shift of the digit, the known higher digits, their mask.
extern "C" __global__ void tail_digits(const u32* words, const float* numbers, float* out) {
    __shared__ u32 digits[256];
    const u32 block = block_number(), thread = threadIdx.x;
    digits[thread] = 0u;
    __syncthreads();
    for (u32 i = thread; i < 4096u; i += 256u) {
        const u32 at = block * 4096u + i;
        if (at < words[0]) {
            const u32 k = key(numbers[at]);
            if ((k & words[3]) == words[2]) atomicAdd(&digits[(k >> words[1]) & 255u], 1u);
        }
    }
    __syncthreads();
    // below 2^24, so exact
    if (block * 4096u < words[0]) out[block * 256u + thread] = (float)digits[thread];
}

// words: count, the quantile's bits.
extern "C" __global__ void tail_excess(const u32* words, const float* numbers, float* out) {
    __shared__ float sums[32], squares[32];
    __shared__ u32 counts;
    const u32 block = block_number(), lane = threadIdx.x;
    const float quantile = __uint_as_float(words[1]);
    if (lane == 0u) counts = 0u;
    __syncthreads();
    float sum = 0.0f, square = 0.0f;
    u32 count = 0u;
    for (u32 i = lane; i < 4096u; i += 32u) {
        const u32 at = block * 4096u + i;
        if (at < words[0]) {
            const float x = numbers[at];
            const float beyond = greatest(quantile - x, 0.0f);
            sum = sum + beyond;
            square = fmaf(beyond, beyond, square);
            count += x <= quantile ? 1u : 0u;
        }
    }
    atomicAdd(&counts, count);
    for (u32 reach = 16u; reach > 0u; reach /= 2u) {
        sums[lane] = sum;
        squares[lane] = square;
        __syncthreads();
        sum = sum + sums[lane ^ reach];
        square = square + squares[lane ^ reach];
        __syncthreads();
    }
    if (lane == 0u && block * 4096u < words[0]) {
        out[3u * block] = sum;
        out[3u * block + 1u] = square;
        out[3u * block + 2u] = (float)counts;
    }
}
