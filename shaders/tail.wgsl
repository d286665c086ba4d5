// Parts of a tail, the mirror of src/compute/tail: which key holds a rank, and what lies beyond a quantile.
//
// Entry `tail_digits`: a workgroup counts 4096 numbers by one digit of their keys, among those whose higher
// digits are known: out[group * 256 + digit]. Entry `tail_excess`: a workgroup of 32 lanes adds a block of 4096
// in the order of src/compute/reduce: out[group * 3 ..] is the sum, the sum of squares and the count.
// Counts are exact, so ranks are; sums differ from the CPU's by the rounding of a fma, 1e-6.

var<workgroup> digits: array<atomic<u32>, 256>;
var<workgroup> lanes: array<vec2<f32>, 32>;
var<workgroup> beyond_count: atomic<u32>;

// A number's place in the order of all numbers, as an integer.
fn key(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return bits ^ (bitcast<u32>(bitcast<i32>(bits) >> 31u) | 0x80000000u);
}

// words: count, shift of the digit, the known higher digits, their mask.
@compute @workgroup_size(256)
fn tail_digits(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let block = group.x + group.y * groups.x;
    atomicStore(&digits[thread], 0u);
    workgroupBarrier();
    for (var i = thread; i < 4096u; i += 256u) {
        let at = block * 4096u + i;
        if at < words[0] {
            let k = key(numbers[at]);
            if (k & words[3]) == words[2] {
                atomicAdd(&digits[(k >> words[1]) & 255u], 1u);
            }
        }
    }
    workgroupBarrier();
    if block * 4096u < words[0] {
        // below 2^24, so exact
        out[block * 256u + thread] = f32(atomicLoad(&digits[thread]));
    }
}

// words: count, the quantile's bits.
@compute @workgroup_size(32)
fn tail_excess(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group.x + group.y * groups.x;
    let quantile = bitcast<f32>(words[1]);
    if lane == 0u {
        atomicStore(&beyond_count, 0u);
    }
    workgroupBarrier();
    var sums = vec2<f32>(0.0);
    var count = 0u;
    for (var i = lane; i < 4096u; i += 32u) {
        let at = block * 4096u + i;
        if at < words[0] {
            let x = numbers[at];
            let beyond = max(quantile - x, 0.0);
            sums = vec2<f32>(sums.x + beyond, fma(beyond, beyond, sums.y));
            count += select(0u, 1u, x <= quantile);
        }
    }
    atomicAdd(&beyond_count, count);
    for (var reach = 16u; reach > 0u; reach = reach / 2u) {
        lanes[lane] = sums;
        workgroupBarrier();
        sums = sums + lanes[lane ^ reach];
        workgroupBarrier();
    }
    if lane == 0u && block * 4096u < words[0] {
        out[3u * block] = sums.x;
        out[3u * block + 1u] = sums.y;
        out[3u * block + 2u] = f32(atomicLoad(&beyond_count));
    }
}
