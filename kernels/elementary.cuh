// Elementary functions in f32, the mirror of src/compute/elementary.rs to the bit.
//
// Compiled with -fmad=false -prec-div=true -prec-sqrt=true -ftz=false: every + - * / and sqrtf is one correctly
// rounded operation, fmaf one more, and nothing else is used.
#pragma once

#ifndef __CUDACC__
#include "cuda_on_cpu.h"
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

__device__ inline float ln(float x) {
    const u32 bits = __float_as_uint(x);
    const int exponent = (int)(bits - 0x3F3504F3u) >> 23;
    const float mantissa = __uint_as_float(bits - ((u32)exponent << 23));
    const float f = mantissa - 1.0f;
    const float square = f * f;
    float p = -7.6369e-2f;
    p = fmaf(p, f, 1.2762468e-1f);
    p = fmaf(p, f, -1.3159554e-1f);
    p = fmaf(p, f, 1.4201541e-1f);
    p = fmaf(p, f, -1.662341e-1f);
    p = fmaf(p, f, 2.0001243e-1f);
    p = fmaf(p, f, -2.500082e-1f);
    p = fmaf(p, f, 3.333333e-1f);
    const float rest = fmaf(p, square * f, square * -0.5f);
    const float k = (float)exponent;
    return fmaf(k, 0.69314575f, f + fmaf(k, 1.4286068e-6f, rest));
}

__device__ inline float ln_near(float x) {
    const u32 bits = __float_as_uint(x);
    const int exponent = (int)(bits - 0x3F3504F3u) >> 23;
    const float f = __uint_as_float(bits - ((u32)exponent << 23)) - 1.0f;
    float p = -1.0385407e-1f;
    p = fmaf(p, f, 1.6363761e-1f);
    p = fmaf(p, f, -1.7219432e-1f);
    p = fmaf(p, f, 1.9880041e-1f);
    p = fmaf(p, f, -2.497054e-1f);
    p = fmaf(p, f, 3.3335832e-1f);
    p = fmaf(p, f, -5.0000376e-1f);
    p = fmaf(p, f, 9.999999e-1f);
    return fmaf((float)exponent, 0.69314718f, p * f);
}

// The smaller or greater one as the CPU's instructions choose: the second where either is NaN.
__device__ inline float least(float a, float b) { return a < b ? a : b; }
__device__ inline float greatest(float a, float b) { return a > b ? a : b; }

struct Reduced {
    int n;
    float r;
};

__device__ inline Reduced reduced(float x) {
    x = least(greatest(x, -104.0f), 89.0f);
    const float shifted = fmaf(x, 1.44269504f, 12582912.0f);
    const float n = shifted - 12582912.0f;
    Reduced a;
    a.r = fmaf(n, -1.4286068e-6f, fmaf(n, -0.69314575f, x));
    a.n = (int)(__float_as_uint(shifted) - __float_as_uint(12582912.0f));
    return a;
}

__device__ inline float expm1_polynomial(float r) {
    float p = 1.3870274e-3f;
    p = fmaf(p, r, 8.366251e-3f);
    p = fmaf(p, r, 4.166744e-2f);
    p = fmaf(p, r, 1.6666546e-1f);
    p = fmaf(p, r, 4.9999997e-1f);
    return fmaf(p, r * r, r);
}

__device__ inline float power_of_two(int n) { return __uint_as_float((u32)(n + 127) << 23); }

__device__ inline float exp_(float x) {
    const Reduced a = reduced(x);
    const float p = expm1_polynomial(a.r) + 1.0f;
    const int half = a.n >> 1;
    return p * power_of_two(half) * power_of_two(a.n - half);
}

__device__ inline float expm1_(float x) {
    const Reduced a = reduced(greatest(x, -87.0f));
    const float p = expm1_polynomial(a.r);
    const float scale = power_of_two(a.n);
    return fmaf(scale, p, scale - 1.0f);
}

__device__ inline void cosine_sine(u32 word, float& cosine, float& sine) {
    const u32 quadrant = (word + (1u << 29)) >> 30;
    const float x = (float)(int)(word - (quadrant << 30)) * (1.0f / 536870912.0f);
    const float square = x * x;
    float s = -3.6592763e-5f;
    s = fmaf(s, square, 2.4909931e-3f);
    s = fmaf(s, square, -8.074582e-2f);
    s = fmaf(s, square, 7.853982e-1f);
    s = s * x;
    float c = -3.189921e-4f;
    c = fmaf(c, square, 1.585016e-2f);
    c = fmaf(c, square, -3.084244e-1f);
    c = fmaf(c, square, 1.0f);
    const bool odd = quadrant & 1u;
    const u32 c_sign = ((quadrant + 1u) << 30) & 0x80000000u;
    const u32 s_sign = (quadrant << 30) & 0x80000000u;
    cosine = __uint_as_float(__float_as_uint(odd ? s : c) ^ c_sign);
    sine = __uint_as_float(__float_as_uint(odd ? c : s) ^ s_sign);
}

__device__ inline float density(float square) {
    const float power = greatest(square * (-0.5f * 1.44269504f), -120.0f);
    const float shifted = power + 12582912.0f;
    const float r = power - (shifted - 12582912.0f);
    float p = 5.3609314e-4f;
    p = fmaf(p, r, 3.8615293e-3f);
    p = fmaf(p, r, 2.2142228e-2f);
    p = fmaf(p, r, 9.5833994e-2f);
    p = fmaf(p, r, 2.7652574e-1f);
    p = fmaf(p, r, 3.9894232e-1f);
    return __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
}

__device__ inline float mills_polynomial(float t) {
    float p = 9.198871e-2f;
    p = fmaf(p, t, -3.834747e-1f);
    p = fmaf(p, t, 4.6550632e-1f);
    p = fmaf(p, t, -9.517866e-2f);
    p = fmaf(p, t, 3.0334857e-1f);
    p = fmaf(p, t, 2.5923997e-1f);
    p = fmaf(p, t, 3.0697843e-1f);
    p = fmaf(p, t, 3.0490562e-1f);
    return p * t;
}

__device__ inline void mills(float a, float b, float& of_a, float& of_b) {
    const float x = fmaf(a, 0.305f, 1.0f), y = fmaf(b, 0.305f, 1.0f);
    const float inverse = 1.0f / (x * y);
    of_a = mills_polynomial(inverse * y);
    of_b = mills_polynomial(inverse * x);
}

__device__ inline float tanh_(float x) {
    const float e = expm1_(fabsf(x) * -2.0f);
    const float magnitude = (0.0f - e) / (e + 2.0f);
    return __uint_as_float(__float_as_uint(magnitude) ^ (__float_as_uint(x) & 0x80000000u));
}

__device__ inline float sigmoid(float x) {
    const float e = exp_(least(0.0f - x, 88.0f));
    return 1.0f / (1.0f + e);
}

// This thread's number in a grid of two dimensions.
__device__ inline u32 thread_number() {
    return (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x;
}

// This block's number in a grid of two dimensions.
__device__ inline u32 block_number() { return blockIdx.y * gridDim.x + blockIdx.x; }
