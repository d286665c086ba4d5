// GRU over windows, the mirror of src/compute/gru to the bit: a block a sample, its threads the states. words:
// inputs, hidden, layers, steps, samples. numbers: windows, then each layer's weights of inputs by input, their
// biases, weights of the state by state, their biases. out: [layer][sample][step][hidden].
#include "elementary.cuh"

extern "C" __global__ void gru(const u32* words, const float* numbers, float* out) {
    const u32 inputs = words[0], hidden = words[1], steps = words[3], samples = words[4];
    const u32 sample = blockIdx.x, rows = 3u * hidden;
    const u64 layer_size = (u64)samples * steps * hidden;
    const float* weights = numbers + (u64)samples * steps * inputs;
    for (u32 layer = 0; layer < words[2]; layer++) {
        const u32 width = layer == 0u ? inputs : hidden;
        const float* bias = weights + (u64)width * rows;
        const float* state = bias + rows;
        const float* state_bias = state + (u64)hidden * rows;
        for (u32 step = 0; step < steps; step++) {
            float* here = out + layer * layer_size + ((u64)sample * steps + step) * hidden;
            const float* below = layer == 0u ? numbers + ((u64)sample * steps + step) * inputs : here - layer_size;
            for (u32 j = threadIdx.x; j < hidden; j += blockDim.x) {
                float ar = bias[j], az = bias[hidden + j], an = bias[2u * hidden + j];
                for (u32 k = 0; k < width; k++) {
                    const float* row = weights + (u64)k * rows + j;
                    ar = fmaf(row[0], below[k], ar);
                    az = fmaf(row[hidden], below[k], az);
                    an = fmaf(row[2u * hidden], below[k], an);
                }
                float br = state_bias[j], bz = state_bias[hidden + j], bn = state_bias[2u * hidden + j];
                for (u32 k = 0; k < hidden; k++) {
                    const float x = step == 0u ? 0.0f : (here - hidden)[k];
                    const float* row = state + (u64)k * rows + j;
                    br = fmaf(row[0], x, br);
                    bz = fmaf(row[hidden], x, bz);
                    bn = fmaf(row[2u * hidden], x, bn);
                }
                const float before = step == 0u ? 0.0f : (here - hidden)[j];
                const float r = sigmoid(ar + br);
                const float z = sigmoid(az + bz);
                const float n = tanh_(fmaf(r, bn, an));
                here[j] = fmaf(z, before - n, n);
            }
            __syncthreads();
        }
        weights = state_bias + rows;
    }
}
