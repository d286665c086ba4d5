// What a device can do at most: multiply-adds in registers, and reading its memory.
//
// Entry `limits_operations`: words: steps; numbers: factor and summand. Entry `limits_read`: words: numbers,
// threads, rounds. Every thread writes a sum, so that no work can be left out.

@compute @workgroup_size(64)
fn limits_operations(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    let factor = vec4<f32>(numbers[0]);
    let summand = vec4<f32>(numbers[1]);
    var a = vec4<f32>(f32(thread));
    var b = a + 1.0;
    for (var step = 0u; step < words[0]; step++) {
        a = fma(a, factor, summand);
        b = fma(b, factor, summand);
    }
    let sum = a + b;
    out[thread] = sum.x + sum.y + sum.z + sum.w;
}

@compute @workgroup_size(64)
fn limits_read(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    var sum = 0.0;
    for (var round = 0u; round < words[2]; round++) {
        for (var at = thread; at < words[0]; at += words[1]) {
            sum = sum + numbers[at];
        }
        sum = sum * 0.5;
    }
    out[thread] = sum;
}
