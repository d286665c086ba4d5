// Scrambled Sobol points, the mirror of src/compute/sobol/mod.rs to the bit. Points stand at `at`: coordinates, bits
// of a point, direction numbers with their bits reversed, keys by replicate.
#pragma once

#include "philox.cuh"

__device__ inline u32 sobol_word(const u32* at, u64 path, u32 dimension) {
    const u32 dimensions = at[0], log = at[1];
    const u32* directions = at + 2 + dimension * log;
    const u32* keys = at + 2 + dimensions * log;
    u32 point = (u32)path & ((1u << log) - 1u);
    u32 x = 0;
    for (u32 bit = 0; point != 0; bit++, point >>= 1) {
        if (point & 1u) x ^= directions[bit];
    }
    const u32 key = keys[(u32)(path >> log) * dimensions + dimension];
    x ^= x * 0x3D20ADEAu;
    x = (x + key) * ((key >> 16) | 1u);
    x ^= x * 0x05526C56u;
    x ^= x * 0x53A22864u;
    x = ((x >> 1) & 0x55555555u) ^ ((x << 1) & 0xAAAAAAAAu);
    x = ((x >> 2) & 0x33333333u) ^ ((x << 2) & 0xCCCCCCCCu);
    x = ((x >> 4) & 0x0F0F0F0Fu) ^ ((x << 4) & 0xF0F0F0F0u);
    x = ((x >> 8) & 0x00FF00FFu) ^ ((x << 8) & 0xFF00FF00u);
    return (x >> 16) ^ (x << 16);
}
