// Elementary functions in f32, the mirror of src/compute/elementary.rs.
//
// Words have the CPU's bits. Numbers have not: WGSL allows a division 2.5 ulp and lets fma round twice, so
// that every function here is within 3e-6 of its CPU twin, relative to the greater of the result and one.
// One module holds every kernel: words and numbers of the job come in, numbers go out.

@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const LN2_HIGH = 0.69314575;
const LN2_LOW = 1.4286068e-6;
const LOG2_E = 1.4426950;
const ROUNDER = 12582912.0;
const ROOT_HALF = 0x3F3504F3u;
const MILLS_SCALE = 0.305;
const DENSITY_MIN = -120.0;
const EXP_MIN = -104.0;
const EXP_MAX = 89.0;

fn ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let exponent = bitcast<i32>(bits - ROOT_HALF) >> 23u;
    let mantissa = bitcast<f32>(bits - (bitcast<u32>(exponent) << 23u));
    let f = mantissa - 1.0;
    let square = f * f;
    var p = -7.6369e-2;
    p = fma(p, f, 1.2762468e-1);
    p = fma(p, f, -1.3159554e-1);
    p = fma(p, f, 1.4201541e-1);
    p = fma(p, f, -1.662341e-1);
    p = fma(p, f, 2.0001243e-1);
    p = fma(p, f, -2.500082e-1);
    p = fma(p, f, 3.333333e-1);
    let rest = fma(p, square * f, square * -0.5);
    let k = f32(exponent);
    return fma(k, LN2_HIGH, f + fma(k, LN2_LOW, rest));
}

fn ln_near(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let exponent = bitcast<i32>(bits - ROOT_HALF) >> 23u;
    let f = bitcast<f32>(bits - (bitcast<u32>(exponent) << 23u)) - 1.0;
    var p = -1.0385407e-1;
    p = fma(p, f, 1.6363761e-1);
    p = fma(p, f, -1.7219432e-1);
    p = fma(p, f, 1.9880041e-1);
    p = fma(p, f, -2.497054e-1);
    p = fma(p, f, 3.3335832e-1);
    p = fma(p, f, -5.0000376e-1);
    p = fma(p, f, 9.999999e-1);
    return fma(f32(exponent), LN2_HIGH + LN2_LOW, p * f);
}

struct Reduced {
    n: i32,
    r: f32,
}

fn reduced(x: f32) -> Reduced {
    let within = min(max(x, EXP_MIN), EXP_MAX);
    // a compiler may see through the rounder's trick; this rounds to even by itself
    let n = round(within * LOG2_E);
    let r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, within));
    return Reduced(i32(n), r);
}

fn expm1_polynomial(r: f32) -> f32 {
    var p = 1.3870274e-3;
    p = fma(p, r, 8.366251e-3);
    p = fma(p, r, 4.166744e-2);
    p = fma(p, r, 1.6666546e-1);
    p = fma(p, r, 4.9999997e-1);
    return fma(p, r * r, r);
}

fn power_of_two(n: i32) -> f32 {
    return bitcast<f32>(u32(n + 127) << 23u);
}

fn exp_(x: f32) -> f32 {
    let a = reduced(x);
    let p = expm1_polynomial(a.r) + 1.0;
    let half = a.n >> 1u;
    return p * power_of_two(half) * power_of_two(a.n - half);
}

fn expm1(x: f32) -> f32 {
    let a = reduced(max(x, -87.0));
    let p = expm1_polynomial(a.r);
    let scale = power_of_two(a.n);
    return fma(scale, p, scale - 1.0);
}

fn cosine_sine(word: u32) -> vec2<f32> {
    let quadrant = (word + (1u << 29u)) >> 30u;
    let x = f32(bitcast<i32>(word - (quadrant << 30u))) * (1.0 / 536870912.0);
    let square = x * x;
    var s = -3.6592763e-5;
    s = fma(s, square, 2.4909931e-3);
    s = fma(s, square, -8.074582e-2);
    s = fma(s, square, 7.853982e-1);
    let sine = s * x;
    var c = -3.189921e-4;
    c = fma(c, square, 1.585016e-2);
    c = fma(c, square, -3.084244e-1);
    let cosine = fma(c, square, 1.0);
    let odd = (quadrant & 1u) == 1u;
    let a = select(cosine, sine, odd);
    let b = select(sine, cosine, odd);
    let c_sign = ((quadrant + 1u) << 30u) & 0x80000000u;
    let s_sign = (quadrant << 30u) & 0x80000000u;
    return vec2<f32>(bitcast<f32>(bitcast<u32>(a) ^ c_sign), bitcast<f32>(bitcast<u32>(b) ^ s_sign));
}

fn density(square: f32) -> f32 {
    let power = max(square * (-0.5 * LOG2_E), DENSITY_MIN);
    let n = round(power);
    let r = power - n;
    var p = 5.3609314e-4;
    p = fma(p, r, 3.8615293e-3);
    p = fma(p, r, 2.2142228e-2);
    p = fma(p, r, 9.5833994e-2);
    p = fma(p, r, 2.7652574e-1);
    p = fma(p, r, 3.9894232e-1);
    return p * power_of_two(i32(n));
}

fn mills_polynomial(t: f32) -> f32 {
    var p = 9.198871e-2;
    p = fma(p, t, -3.834747e-1);
    p = fma(p, t, 4.6550632e-1);
    p = fma(p, t, -9.517866e-2);
    p = fma(p, t, 3.0334857e-1);
    p = fma(p, t, 2.5923997e-1);
    p = fma(p, t, 3.0697843e-1);
    p = fma(p, t, 3.0490562e-1);
    return p * t;
}

// Of two numbers that are not negative.
fn mills(a: f32, b: f32) -> vec2<f32> {
    let x = fma(a, MILLS_SCALE, 1.0);
    let y = fma(b, MILLS_SCALE, 1.0);
    let inverse = 1.0 / (x * y);
    return vec2<f32>(mills_polynomial(inverse * y), mills_polynomial(inverse * x));
}

fn tanh_(x: f32) -> f32 {
    let e = expm1(abs(x) * -2.0);
    let magnitude = (0.0 - e) / (e + 2.0);
    let sign = bitcast<u32>(x) & 0x80000000u;
    return bitcast<f32>(bitcast<u32>(magnitude) ^ sign);
}

fn sigmoid(x: f32) -> f32 {
    let e = exp_(min(0.0 - x, 88.0));
    return 1.0 / (1.0 + e);
}

// Upper half of a 64-bit product: WGSL multiplies 32 bits, so it is put together from halves of 16.
fn high_product(a: u32, b: u32) -> u32 {
    let al = a & 0xFFFFu;
    let ah = a >> 16u;
    let bl = b & 0xFFFFu;
    let bh = b >> 16u;
    let low = al * bl;
    let first = ah * bl + (low >> 16u);
    let second = al * bh + (first & 0xFFFFu);
    return ah * bh + (first >> 16u) + (second >> 16u);
}
