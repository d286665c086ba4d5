// What a kernel uses of CUDA, on a CPU: so that g++ compiles the very sources that NVRTC does, and a test runs
// them beside their scalar twins where there is no GPU. A thread of a block is a thread of the machine; blocks come
// one after the other. For checking logic, never for speed.
#pragma once

#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#define __global__
#define __device__
// one block at a time, so that what a block shares may be static
#define __shared__ static

struct Dimensions {
    unsigned x, y;
};

inline thread_local Dimensions threadIdx, blockIdx;
inline Dimensions blockDim, gridDim;
inline std::barrier<>* block_barrier = nullptr;

inline void __syncthreads() { block_barrier->arrive_and_wait(); }

inline unsigned atomicAdd(unsigned* at, unsigned by) {
    return std::atomic_ref<unsigned>(*at).fetch_add(by);
}

inline unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline float __uint2float_rn(unsigned x) { return (float)x; }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }

typedef void (*Kernel)(const unsigned*, const float*, float*);

// Runs every block of a grid. Threads that wait for each other run side by side, others one after the other.
inline void run(Kernel kernel, bool waits, unsigned columns, unsigned rows, unsigned threads,
                const unsigned* words, const float* numbers, float* out) {
    blockDim = {threads, 1};
    gridDim = {columns, rows};
    for (unsigned y = 0; y < rows; y++) {
        for (unsigned x = 0; x < columns; x++) {
            std::barrier<> barrier(waits ? threads : 1);
            block_barrier = &barrier;
            auto one = [&](unsigned thread) {
                threadIdx = {thread, 0};
                blockIdx = {x, y};
                kernel(words, numbers, out);
            };
            if (!waits) {
                for (unsigned thread = 0; thread < threads; thread++) one(thread);
                continue;
            }
            std::vector<std::thread> crew;
            for (unsigned thread = 0; thread < threads; thread++) crew.emplace_back(one, thread);
            for (auto& member : crew) member.join();
        }
    }
}
