// GRU over windows, the mirror of src/compute/gru: a workgroup a sample, its threads the states.
//
// words: inputs, hidden, layers, steps, samples. numbers: windows, then each layer's weights of inputs by input
// ([input][3 · hidden]), their biases, weights of the state by state, their biases. out:
// [layer][sample][step][hidden]. Within 1e-5 of the CPU, as for lstm.

@compute @workgroup_size(64)
fn gru(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let inputs = words[0];
    let hidden = words[1];
    let steps = words[3];
    let samples = words[4];
    let sample = group.x;
    let rows = 3u * hidden;
    let layer_size = samples * steps * hidden;
    var weights = samples * steps * inputs;
    for (var layer = 0u; layer < words[2]; layer++) {
        let width = select(hidden, inputs, layer == 0u);
        let bias = weights + width * rows;
        let state = bias + rows;
        let state_bias = state + hidden * rows;
        for (var step = 0u; step < steps; step++) {
            let here = layer * layer_size + (sample * steps + step) * hidden;
            for (var j = thread; j < hidden; j += 64u) {
                var a = vec3<f32>(numbers[bias + j], numbers[bias + hidden + j], numbers[bias + 2u * hidden + j]);
                for (var k = 0u; k < width; k++) {
                    var x = 0.0;
                    if layer == 0u {
                        x = numbers[(sample * steps + step) * inputs + k];
                    } else {
                        x = out[here - layer_size + k];
                    }
                    let row = weights + k * rows + j;
                    let w = vec3<f32>(numbers[row], numbers[row + hidden], numbers[row + 2u * hidden]);
                    a = fma(w, vec3<f32>(x), a);
                }
                var b = vec3<f32>(
                    numbers[state_bias + j],
                    numbers[state_bias + hidden + j],
                    numbers[state_bias + 2u * hidden + j],
                );
                var before = 0.0;
                if step > 0u {
                    before = out[here - hidden + j];
                    for (var k = 0u; k < hidden; k++) {
                        let row = state + k * rows + j;
                        let w = vec3<f32>(numbers[row], numbers[row + hidden], numbers[row + 2u * hidden]);
                        b = fma(w, vec3<f32>(out[here - hidden + k]), b);
                    }
                }
                let r = sigmoid(a.x + b.x);
                let z = sigmoid(a.y + b.y);
                let n = tanh_(fma(r, b.z, a.z));
                out[here + j] = fma(z, before - n, n);
            }
            storageBarrier();
        }
        weights = state_bias + rows;
    }
}
