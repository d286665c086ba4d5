// LSTM over windows, the mirror of src/compute/lstm to the bit: a block a sample, its threads the states. words:
// inputs, hidden, layers, steps, samples. numbers: windows, then each layer's weights by input and biases. out:
// [layer][sample][step][hidden], then c.
#include "elementary.cuh"

extern "C" __global__ void lstm(const u32* words, const float* numbers, float* out) {
    const u32 inputs = words[0], hidden = words[1], steps = words[3], samples = words[4];
    const u32 sample = blockIdx.x, rows = 4u * hidden;
    const u64 layer_size = (u64)samples * steps * hidden;
    float* cells = out + words[2] * layer_size + (u64)sample * hidden;
    const float* weights = numbers + (u64)samples * steps * inputs;
    for (u32 layer = 0; layer < words[2]; layer++) {
        const u32 width = layer == 0u ? inputs : hidden;
        const float* bias = weights + (u64)(width + hidden) * rows;
        for (u32 step = 0; step < steps; step++) {
            float* here = out + layer * layer_size + ((u64)sample * steps + step) * hidden;
            const float* below = layer == 0u ? numbers + ((u64)sample * steps + step) * inputs : here - layer_size;
            for (u32 j = threadIdx.x; j < hidden; j += blockDim.x) {
                float i = bias[j], f = bias[hidden + j], g = bias[2u * hidden + j], o = bias[3u * hidden + j];
                for (u32 k = 0; k < width + hidden; k++) {
                    const float x = k < width ? below[k] : step == 0u ? 0.0f : (here - hidden)[k - width];
                    const float* row = weights + (u64)k * rows + j;
                    i = fmaf(row[0], x, i);
                    f = fmaf(row[hidden], x, f);
                    g = fmaf(row[2u * hidden], x, g);
                    o = fmaf(row[3u * hidden], x, o);
                }
                const float before = step == 0u ? 0.0f : cells[j];
                const float cell = fmaf(sigmoid(f), before, sigmoid(i) * tanh_(g));
                cells[j] = cell;
                here[j] = sigmoid(o) * tanh_(cell);
            }
            __syncthreads();
        }
        weights = bias + rows;
    }
}
