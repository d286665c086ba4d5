// Philox4x32-10 and the numbers made of its words, the mirror of src/compute/philox/formula.rs.
//
// Entry `philox`: a thread a path. words: seed low, seed high, stream · 2^24, step, first path low and high,
// paths, places, draw (0 and 4 halves of words, 1 uniform, 2 normal, 3 Student). numbers: exponent and scale of Student's t.
// Words are right to the bit; normals and t within 3e-6 of their size.

fn philox_block(path: vec2<u32>, step: u32, last: u32, seed: vec2<u32>) -> vec4<u32> {
    var c = vec4<u32>(path.x, path.y, step, last);
    var k = seed;
    for (var round = 0; round < 10; round++) {
        let first = high_product(c.x, 0xD2511F53u);
        let second = high_product(c.z, 0xCD9E8D57u);
        c = vec4<u32>(second ^ c.y ^ k.x, c.z * 0xCD9E8D57u, first ^ c.w ^ k.y, c.x * 0xD2511F53u);
        k = k + vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

fn uniform_(word: u32) -> f32 {
    return fma(f32(word), 1.0 / 4294967296.0, 0.5 / 4294967296.0);
}

fn normals(first: u32, second: u32) -> vec2<f32> {
    let radius = sqrt(max(ln(uniform_(first)) * -2.0, 0.0));
    return radius * cosine_sine(second);
}

fn student(first: u32, second: u32, exponent: f32, scale: f32) -> f32 {
    let power = expm1(ln(uniform_(first)) * exponent);
    let radius = sqrt(max(power * scale, 0.0));
    return radius * cosine_sine(second).x;
}

// The path so many places after the first one, with its carry.
fn path_at(low: u32, high: u32, offset: u32) -> vec2<u32> {
    let sum = low + offset;
    return vec2<u32>(sum, high + select(0u, 1u, sum < low));
}

@compute @workgroup_size(64)
fn philox(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    let paths = words[6];
    let places = words[7];
    let draw = words[8];
    if thread >= paths {
        return;
    }
    let path = path_at(words[4], words[5], thread);
    let seed = vec2<u32>(words[0], words[1]);
    let per = select(4u, 2u, draw == 3u);
    for (var block = 0u; block * per < places; block++) {
        let w = philox_block(path, words[3], words[2] | block, seed);
        var n: vec4<f32>;
        if draw == 0u {
            // words as numbers: their upper halves, and as draw 4 their lower ones
            n = vec4<f32>(w >> vec4<u32>(16u));
        } else if draw == 4u {
            n = vec4<f32>(w & vec4<u32>(0xFFFFu));
        } else if draw == 1u {
            n = vec4<f32>(uniform_(w.x), uniform_(w.y), uniform_(w.z), uniform_(w.w));
        } else if draw == 2u {
            n = vec4<f32>(normals(w.x, w.y), normals(w.z, w.w));
        } else {
            let a = student(w.x, w.y, numbers[0], numbers[1]);
            let b = student(w.z, w.w, numbers[0], numbers[1]);
            n = vec4<f32>(a, b, b, b);
        }
        for (var at = 0u; at < per && block * per + at < places; at++) {
            out[(block * per + at) * paths + thread] = n[at];
        }
    }
}
