// Returns over several steps, the mirror of src/compute/garch_paths/formula.rs.
//
// Entry `garch_paths`: a thread a path. out holds a row a number, `paths` long: the assets' returns, then
// each thread's working numbers. Words and numbers stand as src/compute/garch_paths/gpu.rs packs them.
// Within 1e-5 of the CPU: some ten functions and a division a step, each 3e-6, over a handful of steps.

const STREAM_MIXING = 1u;
const STREAM_DAYS = 2u;
const DRAWS_MIRRORED = 1u;
const DRAWS_RATIO = 2u;
const DRAWS_TILTED = 3u;
const DRAWS_SOBOL = 4u;
const TABLE_PIECES = 528u;

fn job_assets() -> u32 { return words[4]; }
fn job_steps() -> u32 { return words[5]; }

fn tells_ratio() -> bool { return words[9] == DRAWS_RATIO || words[9] == DRAWS_TILTED; }

// Four words of a path: its own, or its point's.
fn source(path: vec2<u32>, stream: u32, step: u32, block: u32) -> vec4<u32> {
    if words[9] != DRAWS_SOBOL {
        return philox_block(path, step, (stream << 24u) | block, vec2<u32>(words[0], words[1]));
    }
    let first = select(4u * step, words[17] + step * words[18], stream == 0u) + 4u * block;
    return vec4<u32>(
        sobol_word(path, first),
        sobol_word(path, first + 1u),
        sobol_word(path, first + 2u),
        sobol_word(path, first + 3u),
    );
}

// A quantile table's number; src/compute/quantile.rs says how it is cut.
fn table_look_up(word: u32, table: u32) -> f32 {
    let distance = word ^ bitcast<u32>(bitcast<i32>(word) >> 31u);
    let bits = bitcast<u32>(f32(distance) + 0.5);
    let piece = (bits >> 19u) - (126u << 4u) + (word >> 31u) * TABLE_PIECES;
    let place = bitcast<f32>(((bits & 0x7FFFFu) << 4u) ^ 0x3F800000u) - 1.0;
    var value = numbers[table + 6u * TABLE_PIECES + piece];
    value = fma(value, place, numbers[table + 4u * TABLE_PIECES + piece]);
    value = fma(value, place, numbers[table + 2u * TABLE_PIECES + piece]);
    return fma(value, place, numbers[table + piece]);
}

// One step of asset j: its new sum and variance.
fn advance(j: u32, sum: f32, h: f32, z: f32) -> vec2<f32> {
    let at = 6u * j;
    let shock = sqrt(h) * z;
    let r = numbers[at] + shock;
    let reaction = select(numbers[at + 2u], numbers[at + 2u] + numbers[at + 3u], shock < 0.0);
    let next = fma(numbers[at + 4u], h, fma(reaction, shock * shock, numbers[at + 1u]));
    let simple = words[8] == 1u;
    return vec2<f32>(select(sum + r, fma(sum, r, sum + r), simple), next);
}

// Walks a path; its returns stand in out[j * paths + thread].
fn walk(path: vec2<u32>, paths: u32, thread: u32) {
    let n = job_assets();
    let shocks = words[6];
    let dependence = words[7];
    let draws = words[9];
    let sign = select(1.0, -1.0, draws == DRAWS_MIRRORED);
    let tilted = tells_ratio();
    let tilt = words[16];
    let days = words[10];
    let factors = words[11];
    let extra = 6u * n;
    let structure = words[12];
    let alone = dependence == 0u;
    if n == 1u && alone && shocks < 2u && !tilted {
        var sum = 0.0;
        var h = numbers[5];
        let per = select(4u, 2u, shocks == 1u);
        for (var step = 0u; step < job_steps(); step += per) {
            let w = source(path, 0u, step / per, 0u);
            var z: vec4<f32>;
            if shocks == 0u {
                z = vec4<f32>(normals(w.x, w.y), normals(w.z, w.w));
            } else {
                let a = student(w.x, w.y, numbers[extra], numbers[extra + 1u]);
                let b = student(w.z, w.w, numbers[extra], numbers[extra + 1u]);
                z = vec4<f32>(a, b, b, b);
            }
            for (var at = 0u; at < per && step + at < job_steps(); at++) {
                let moved = advance(0u, sum, h, z[at] * sign);
                sum = moved.x;
                h = moved.y;
            }
        }
        out[thread] = select(expm1(sum), sum, words[8] == 1u);
        return;
    }
    let rows = select(n, n + 1u, tilted);
    let ratio = n * paths + thread;
    let variances = rows;
    let shock_row = rows + n;
    let drawn = rows + 2u * n + 4u;
    for (var j = 0u; j < n; j++) {
        out[j * paths + thread] = 0.0;
        out[(variances + j) * paths + thread] = numbers[6u * j + 5u];
    }
    if tilted {
        out[ratio] = numbers[tilt];
    }
    let width = select(n, n + factors, dependence == 2u);
    for (var step = 0u; step < job_steps(); step++) {
        if shocks == 3u {
            let w = source(path, STREAM_DAYS, step / 4u, 0u);
            let day = high_product(w[step % 4u], days);
            for (var j = 0u; j < n; j++) {
                out[(shock_row + j) * paths + thread] = numbers[extra + j * days + day];
            }
        } else {
            let mixed = shocks == 2u;
            let direct = alone && !mixed;
            let to = select(drawn, shock_row, direct);
            let per = select(4u, 2u, shocks == 1u);
            for (var block = 0u; block * per < width; block++) {
                let w = source(path, 0u, step, block);
                var z: vec4<f32>;
                if shocks == 1u {
                    let a = student(w.x, w.y, numbers[extra], numbers[extra + 1u]);
                    let b = student(w.z, w.w, numbers[extra], numbers[extra + 1u]);
                    z = vec4<f32>(a, b, b, b);
                } else {
                    z = vec4<f32>(normals(w.x, w.y), normals(w.z, w.w));
                }
                for (var at = 0u; at < per; at++) {
                    out[(to + block * per + at) * paths + thread] = z[at] * sign;
                }
            }
            if tilted {
                for (var place = 0u; place < width; place++) {
                    let theta = numbers[tilt + 3u + step * width + place];
                    let at = (to + place) * paths + thread;
                    out[at] = out[at] + select(0.0, theta, draws == DRAWS_TILTED);
                    out[ratio] = fma(-theta, out[at], out[ratio]);
                }
            }
            if !direct {
                var mixing = 1.0;
                if mixed {
                    let w = source(path, STREAM_MIXING, step / 4u, 0u);
                    mixing = table_look_up(w[step % 4u], extra);
                    if tilted {
                        mixing = mixing * select(1.0, numbers[tilt + 1u], draws == DRAWS_TILTED);
                        out[ratio] = out[ratio] + numbers[tilt + 2u] / (mixing * mixing);
                    }
                }
                for (var j = 0u; j < n; j++) {
                    var z = 0.0;
                    if alone {
                        z = out[(drawn + j) * paths + thread];
                    } else if dependence == 1u {
                        let row = structure + j * (j + 1u) / 2u;
                        z = numbers[row] * out[drawn * paths + thread];
                        for (var k = 1u; k <= j; k++) {
                            z = fma(numbers[row + k], out[(drawn + k) * paths + thread], z);
                        }
                    } else {
                        let own = structure + n * factors;
                        z = numbers[own + j] * out[(drawn + factors + j) * paths + thread];
                        for (var k = 0u; k < factors; k++) {
                            z = fma(numbers[structure + j * factors + k], out[(drawn + k) * paths + thread], z);
                        }
                    }
                    if mixed {
                        z = z * mixing;
                    }
                    out[(shock_row + j) * paths + thread] = z;
                }
            }
        }
        for (var j = 0u; j < n; j++) {
            let at = j * paths + thread;
            let h = (variances + j) * paths + thread;
            let moved = advance(j, out[at], out[h], out[(shock_row + j) * paths + thread]);
            out[at] = moved.x;
            out[h] = moved.y;
        }
    }
    if words[8] == 0u {
        for (var j = 0u; j < n; j++) {
            out[j * paths + thread] = expm1(out[j * paths + thread]);
        }
    }
}

@compute @workgroup_size(64)
fn garch_paths(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    let paths = words[13];
    if thread >= paths {
        return;
    }
    walk(path_at(words[2], words[3], thread), paths, thread);
}
