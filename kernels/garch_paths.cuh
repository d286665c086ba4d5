// Returns over several steps, the mirror of src/compute/garch_paths/formula.rs to the bit. Words and numbers
// stand as src/compute/garch_paths/gpu.rs packs them; out holds a row a number, `paths` long.
#pragma once

#include "sobol.cuh"

#define TABLE_PIECES 528u

__device__ inline float table_look_up(u32 word, const float* table) {
    const u32 distance = word ^ (u32)((int)word >> 31);
    const u32 bits = __float_as_uint(__uint2float_rn(distance) + 0.5f);
    const u32 piece = (bits >> 19) - (126u << 4) + (word >> 31) * TABLE_PIECES;
    const float place = __uint_as_float(((bits & 0x7FFFFu) << 4) ^ 0x3F800000u) - 1.0f;
    float value = table[6u * TABLE_PIECES + piece];
    value = fmaf(value, place, table[4u * TABLE_PIECES + piece]);
    value = fmaf(value, place, table[2u * TABLE_PIECES + piece]);
    return fmaf(value, place, table[piece]);
}

// One step of an asset whose six parameters stand at `a`.
__device__ inline void advance(const float* a, bool simple, float z, float& sum, float& h) {
    const float shock = sqrtf(h) * z;
    const float r = a[0] + shock;
    const float reaction = 0.0f > shock ? a[2] + a[3] : a[2];
    h = fmaf(a[4], h, fmaf(reaction, shock * shock, a[1]));
    sum = simple ? fmaf(sum, r, sum + r) : sum + r;
}

#define JOB_WORDS 19u
#define DRAWS_MIRRORED 1u
#define DRAWS_RATIO 2u
#define DRAWS_TILTED 3u
#define DRAWS_SOBOL 4u
#define STREAM_MIXING 1u
#define STREAM_DAYS 2u

__device__ inline bool tells_ratio(const u32* words) {
    return words[9] == DRAWS_RATIO || words[9] == DRAWS_TILTED;
}

// Numbers of working room a path has.
__device__ inline u32 room_of(const u32* words) {
    const u32 n = words[4];
    return 3u * n + 8u + (words[7] == 2u ? n + words[11] : n) + (tells_ratio(words) ? 1u : 0u);
}

// Four words of a path: its own, or its point's.
__device__ inline Words source(const u32* words, u64 path, u32 stream, u32 step, u32 block) {
    if (words[9] != DRAWS_SOBOL) {
        return philox_block(path, step, (stream << 24) | block, words[0], words[1]);
    }
    const u32 first = (stream == 0u ? words[17] + step * words[18] : 4u * step) + 4u * block;
    Words four;
    for (u32 next = 0; next < 4u; next++) {
        four.w[next] = sobol_word(words + JOB_WORDS, path, first + next);
    }
    return four;
}

// Walks a path; its returns stand in out[j * paths + thread], the ratio's logarithm behind them.
__device__ inline void walk(const u32* words, const float* numbers, float* out, u32 thread) {
    const u64 path = (((u64)words[3] << 32) | words[2]) + thread;
    const u32 n = words[4], steps = words[5], shocks = words[6], dependence = words[7];
    const bool simple = words[8] == 1u;
    const u32 draws = words[9];
    const float sign = draws == DRAWS_MIRRORED ? -1.0f : 1.0f;
    const bool tilted = tells_ratio(words);
    const float* tilt = numbers + words[16];
    const u32 days = words[10], factors = words[11];
    const u64 paths = words[13];
    const float* own = numbers + 6u * n;
    const float* structure = numbers + words[12];
    const bool alone = dependence == 0u;
    if (n == 1u && alone && shocks < 2u && !tilted) {
        float sum = 0.0f, h = numbers[5];
        const u32 per = shocks == 1u ? 2u : 4u;
        for (u32 step = 0; step < steps; step += per) {
            const Words words4 = source(words, path, 0u, step / per, 0u);
            const u32* w = words4.w;
            float z[4];
            if (shocks == 0u) {
                normals(w[0], w[1], z[0], z[1]);
                normals(w[2], w[3], z[2], z[3]);
            } else {
                z[0] = student(w[0], w[1], own[0], own[1]);
                z[1] = student(w[2], w[3], own[0], own[1]);
            }
            for (u32 at = 0; at < per && step + at < steps; at++) {
                advance(numbers, simple, z[at] * sign, sum, h);
            }
        }
        out[thread] = simple ? sum : expm1_(sum);
        return;
    }
    const u64 rows = tilted ? n + 1u : n;
    float* ratio = out + n * paths + thread;
    float* variances = out + rows * paths + thread;
    float* shock_rows = out + (rows + n) * paths + thread;
    float* drawn = out + (rows + 2u * n + 4u) * paths + thread;
    if (tilted) *ratio = tilt[0];
    for (u32 j = 0; j < n; j++) {
        out[j * paths + thread] = 0.0f;
        variances[j * paths] = numbers[6u * j + 5u];
    }
    const u32 width = dependence == 2u ? n + factors : n;
    for (u32 step = 0; step < steps; step++) {
        if (shocks == 3u) {
            const Words words4 = source(words, path, STREAM_DAYS, step / 4u, 0u);
            const u32 day = __umulhi(words4.w[step % 4u], days);
            for (u32 j = 0; j < n; j++) shock_rows[j * paths] = own[j * days + day];
        } else {
            const bool mixed = shocks == 2u;
            const bool direct = alone && !mixed;
            float* to = direct ? shock_rows : drawn;
            const u32 per = shocks == 1u ? 2u : 4u;
            for (u32 block = 0; block * per < width; block++) {
                const Words words4 = source(words, path, 0u, step, block);
                const u32* w = words4.w;
                float z[4];
                if (shocks == 1u) {
                    z[0] = student(w[0], w[1], own[0], own[1]);
                    z[1] = student(w[2], w[3], own[0], own[1]);
                } else {
                    normals(w[0], w[1], z[0], z[1]);
                    normals(w[2], w[3], z[2], z[3]);
                }
                for (u32 at = 0; at < per; at++) to[(block * per + at) * paths] = z[at] * sign;
            }
            if (tilted) {
                float sum = *ratio;
                for (u32 place = 0; place < width; place++) {
                    const float theta = tilt[3u + step * width + place];
                    float z = to[place * paths];
                    if (draws == DRAWS_TILTED) z = z + theta;
                    to[place * paths] = z;
                    sum = fmaf(-theta, z, sum);
                }
                *ratio = sum;
            }
            if (!direct) {
                float mixing = 1.0f;
                if (mixed) {
                    const Words words4 = source(words, path, STREAM_MIXING, step / 4u, 0u);
                    mixing = table_look_up(words4.w[step % 4u], own);
                    if (draws == DRAWS_TILTED) mixing = mixing * tilt[1];
                    if (tilted) *ratio = *ratio + tilt[2] / (mixing * mixing);
                }
                for (u32 j = 0; j < n; j++) {
                    float z;
                    if (alone) {
                        z = drawn[j * paths];
                    } else if (dependence == 1u) {
                        const float* row = structure + j * (j + 1u) / 2u;
                        z = row[0] * drawn[0];
                        for (u32 k = 1; k <= j; k++) z = fmaf(row[k], drawn[k * paths], z);
                    } else {
                        z = structure[n * factors + j] * drawn[(factors + j) * paths];
                        for (u32 k = 0; k < factors; k++) {
                            z = fmaf(structure[j * factors + k], drawn[k * paths], z);
                        }
                    }
                    shock_rows[j * paths] = mixed ? z * mixing : z;
                }
            }
        }
        for (u32 j = 0; j < n; j++) {
            float sum = out[j * paths + thread], h = variances[j * paths];
            advance(numbers + 6u * j, simple, shock_rows[j * paths], sum, h);
            out[j * paths + thread] = sum;
            variances[j * paths] = h;
        }
    }
    if (!simple) {
        for (u32 j = 0; j < n; j++) out[j * paths + thread] = expm1_(out[j * paths + thread]);
    }
}
