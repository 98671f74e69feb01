//! One row of weights times a few rows of activations, 256 bits at a time.
//!
//! The formats that common files are made of have kernels of their own; the others are taken out
//! of their blocks by plain code first. AVX2 and VNNI differ in two small steps, [`Steps`].

use std::arch::x86_64::*;

use rbee_artifacts::gguf::GgmlType;

use crate::kernels::Isa;
use crate::kernels::activations::QuantisedRow;
use crate::kernels::blocks::{self, BlockFormat, MAX_BLOCK_GROUPS, MAX_BLOCK_ITEMS};
use crate::kernels::rows::no_kernel;

/// The dot products of one row with each of `x`. The caller has checked that lengths fit.
pub(in crate::kernels) fn dots_avx2<const N: usize>(
    kind: GgmlType,
    row: &[u8],
    x: [QuantisedRow<'_>; N],
) -> [f32; N] {
    assert!(Isa::detect() >= Isa::Avx2);
    // SAFETY: the processor has the instructions.
    unsafe { with_avx2(kind, row, x) }
}

/// The dot products of one row with each of `x`. The caller has checked that lengths fit.
pub(in crate::kernels) fn dots_vnni<const N: usize>(
    kind: GgmlType,
    row: &[u8],
    x: [QuantisedRow<'_>; N],
) -> [f32; N] {
    assert!(Isa::detect() == Isa::Avx512Vnni);
    // SAFETY: the processor has the instructions.
    unsafe { with_vnni(kind, row, x) }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn with_avx2<const N: usize>(kind: GgmlType, row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: the caller's promise.
    unsafe { dots::<Avx2, N>(kind, row, x) }
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn with_vnni<const N: usize>(kind: GgmlType, row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: the caller's promise.
    unsafe { dots::<Vnni, N>(kind, row, x) }
}

/// What AVX2 and VNNI do differently. All of it needs the instructions that its name says.
trait Steps {
    /// Sums of products, four by four, of codes up to 127 and signed values.
    unsafe fn dot(codes: __m256i, values: __m256i) -> __m256i;
    /// Adds 16 to the codes whose bit is set.
    unsafe fn add_fifth_bits(codes: __m256i, bits: u32) -> __m256i;
}

struct Avx2;
struct Vnni;

impl Steps for Avx2 {
    #[inline(always)]
    unsafe fn dot(codes: __m256i, values: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_madd_epi16(_mm256_maddubs_epi16(codes, values), _mm256_set1_epi16(1)) }
    }

    #[inline(always)]
    unsafe fn add_fifth_bits(codes: __m256i, bits: u32) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            // Each byte gets the byte of its bit, and everything but that bit set.
            let spread = _mm256_shuffle_epi8(
                _mm256_set1_epi32(bits.cast_signed()),
                _mm256_set_epi64x(
                    0x0303_0303_0303_0303,
                    0x0202_0202_0202_0202,
                    0x0101_0101_0101_0101,
                    0,
                ),
            );
            let others = _mm256_set1_epi64x(0x7fbf_dfef_f7fb_fdfe);
            let set = _mm256_cmpeq_epi8(_mm256_or_si256(spread, others), _mm256_set1_epi8(-1));
            _mm256_or_si256(codes, _mm256_and_si256(set, _mm256_set1_epi8(16)))
        }
    }
}

impl Steps for Vnni {
    #[inline(always)]
    unsafe fn dot(codes: __m256i, values: __m256i) -> __m256i {
        // SAFETY: the caller has AVX-512 VNNI and VL.
        unsafe { _mm256_dpbusd_epi32(_mm256_setzero_si256(), codes, values) }
    }

    #[inline(always)]
    unsafe fn add_fifth_bits(codes: __m256i, bits: u32) -> __m256i {
        // SAFETY: the caller has AVX-512 BW and VL.
        unsafe { _mm256_mask_add_epi8(codes, bits, codes, _mm256_set1_epi8(16)) }
    }
}

/// # Safety
/// The instructions of `S`, AVX2, FMA and F16C must be there.
#[inline(always)]
unsafe fn dots<S: Steps, const N: usize>(kind: GgmlType, row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            GgmlType::Q8_0 => q8_0::<S, N>(row, x),
            GgmlType::Q5_0 => q5_0::<S, N>(row, x),
            GgmlType::Q4_K => q4_k::<S, N>(row, x),
            GgmlType::Q6_K => q6_k::<S, N>(row, x),
            GgmlType::Q4_0 => unpacked::<blocks::Q4_0, S, N>(row, x),
            GgmlType::Q4_1 => unpacked::<blocks::Q4_1, S, N>(row, x),
            GgmlType::Q5_1 => unpacked::<blocks::Q5_1, S, N>(row, x),
            GgmlType::Q2_K => unpacked::<blocks::Q2K, S, N>(row, x),
            GgmlType::Q3_K => unpacked::<blocks::Q3K, S, N>(row, x),
            GgmlType::Q5_K => unpacked::<blocks::Q5K, S, N>(row, x),
            _ => no_kernel(kind),
        }
    }
}

/// Reads a 16-bit float.
#[inline(always)]
unsafe fn half(place: *const u8) -> f32 {
    // SAFETY: the caller has F16C and two bytes to read.
    unsafe {
        let bits = place.cast::<u16>().read_unaligned();
        _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
    }
}

/// Reads 32 bytes.
#[inline(always)]
unsafe fn load(place: *const u8) -> __m256i {
    // SAFETY: the caller has AVX2 and 32 bytes to read.
    unsafe { _mm256_loadu_si256(place.cast()) }
}

/// The sum of the eight lanes.
#[inline(always)]
unsafe fn across(lanes: __m256) -> f32 {
    // SAFETY: the caller has AVX2.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

#[inline(always)]
unsafe fn q8_0<S: Steps, const N: usize>(row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: block and group `b` exist: there are as many groups as blocks in the row.
    unsafe {
        let mut totals = [_mm256_setzero_ps(); N];
        for b in 0..row.len() / 34 {
            let block = row.as_ptr().add(b * 34);
            let scale = half(block);
            let weights = load(block.add(2));
            // The sign moves to the other factor. -128 becomes 128, which is right as unsigned;
            // values are -127 to 127, so pairs fit 16 bits.
            let magnitudes = _mm256_abs_epi8(weights);
            for n in 0..N {
                let values = _mm256_sign_epi8(load(x[n].values.as_ptr().add(b * 32).cast()), weights);
                let dot = _mm256_cvtepi32_ps(S::dot(magnitudes, values));
                let scale = scale * *x[n].scales.as_ptr().add(b);
                totals[n] = _mm256_fmadd_ps(_mm256_set1_ps(scale), dot, totals[n]);
            }
        }
        totals.map(|total| across(total))
    }
}

#[inline(always)]
unsafe fn q5_0<S: Steps, const N: usize>(row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: block and group `b` exist: there are as many groups as blocks in the row.
    unsafe {
        let mut totals = [_mm256_setzero_ps(); N];
        let mut offsets = [0.0f32; N];
        for b in 0..row.len() / 22 {
            let block = row.as_ptr().add(b * 22);
            let scale = half(block);
            let bits = block.add(2).cast::<u32>().read_unaligned();
            let packed = _mm_loadu_si128(block.add(6).cast());
            let nibbles = _mm256_set_m128i(_mm_srli_epi16::<4>(packed), packed);
            let codes = S::add_fifth_bits(_mm256_and_si256(nibbles, _mm256_set1_epi8(15)), bits);
            for n in 0..N {
                let values = load(x[n].values.as_ptr().add(b * 32).cast());
                let dot = _mm256_cvtepi32_ps(S::dot(codes, values));
                let both = scale * *x[n].scales.as_ptr().add(b);
                totals[n] = _mm256_fmadd_ps(_mm256_set1_ps(both), dot, totals[n]);
                offsets[n] = scale.mul_add(*x[n].sums.as_ptr().add(b), offsets[n]);
            }
        }
        std::array::from_fn(|n| across(totals[n]) - 16.0 * offsets[n])
    }
}

#[inline(always)]
unsafe fn q4_k<S: Steps, const N: usize>(row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: block `b` exists, and in each row of `x` its eight groups of 32.
    unsafe {
        let low = _mm256_set1_epi8(15);
        let mut totals = [_mm256_setzero_ps(); N];
        let mut offsets = [_mm256_setzero_ps(); N];
        for b in 0..row.len() / 144 {
            let block = row.as_ptr().add(b * 144);
            let (scales, minimums) = q4_k_scales(block);
            let factors: [__m256; N] = std::array::from_fn(|n| {
                _mm256_mul_ps(scales, _mm256_loadu_ps(x[n].scales.as_ptr().add(b * 8)))
            });
            for n in 0..N {
                let sums = _mm256_loadu_ps(x[n].sums.as_ptr().add(b * 8));
                offsets[n] = _mm256_fmadd_ps(minimums, sums, offsets[n]);
            }
            for pair in 0..4 {
                let packed = load(block.add(16 + pair * 32));
                let codes = [
                    _mm256_and_si256(packed, low),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low),
                ];
                for (half, codes) in codes.into_iter().enumerate() {
                    let group = pair * 2 + half;
                    for n in 0..N {
                        let values = load(x[n].values.as_ptr().add(b * 256 + group * 32).cast());
                        let dot = _mm256_cvtepi32_ps(S::dot(codes, values));
                        let factor = _mm256_permutevar8x32_ps(factors[n], _mm256_set1_epi32(group as i32));
                        totals[n] = _mm256_fmadd_ps(factor, dot, totals[n]);
                    }
                }
            }
        }
        std::array::from_fn(|n| across(_mm256_sub_ps(totals[n], offsets[n])))
    }
}

/// The eight scales and the eight minimums of a block of Q4_K.
#[inline(always)]
unsafe fn q4_k_scales(block: *const u8) -> (__m256, __m256) {
    // SAFETY: the caller has AVX2 and a whole block.
    unsafe {
        let word = |index: usize| block.add(4 + index * 4).cast::<u32>().read_unaligned();
        let (first, second, third) = (word(0), word(1), word(2));
        // Four six-bit numbers in the low bits of each of two words; of the other eight, the low
        // four bits in the third word and the high two on top of the first two.
        let codes = u64::from(first & 0x3f3f_3f3f)
            | u64::from((third & 0x0f0f_0f0f) | ((first >> 2) & 0x3030_3030)) << 32;
        let minimum_codes = u64::from(second & 0x3f3f_3f3f)
            | u64::from(((third >> 4) & 0x0f0f_0f0f) | ((second >> 2) & 0x3030_3030)) << 32;
        let floats =
            |codes: u64| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(codes.cast_signed())));
        (
            _mm256_mul_ps(_mm256_set1_ps(half(block)), floats(codes)),
            _mm256_mul_ps(_mm256_set1_ps(half(block.add(2))), floats(minimum_codes)),
        )
    }
}

#[inline(always)]
unsafe fn q6_k<S: Steps, const N: usize>(row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    // SAFETY: block `b` exists, and in each row of `x` its eight groups of 32 and sixteen halves.
    unsafe {
        let low = _mm256_set1_epi8(15);
        let high = _mm256_set1_epi8(0x30);
        let mut totals = [_mm256_setzero_ps(); N];
        let mut offsets = [_mm256_setzero_ps(); N];
        for b in 0..row.len() / 210 {
            let block = row.as_ptr().add(b * 210);
            let scale = _mm256_set1_ps(half(block.add(208)));
            for part in 0..2 {
                let bytes = _mm_loadl_epi64(block.add(192 + part * 8).cast());
                let scales = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
                // One scale of activations for two of weights.
                let twice = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);
                let factors: [__m256; N] = std::array::from_fn(|n| {
                    let four = _mm_loadu_ps(x[n].scales.as_ptr().add(b * 8 + part * 4));
                    _mm256_mul_ps(
                        scales,
                        _mm256_permutevar8x32_ps(_mm256_castps128_ps256(four), twice),
                    )
                });
                for n in 0..N {
                    let sums = _mm256_loadu_ps(x[n].half_sums.as_ptr().add(b * 16 + part * 8));
                    offsets[n] = _mm256_fmadd_ps(scales, sums, offsets[n]);
                }
                let first = load(block.add(part * 64));
                let second = load(block.add(part * 64 + 32));
                let tops = load(block.add(128 + part * 32));
                let codes = [
                    (first, _mm256_slli_epi16::<4>(tops)),
                    (second, _mm256_slli_epi16::<2>(tops)),
                    (_mm256_srli_epi16::<4>(first), tops),
                    (_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(tops)),
                ];
                for (group, (bottom, top)) in codes.into_iter().enumerate() {
                    let codes = _mm256_or_si256(_mm256_and_si256(bottom, low), _mm256_and_si256(top, high));
                    let group_scale = group as i32 * 2;
                    let lanes =
                        _mm256_set_m128i(_mm_set1_epi32(group_scale + 1), _mm_set1_epi32(group_scale));
                    for n in 0..N {
                        let start = b * 256 + part * 128 + group * 32;
                        let values = load(x[n].values.as_ptr().add(start).cast());
                        let dot = _mm256_cvtepi32_ps(S::dot(codes, values));
                        let factor = _mm256_permutevar8x32_ps(factors[n], lanes);
                        totals[n] = _mm256_fmadd_ps(factor, dot, totals[n]);
                    }
                }
            }
        }
        std::array::from_fn(|n| across(_mm256_fnmadd_ps(_mm256_set1_ps(32.0), offsets[n], totals[n])))
    }
}

/// Any format with codes up to 127, taken out of its blocks by plain code.
#[inline(always)]
unsafe fn unpacked<F: BlockFormat, S: Steps, const N: usize>(
    row: &[u8],
    x: [QuantisedRow<'_>; N],
) -> [f32; N] {
    const { assert!(F::OFFSET < 128, "wider codes would overflow") };
    let mut codes = [0; MAX_BLOCK_ITEMS];
    let mut scales = [0.0; MAX_BLOCK_GROUPS];
    let mut minimums = [0.0; MAX_BLOCK_GROUPS];
    // SAFETY: block `b` exists, and in each row of `x` its groups; a block has at most as many
    // codes and groups as the arrays hold.
    unsafe {
        let mut totals = [_mm256_setzero_ps(); N];
        let mut offsets = [0.0; N];
        for (b, block) in row.chunks_exact(F::BYTES).enumerate() {
            F::unpack(block, &mut codes, &mut scales, &mut minimums);
            for group in 0..F::ITEMS / 32 {
                let codes = load(codes.as_ptr().add(group * 32));
                let halves = 32 / F::GROUP;
                let scale = _mm256_set_m128(
                    _mm_set1_ps(scales[group * halves + halves - 1]),
                    _mm_set1_ps(scales[group * halves]),
                );
                for n in 0..N {
                    let values = load(x[n].values.as_ptr().add(b * F::ITEMS + group * 32).cast());
                    let dot = _mm256_cvtepi32_ps(S::dot(codes, values));
                    let factor = _mm256_set1_ps(x[n].scales[b * (F::ITEMS / 32) + group]);
                    totals[n] = _mm256_fmadd_ps(_mm256_mul_ps(scale, factor), dot, totals[n]);
                }
            }
            for n in 0..N {
                let sums = if F::GROUP == 32 { x[n].sums } else { x[n].half_sums };
                let groups = F::ITEMS / F::GROUP;
                for (&minimum, &sum) in minimums[..groups].iter().zip(&sums[b * groups..]) {
                    offsets[n] += minimum * sum;
                }
            }
        }
        std::array::from_fn(|n| across(totals[n]) - offsets[n])
    }
}
