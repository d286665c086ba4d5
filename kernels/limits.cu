// What a device can do at most: multiply-adds in registers, and reading its memory. `limits_operations`: words:
// steps; numbers: factor and summand. `limits_read`: words: numbers, threads, rounds.
#include "elementary.cuh"

extern "C" __global__ void limits_operations(const u32* words, const float* numbers, float* out) {
    const u32 thread = thread_number();
    const float factor = numbers[0], summand = numbers[1];
    float sums[8];
    for (int i = 0; i < 8; i++) sums[i] = (float)thread + (float)i;
    for (u32 step = 0; step < words[0]; step++) {
#pragma unroll
        for (int i = 0; i < 8; i++) sums[i] = fmaf(sums[i], factor, summand);
    }
    float sum = 0.0f;
    for (int i = 0; i < 8; i++) sum = sum + sums[i];
    out[thread] = sum;
}

extern "C" __global__ void limits_read(const u32* words, const float* numbers, float* out) {
    const u32 thread = thread_number();
    float sum = 0.0f;
    for (u32 round = 0; round < words[2]; round++) {
        for (u32 at = thread; at < words[0]; at += words[1]) sum = sum + numbers[at];
        sum = sum * 0.5f;
    }
    out[thread] = sum;
}
