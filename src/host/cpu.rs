//! Which instruction set the kernels use; chosen once at start.

/// Instruction set of the kernel twins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// Plain Rust: the meaning.
    Scalar,
    /// AVX2 with FMA.
    Avx2,
}

/// Environment variable that forces the scalar twins when set to `scalar`.
pub const SIMD_VARIABLE: &str = "BOT4_SIMD";

impl Simd {
    /// The best set of this machine, unless `BOT4_SIMD=scalar` asks for less.
    #[must_use]
    pub fn detect() -> Simd {
        if std::env::var(SIMD_VARIABLE).is_ok_and(|value| value == "scalar") {
            return Simd::Scalar;
        }
        Simd::best()
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Simd {
        let has = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("bmi2");
        if has { Simd::Avx2 } else { Simd::Scalar }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Simd {
        Simd::Scalar
    }
}

/// Whether this machine sums products of bytes four at a time (AVX-VNNI). Sums are exact, so that it changes
/// rates and no bit.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn has_byte_sums() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("avxvnni")
}

/// Whether this machine sums products of bytes four at a time: no kernel knows how on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn has_byte_sums() -> bool {
    false
}

/// Instruction-set extensions that matter here and whether this machine has them.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn features() -> Vec<(&'static str, bool)> {
    use std::is_x86_feature_detected as has;
    vec![
        ("avx2", has!("avx2")),
        ("fma", has!("fma")),
        ("bmi2", has!("bmi2")),
        ("avxvnni", has!("avxvnni")),
        ("avx512f", has!("avx512f")),
        ("sha", has!("sha")),
        ("vaes", has!("vaes")),
    ]
}

/// Instruction-set extensions that matter here: no kernel uses any on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn features() -> Vec<(&'static str, bool)> {
    Vec::new()
}
