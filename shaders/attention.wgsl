// Attention of queries over windows, the mirror of src/compute/attention: a workgroup of 32 lanes a query.
//
// words: steps, hidden, queries. numbers: [query][steps][hidden] states, then [query][hidden]. out: weights and
// context of each query. Within 1e-5 of the CPU: scores of some ten err by 3e-6.

var<workgroup> attention_lanes: array<f32, 32>;

fn attention_fold(value: f32, lane: u32) -> f32 {
    var sum = value;
    for (var reach = 16u; reach > 0u; reach = reach / 2u) {
        attention_lanes[lane] = sum;
        workgroupBarrier();
        sum = sum + attention_lanes[lane ^ reach];
        workgroupBarrier();
    }
    return sum;
}

@compute @workgroup_size(32)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let steps = words[0];
    let hidden = words[1];
    let states = group.x * steps * hidden;
    let query = words[2] * steps * hidden + group.x * hidden;
    let weights = group.x * (steps + hidden);
    let scale = 1.0 / sqrt(f32(hidden));
    var most = -3.4e38;
    for (var step = 0u; step < steps; step++) {
        var sum = 0.0;
        for (var i = lane; i < hidden; i += 32u) {
            sum = fma(numbers[states + step * hidden + i], numbers[query + i], sum);
        }
        let score = attention_fold(sum, lane) * scale;
        most = max(most, score);
        if step % 32u == lane {
            out[weights + step] = score;
        }
    }
    var sum = 0.0;
    for (var step = lane; step < steps; step += 32u) {
        let weight = exp_(out[weights + step] - most);
        out[weights + step] = weight;
        sum = sum + weight;
    }
    let total = attention_fold(sum, lane);
    for (var step = lane; step < steps; step += 32u) {
        out[weights + step] = out[weights + step] / total;
    }
    storageBarrier();
    for (var j = lane; j < hidden; j += 32u) {
        var context = 0.0;
        for (var step = 0u; step < steps; step++) {
            context = fma(out[weights + step], numbers[states + step * hidden + j], context);
        }
        out[weights + steps + j] = context;
    }
}
