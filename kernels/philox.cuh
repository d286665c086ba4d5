// Philox4x32-10 and the numbers made of its words, the mirror of src/compute/philox/formula.rs to the bit.
#pragma once

#include "elementary.cuh"

struct Words {
    u32 w[4];
};

__device__ inline Words philox_block(u64 path, u32 step, u32 last, u32 seed_low, u32 seed_high) {
    u32 c0 = (u32)path, c1 = (u32)(path >> 32), c2 = step, c3 = last;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 first = (u64)c0 * 0xD2511F53u;
        const u64 second = (u64)c2 * 0xCD9E8D57u;
        c0 = (u32)(second >> 32) ^ c1 ^ seed_low;
        c1 = (u32)second;
        c2 = (u32)(first >> 32) ^ c3 ^ seed_high;
        c3 = (u32)first;
        seed_low += 0x9E3779B9u;
        seed_high += 0xBB67AE85u;
    }
    Words words = {{c0, c1, c2, c3}};
    return words;
}

__device__ inline float uniform(u32 word) {
    return fmaf(__uint2float_rn(word), 1.0f / 4294967296.0f, 0.5f / 4294967296.0f);
}

__device__ inline void normals(u32 first, u32 second, float& a, float& b) {
    const float radius = sqrtf(ln(uniform(first)) * -2.0f);
    float cosine, sine;
    cosine_sine(second, cosine, sine);
    a = radius * cosine;
    b = radius * sine;
}

__device__ inline float student(u32 first, u32 second, float exponent, float scale) {
    const float power = expm1_(ln(uniform(first)) * exponent);
    const float radius = sqrtf(power * scale);
    float cosine, sine;
    cosine_sine(second, cosine, sine);
    return radius * cosine;
}
