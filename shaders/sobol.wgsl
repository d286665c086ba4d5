// Scrambled Sobol points, the mirror of src/compute/sobol/mod.rs to the bit. Points stand at words[SOBOL]:
// coordinates, bits of a point, direction numbers with their bits reversed, keys by replicate.

const SOBOL = 19u;

fn sobol_word(path: vec2<u32>, dimension: u32) -> u32 {
    let dimensions = words[SOBOL];
    let log = words[SOBOL + 1u];
    let directions = SOBOL + 2u + dimension * log;
    let keys = SOBOL + 2u + dimensions * log;
    var point = path.x & ((1u << log) - 1u);
    var x = 0u;
    for (var bit = 0u; point != 0u; bit++) {
        if (point & 1u) == 1u {
            x ^= words[directions + bit];
        }
        point = point >> 1u;
    }
    let replicate = (path.x >> log) | (path.y << (32u - log));
    let key = words[keys + replicate * dimensions + dimension];
    x ^= x * 0x3D20ADEAu;
    x = (x + key) * ((key >> 16u) | 1u);
    x ^= x * 0x05526C56u;
    x ^= x * 0x53A22864u;
    return reverseBits(x);
}
