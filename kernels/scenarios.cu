// Profits of a book, the mirror of src/compute/scenarios/formula.rs to the bit: `scenarios` a thread a scenario of
// tiles, `simulate` a thread a path. Books stand as src/compute/scenarios/gpu.rs packs them.
#include "garch_paths.cuh"

#define NONE 0xFFFFFFFFu

// Where the returns of this thread's scenario stand.
struct Returns {
    const float* numbers;
    u64 stride;
    // factors beyond stay where they are
    u32 moved;
};

__device__ inline float of(const Returns& at, u32 factor) {
    return factor < at.moved ? at.numbers[factor * at.stride] : 0.0f;
}

__device__ inline float converted(const Returns& at, float profit, u32 currency) {
    return currency == NONE ? profit : fmaf(of(at, currency), profit, profit);
}

__device__ inline float in_strikes(float m, float spread, bool call) {
    const float half = spread * 0.5f;
    const float apart = fabsf(ln_near(m)) * (1.0f / spread);
    const float near = apart - half, far = apart + half;
    const float paid = least(m, 1.0f);
    const float weight = paid * density(near * near);
    float m_near, m_far;
    mills(fabsf(near), far, m_near, m_far);
    const u32 sign = __float_as_uint(near) & 0x80000000u;
    const float whole = sign ? paid : 0.0f;
    const float inside = fmaf(__uint_as_float(__float_as_uint(weight) ^ sign), m_near, whole);
    const float out = greatest(fmaf(-weight, m_far, inside), 0.0f);
    return out + (call ? m - paid : 1.0f - paid);
}

__device__ inline float profit(const Returns& at, const u32* w, const float* f) {
    float sum = *f++;
    const u32 groups = *w++;
    for (u32 group = 0; group < groups; group++) {
        const u32 currency = w[0], terms = w[1];
        w += 2;
        float linear = 0.0f;
        for (u32 i = 0; i < terms; i++) linear = fmaf(f[i], of(at, w[i]), linear);
        w += terms;
        f += terms;
        sum = sum + converted(at, linear, currency);
    }
    const u32 squares = *w++;
    for (u32 i = 0; i < squares; i++) {
        const float r = of(at, *w++);
        sum = fmaf(*f++ * r, r, sum);
    }
    const u32 inverses = *w++;
    for (u32 i = 0; i < inverses; i++) {
        const float r = of(at, w[0]);
        const float ratio = greatest(r + 1.0f, 1e-6f);
        sum = sum + converted(at, *f++ * (r / ratio), w[1]);
        w += 2;
    }
    const u32 options = *w++;
    for (u32 i = 0; i < options; i++) {
        const float m = greatest(fmaf(of(at, w[0]), f[0], f[0]), f[0] * 1e-6f);
        float volatility = f[1];
        if (w[1] != NONE) volatility = greatest(fmaf(f[2], of(at, w[1]), volatility), 1e-4f);
        const float spread = greatest(volatility * f[3], 1e-6f);
        float value = in_strikes(m, spread, w[3] & 1u);
        if (w[3] & 2u) value = value / m;
        sum = sum + converted(at, fmaf(value, f[5], f[4] * -f[5]), w[2]);
        w += 4;
        f += 6;
    }
    return sum;
}

// words: scenarios, factors, books, and of each book where its words and its numbers begin.
extern "C" __global__ void scenarios(const u32* words, const float* numbers, float* out) {
    const u32 thread = thread_number();
    const u32 book = thread / words[0], scenario = thread % words[0];
    if (book >= words[2]) return;
    const u64 tile = (u64)(scenario / 4096u) * words[1] * 4096u + scenario % 4096u;
    const Returns at = {numbers + tile, 4096u, words[1]};
    const u32* place = words + 3u + 2u * book;
    out[thread] = profit(at, words + place[0], numbers + place[1]);
}

extern "C" __global__ void simulate(const u32* words, const float* numbers, float* out) {
    const u32 thread = thread_number();
    const u64 paths = words[13];
    if (thread >= paths) return;
    walk(words, numbers, out, thread);
    const Returns at = {out + thread, paths, words[4]};
    const u64 room = room_of(words);
    out[room * paths + thread] = profit(at, words + words[14], numbers + words[15]);
    if (tells_ratio(words)) out[(room + 1u) * paths + thread] = out[words[4] * paths + thread];
}
