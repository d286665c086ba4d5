// Rectangles of random numbers: a thread a path. words: seed low, seed high, stream * 2^24, step, first path low
// and high, paths, places, draw (0 and 4 halves of words, 1 uniform, 2 normal, 3 Student). numbers: exponent and
// scale of Student's t.
#include "philox.cuh"

extern "C" __global__ void philox(const u32* words, const float* numbers, float* out) {
    const u32 thread = thread_number();
    const u32 paths = words[6], places = words[7], draw = words[8];
    if (thread >= paths) return;
    const u64 path = (((u64)words[5] << 32) | words[4]) + thread;
    const u32 per = draw == 3u ? 2u : 4u;
    for (u32 block = 0; block * per < places; block++) {
        const Words words4 = philox_block(path, words[3], words[2] | block, words[0], words[1]);
        const u32* w = words4.w;
        float n[4];
        if (draw == 0u || draw == 4u) {
            for (int i = 0; i < 4; i++) n[i] = (float)(draw == 0u ? w[i] >> 16 : w[i] & 0xFFFFu);
        } else if (draw == 1u) {
            for (int i = 0; i < 4; i++) n[i] = uniform(w[i]);
        } else if (draw == 2u) {
            normals(w[0], w[1], n[0], n[1]);
            normals(w[2], w[3], n[2], n[3]);
        } else {
            n[0] = student(w[0], w[1], numbers[0], numbers[1]);
            n[1] = student(w[2], w[3], numbers[0], numbers[1]);
        }
        for (u32 at = 0; at < per && block * per + at < places; at++) {
            out[(u64)(block * per + at) * paths + thread] = n[at];
        }
    }
}
