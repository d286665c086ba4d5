// LSTM over windows, the mirror of src/compute/lstm: a workgroup a sample, its threads the states.
//
// words: inputs, hidden, layers, steps, samples. numbers: windows, then each layer's weights by input
// ([input][4 · hidden], inputs before state) and biases. out: [layer][sample][step][hidden], then c.
// Within 1e-5 of the CPU: states stay below one and a step adds some 1e-6.

@compute @workgroup_size(64)
fn lstm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let inputs = words[0];
    let hidden = words[1];
    let steps = words[3];
    let samples = words[4];
    let sample = group.x;
    let rows = 4u * hidden;
    let layer_size = samples * steps * hidden;
    let cells = words[2] * layer_size + sample * hidden;
    var weights = samples * steps * inputs;
    for (var layer = 0u; layer < words[2]; layer++) {
        let width = select(hidden, inputs, layer == 0u);
        let bias = weights + (width + hidden) * rows;
        for (var step = 0u; step < steps; step++) {
            let here = layer * layer_size + (sample * steps + step) * hidden;
            for (var j = thread; j < hidden; j += 64u) {
                var gates = vec4<f32>(
                    numbers[bias + j],
                    numbers[bias + hidden + j],
                    numbers[bias + 2u * hidden + j],
                    numbers[bias + 3u * hidden + j],
                );
                for (var k = 0u; k < width + hidden; k++) {
                    var x = 0.0;
                    if k >= width {
                        if step > 0u {
                            x = out[here - hidden + k - width];
                        }
                    } else if layer == 0u {
                        x = numbers[(sample * steps + step) * inputs + k];
                    } else {
                        x = out[here - layer_size + k];
                    }
                    let row = weights + k * rows + j;
                    let w = vec4<f32>(
                        numbers[row],
                        numbers[row + hidden],
                        numbers[row + 2u * hidden],
                        numbers[row + 3u * hidden],
                    );
                    gates = fma(w, vec4<f32>(x), gates);
                }
                var before = 0.0;
                if step > 0u {
                    before = out[cells + j];
                }
                let cell = fma(sigmoid(gates.y), before, sigmoid(gates.x) * tanh_(gates.z));
                out[cells + j] = cell;
                out[here + j] = sigmoid(gates.w) * tanh_(cell);
            }
            storageBarrier();
        }
        weights = bias + rows;
    }
}
