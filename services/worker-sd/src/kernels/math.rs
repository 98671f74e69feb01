//! Functions of one number that compilers turn into vector code: without branches, tables or calls.

/// Compiles a function over slices once for each instruction set, and chooses by its first argument.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "what a loop over slices needs")]
        pub(super) fn $name(isa: $crate::kernels::isa::Isa, $($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as its caller")]
            fn body($($argument: $kind),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
            #[allow(clippy::too_many_arguments, reason = "as its caller")]
            fn avx512($($argument: $kind),*) $(-> $result)? { body($($argument),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            #[allow(clippy::too_many_arguments, reason = "as its caller")]
            fn avx2($($argument: $kind),*) $(-> $result)? { body($($argument),*) }
            match isa {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: an `Isa` is only made where the processor has it.
                $crate::kernels::isa::Isa::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::kernels::isa::Isa::Avx2 => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    };
}
pub(super) use for_each_isa;

/// Adding it to a number of moderate size rounds that to a whole one, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// The exponential function, within 2 units of the last place; what would be no normal number is the next
/// one that is. Range reduction by multiples of ln 2 in two parts and a polynomial of degree 6 (Cephes,
/// `expf`).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let count = rounded - ROUND;
    let rest = x - count * LN_2_HIGH - count * LN_2_LOW;
    let series = ((((1.987_569_1e-4 * rest + 1.398_199_9e-3) * rest + 8.333_452e-3) * rest + 4.166_579_6e-2)
        * rest
        + 0.166_666_66)
        * rest
        + 0.5;
    let value = series * (rest * rest) + rest + 1.0;
    // Two to the power of `count`: its bits are those of an exponent once the bias is added.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    value * power
}

/// `x` times the logistic function of `x`.
#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// `x` times the logistic function of `1.702 x`: OpenAI's CLIP.
#[inline(always)]
pub(super) fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// `x` times the normal distribution function of `x`, by the error function (Hendrycks and Gimpel 2016). That
/// is formula 7.1.26 of Abramowitz and Stegun, with an error below 1.5e-7.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    let scaled = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * scaled);
    let series =
        ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = series * exp(-scaled * scaled);
    let error_function = if x < 0.0 { tail - 1.0 } else { 1.0 - tail };
    0.5 * x * (1.0 + error_function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(function: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
        (0..=20_000)
            .map(|step| {
                let x = from + (to - from) * step as f32 / 20_000.0;
                let right = exact(f64::from(x));
                (f64::from(function(x)) - right).abs() / right.abs().max(1.0)
            })
            .fold(0.0, f64::max)
    }

    /// By its series and, far out, its continued fraction.
    fn error_function(x: f64) -> f64 {
        let mut sum = 0.0;
        let mut term = x;
        for step in 0..200 {
            sum += term / f64::from(2 * step + 1);
            term *= -x * x / f64::from(step + 1);
        }
        if x.abs() > 5.0 {
            x.signum()
        } else {
            sum * 2.0 / std::f64::consts::PI.sqrt()
        }
    }

    #[test]
    fn functions_are_exact_to_the_last_digits() {
        assert!(worst(exp, f64::exp, -20.0, 80.0) < 3e-7);
        assert!(worst(silu, |x| x / (1.0 + (-x).exp()), -30.0, 30.0) < 3e-7);
        assert!(worst(quick_gelu, |x| x / (1.0 + (-1.702 * x).exp()), -30.0, 30.0) < 3e-7);
        let exact = |x: f64| 0.5 * x * (1.0 + error_function(x * std::f64::consts::FRAC_1_SQRT_2));
        assert!(worst(gelu, exact, -6.0, 6.0) < 5e-7);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(exp(f32::NAN).is_nan());
        assert!(silu(f32::NAN).is_nan());
        assert!(gelu(f32::NAN).is_nan());
        assert!(exp(-1e30) < 1e-37);
    }
}
