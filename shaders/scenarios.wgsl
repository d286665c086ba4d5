// Profits of a book, the mirror of src/compute/scenarios/formula.rs.
//
// Entry `scenarios`: a thread a scenario of tiles; entry `simulate`: a thread a path, walked and then valued.
// The book stands at words[book] and numbers[book_numbers] as src/compute/scenarios/gpu.rs packs it. Within
// 2e-5 of the CPU relative to the sum of all positions' sizes: an option's value errs by some 1e-6 of its
// forward, a return by 1e-5.

const NONE = 0xFFFFFFFFu;
const RATIO_MIN = 1e-6;
const SPREAD_MIN = 1e-6;
const VOLATILITY_MIN = 1e-4;

// Where the returns of this thread's scenario stand: in numbers (a tile) or in out (a walked path).
struct Where {
    base: u32,
    stride: u32,
    walked: bool,
    moved: u32,
}

fn return_of(at: Where, factor: u32) -> f32 {
    if at.walked {
        // factors that no asset moves stay where they are
        if factor >= at.moved {
            return 0.0;
        }
        return out[factor * at.stride + at.base];
    }
    return numbers[factor * at.stride + at.base];
}

fn converted(at: Where, profit: f32, currency: u32) -> f32 {
    if currency == NONE {
        return profit;
    }
    return fma(return_of(at, currency), profit, profit);
}

fn in_strikes(m: f32, spread: f32, call: bool) -> f32 {
    let half = spread * 0.5;
    let apart = abs(ln_near(m)) * (1.0 / spread);
    let near = apart - half;
    let far = apart + half;
    let paid = min(m, 1.0);
    let weight = paid * density(near * near);
    let both = mills(abs(near), far);
    let inside = select(weight * both.x, paid - weight * both.x, near < 0.0);
    let beyond = max(inside - weight * both.y, 0.0);
    return beyond + select(1.0 - paid, m - paid, call);
}

fn profit(at: Where, book: u32, book_numbers: u32) -> f32 {
    var w = book;
    var f = book_numbers;
    var sum = numbers[f];
    f += 1u;
    let groups = words[w];
    w += 1u;
    for (var group = 0u; group < groups; group++) {
        let currency = words[w];
        let terms = words[w + 1u];
        w += 2u;
        var linear = 0.0;
        for (var i = 0u; i < terms; i++) {
            linear = fma(numbers[f + i], return_of(at, words[w + i]), linear);
        }
        w += terms;
        f += terms;
        sum = sum + converted(at, linear, currency);
    }
    let squares = words[w];
    w += 1u;
    for (var i = 0u; i < squares; i++) {
        let r = return_of(at, words[w]);
        sum = fma(numbers[f] * r, r, sum);
        w += 1u;
        f += 1u;
    }
    let inverses = words[w];
    w += 1u;
    for (var i = 0u; i < inverses; i++) {
        let r = return_of(at, words[w]);
        let ratio = max(r + 1.0, RATIO_MIN);
        sum = sum + converted(at, numbers[f] * (r / ratio), words[w + 1u]);
        w += 2u;
        f += 1u;
    }
    let options = words[w];
    w += 1u;
    for (var i = 0u; i < options; i++) {
        let m = max(fma(return_of(at, words[w]), numbers[f], numbers[f]), numbers[f] * RATIO_MIN);
        var volatility = numbers[f + 1u];
        if words[w + 1u] != NONE {
            volatility = max(fma(numbers[f + 2u], return_of(at, words[w + 1u]), volatility), VOLATILITY_MIN);
        }
        let spread = max(volatility * numbers[f + 3u], SPREAD_MIN);
        var value = in_strikes(m, spread, (words[w + 3u] & 1u) == 1u);
        if (words[w + 3u] & 2u) == 2u {
            value = value / m;
        }
        sum = sum + converted(at, fma(value, numbers[f + 5u], numbers[f + 4u] * -numbers[f + 5u]), words[w + 2u]);
        w += 4u;
        f += 6u;
    }
    return sum;
}

// words: scenarios, factors, books, and of each book where its words and its numbers begin.
@compute @workgroup_size(64)
fn scenarios(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    let book = thread / words[0];
    let scenario = thread % words[0];
    if book >= words[2] {
        return;
    }
    let tile = scenario / 4096u;
    let at = Where(tile * words[1] * 4096u + scenario % 4096u, 4096u, false, 0u);
    out[thread] = profit(at, words[3u + 2u * book], words[4u + 2u * book]);
}

// words: a job as for `garch_paths`, with the book's beginnings in 14 and 15; profits stand in the row behind
// the working numbers.
@compute @workgroup_size(64)
fn simulate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = id.x + id.y * groups.x * 64u;
    let paths = words[13];
    if thread >= paths {
        return;
    }
    walk(path_at(words[2], words[3], thread), paths, thread);
    let at = Where(thread, paths, true, job_assets());
    let n = job_assets();
    let row = 3u * n + 8u + select(n, n + words[11], words[7] == 2u) + select(0u, 1u, tells_ratio());
    out[row * paths + thread] = profit(at, words[14], words[15]);
    if tells_ratio() {
        out[(row + 1u) * paths + thread] = out[n * paths + thread];
    }
}
