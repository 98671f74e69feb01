//! What this processor can do.

use std::sync::LazyLock;

/// The instruction sets that kernels are written for. Found at run time: one binary serves all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the compiler makes of plain code.
    Plain,
    /// x86-64 with AVX2, FMA and F16C: Intel since 2013, AMD since 2015.
    Avx2,
    /// x86-64 with AVX-512 F, BW and VL: Intel since 2017, AMD since 2022.
    Avx512,
}

impl Isa {
    /// The best of this processor.
    #[must_use]
    pub fn detect() -> Self {
        static DETECTED: LazyLock<Isa> = LazyLock::new(|| {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
            {
                let avx512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl");
                return if avx512 { Isa::Avx512 } else { Isa::Avx2 };
            }
            Isa::Plain
        });
        *DETECTED
    }

    /// All that this processor can do, for tests.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Plain, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|&isa| isa <= Self::detect())
            .collect()
    }
}

/// Whether this processor multiplies pairs of bfloat16 (AVX512-BF16): twice the rate of f32.
#[must_use]
pub fn has_bf16_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Isa::detect() == Isa::Avx512 && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
