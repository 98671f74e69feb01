//! The small functions between matrix products, on plain slices.
//!
//! Written as loops that the compiler turns into vector code; [`multiversion`] compiles each once
//! for any processor and once for AVX2 with FMA, and picks at run time.

/// Defines functions that are compiled twice. In the body, `mul_add(a, b, c)` is `a * b + c`, in
/// one step where the processor has one.
macro_rules! multiversion {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? |$mul_add:ident| $body:block)*) => {
        $(
            $(#[$meta])*
            $visibility fn $name(isa: $crate::kernels::Isa, $($argument: $type),*) $(-> $result)? {
                #[inline(always)]
                fn plain($($argument: $type,)* $mul_add: impl Fn(f32, f32, f32) -> f32 + Copy) $(-> $result)? $body

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $result)? {
                    plain($($argument,)* |a, b, c| a.mul_add(b, c))
                }

                #[cfg(target_arch = "x86_64")]
                if isa.min($crate::kernels::Isa::detect()) != $crate::kernels::Isa::Plain {
                    // SAFETY: every set but the plain one has AVX2 and FMA, and this processor has it.
                    return unsafe { avx2($($argument),*) };
                }
                let _ = isa;
                plain($($argument,)* |a, b, c| a * b + c)
            }
        )*
    };
}
pub(super) use multiversion;

/// Lanes of the running sums: two vectors of eight, so that additions need not wait for each other.
const LANES: usize = 16;

/// e to the power of `x`, after Cephes' `expf`: within 2 units in the last place, and without a
/// branch. Below -87 it stays at about 1e-38.
#[inline(always)]
pub(super) fn exp(x: f32, mul_add: impl Fn(f32, f32, f32) -> f32 + Copy) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    let whole = rounded - ROUND;
    // ln 2 in two parts, the first of them with few bits, so that its multiples are exact.
    let rest = mul_add(whole, -0.693_359_4, x);
    let rest = mul_add(whole, 2.121_944_4e-4, rest);
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = mul_add(sum, rest, coefficient);
    }
    let fraction = mul_add(sum, rest * rest, rest) + 1.0;
    f32::from_bits(fraction.to_bits().wrapping_add(power << 23))
}

multiversion! {
    /// The dot product.
    pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 |mul_add| {
        let mut sums = [0.0f32; LANES];
        let (a_lanes, a_rest) = a.as_chunks::<LANES>();
        let (b_lanes, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_lanes.iter().zip(b_lanes) {
            for lane in 0..LANES {
                sums[lane] = mul_add(a[lane], b[lane], sums[lane]);
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        sums.iter().sum::<f32>() + rest
    }

    /// Root mean square normalisation (Zhang and Sennrich 2019) of rows of `weight.len()`:
    /// each row over the root of its mean square, times the weights.
    pub fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) |mul_add| {
        let width = weight.len();
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mut sums = [0.0f32; LANES];
            let (lanes, rest) = row.as_chunks::<LANES>();
            for x in lanes {
                for lane in 0..LANES {
                    sums[lane] = mul_add(x[lane], x[lane], sums[lane]);
                }
            }
            let rest: f32 = rest.iter().map(|x| x * x).sum();
            let mean = (sums.iter().sum::<f32>() + rest) / width as f32;
            let factor = 1.0 / (mean + epsilon).sqrt();
            for ((out, &x), &weight) in out.iter_mut().zip(row).zip(weight) {
                *out = x * factor * weight;
            }
        }
    }

    /// Adds `values` to each row of `rows`: a bias, or with as many values as numbers, a residual.
    pub fn add(rows: &mut [f32], values: &[f32]) |_mul_add| {
        for row in rows.chunks_exact_mut(values.len()) {
            for (x, &value) in row.iter_mut().zip(values) {
                *x += value;
            }
        }
    }

    /// Multiplies everything by `factor`.
    pub fn scale(rows: &mut [f32], factor: f32) |_mul_add| {
        for x in rows.iter_mut() {
            *x *= factor;
        }
    }

    /// `gate = silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`.
    pub fn silu_gate(gate: &mut [f32], up: &[f32]) |mul_add| {
        for (gate, &up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate, mul_add)) * up;
        }
    }

    /// `gate = gelu(gate) * up`, by the tanh approximation (Hendrycks and Gimpel 2016), with
    /// `tanh(u) = 1 - 2 / (e^2u + 1)`.
    pub fn gelu_gate(gate: &mut [f32], up: &[f32]) |mul_add| {
        const SQRT_2_OVER_PI: f32 = 0.797_884_6;
        for (gate, &up) in gate.iter_mut().zip(up) {
            let x = *gate;
            let inner = SQRT_2_OVER_PI * mul_add(0.044_715 * x * x, x, x);
            let tanh = 1.0 - 2.0 / (exp(2.0 * inner, mul_add) + 1.0);
            *gate = 0.5 * x * (1.0 + tanh) * up;
        }
    }

    /// Rotary position embedding (Su et al. 2021) of heads of `head_dim`, in the layout of
    /// GPT-NeoX: item `i` turns with item `i + cos.len()`. What is beyond `2 * cos.len()` stays.
    pub fn rotate(heads: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32]) |_mul_add| {
        let pairs = cos.len();
        for head in heads.chunks_exact_mut(head_dim) {
            let (first, second) = head[..2 * pairs].split_at_mut(pairs);
            for (((x, y), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
            }
        }
    }
}

multiversion! {
    /// The same in the layout of GPT-J, which GGUF files of the Llama family keep: item `2i` turns
    /// with item `2i + 1`.
    pub fn rotate_neighbours(heads: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32]) |_mul_add| {
        let pairs = cos.len();
        for head in heads.chunks_exact_mut(head_dim) {
            let turned = head[..2 * pairs].as_chunks_mut::<2>().0;
            for (([x, y], &cos), &sin) in turned.iter_mut().zip(cos).zip(sin) {
                (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
            }
        }
    }

    /// Keeps everything between `-cap` and `cap`: `cap * tanh(x / cap)` (Gemma 2 report, section 2).
    pub fn soft_cap(rows: &mut [f32], cap: f32) |mul_add| {
        for x in rows.iter_mut() {
            *x = cap * (1.0 - 2.0 / (exp(2.0 * (*x / cap), mul_add) + 1.0));
        }
    }

    /// Whether no number is infinite or none at all.
    pub fn all_finite(numbers: &[f32]) -> bool |_mul_add| {
        // Without a branch, so that it is vector code.
        numbers.iter().fold(true, |all, x| all & x.is_finite())
    }

    /// Adds `factor` times `values`.
    pub fn add_scaled(row: &mut [f32], values: &[f32], factor: f32) |mul_add| {
        for (x, &value) in row.iter_mut().zip(values) {
            *x = mul_add(factor, value, *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::Isa;

    fn close(a: f32, b: f64, tolerance: f64) -> bool {
        (f64::from(a) - b).abs() <= tolerance * b.abs().max(1e-6)
    }

    proptest! {
        #[test]
        fn exp_is_right_to_a_few_bits(x in -86.0f32..88.0) {
            let expected = f64::from(x).exp();
            prop_assert!(close(exp(x, |a, b, c| a * b + c), expected, 4e-7));
            prop_assert!(close(exp(x, f32::mul_add), expected, 4e-7));
        }

        #[test]
        fn gates_follow_their_formulas(
            values in prop::collection::vec((-30.0f32..30.0, -3.0f32..3.0), 1..70),
        ) {
            let (gates, ups): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            for isa in Isa::available() {
                let mut silu = gates.clone();
                silu_gate(isa, &mut silu, &ups);
                let mut gelu = gates.clone();
                gelu_gate(isa, &mut gelu, &ups);
                for i in 0..gates.len() {
                    let (x, up) = (f64::from(gates[i]), f64::from(ups[i]));
                    prop_assert!((f64::from(silu[i]) - x / (1.0 + (-x).exp()) * up).abs() < 1e-5 * (1.0 + x.abs()));
                    let tanh = ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh();
                    prop_assert!((f64::from(gelu[i]) - 0.5 * x * (1.0 + tanh) * up).abs() < 1e-5 * (1.0 + x.abs()));
                }
            }
        }

        #[test]
        fn dot_and_norm_follow_their_formulas(
            values in prop::collection::vec((-4.0f32..4.0, -4.0f32..4.0), 1..100),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let expected: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let mean = a.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / a.len() as f64;
            let factor = 1.0 / (mean + 1e-6).sqrt();
            for isa in Isa::available() {
                prop_assert!((f64::from(dot(isa, &a, &b)) - expected).abs() < 1e-3);
                let mut out = vec![0.0; a.len()];
                rms_norm(isa, &a, &b, 1e-6, &mut out);
                for i in 0..a.len() {
                    prop_assert!((f64::from(out[i]) - f64::from(a[i]) * factor * f64::from(b[i])).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn neighbours_turn_and_the_rest_stays() {
        let (sin, cos) = 0.5f32.sin_cos();
        for isa in Isa::available() {
            let mut heads = [1.0, 2.0, 7.0, 5.0, 1.0, 2.0, 7.0, 5.0];
            rotate_neighbours(isa, &mut heads, 4, &[cos], &[sin]);
            let turned = [cos - 2.0 * sin, sin + 2.0 * cos, 7.0, 5.0];
            assert_eq!(heads[..4], turned);
            assert_eq!(heads[4..], turned);
        }
    }

    #[test]
    fn a_soft_cap_follows_its_formula() {
        let given = [-400.0f32, -3.0, -0.01, 0.0, 0.5, 20.0, 1e30];
        for isa in Isa::available() {
            let mut capped = given;
            soft_cap(isa, &mut capped, 30.0);
            for (x, capped) in given.iter().zip(capped) {
                let expected = 30.0 * (f64::from(*x) / 30.0).tanh();
                assert!(
                    (f64::from(capped) - expected).abs() < 1e-5,
                    "{capped} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn rotation_turns_pairs_and_leaves_the_rest() {
        let (sin, cos) = 0.5f32.sin_cos();
        for isa in Isa::available() {
            let mut heads = [1.0, 2.0, 0.0, 5.0, 1.0, 2.0, 0.0, 5.0];
            rotate(isa, &mut heads, 4, &[cos], &[sin]);
            let turned = [cos - 2.0 * sin, sin + 2.0 * cos, 0.0, 5.0];
            assert_eq!(heads[..4], turned);
            assert_eq!(heads[4..], turned);
        }
    }
}
