//! Sixteen rows taken out of their blocks side by side, by AVX-512.
//!
//! A panel wants four items of every row next to each other, and a row's codes lie in dwords of four (or,
//! as nibbles, twice four). So sixteen rows of sixteen bytes are turned like a matrix of dwords before the
//! codes are taken apart, when they are still packed. What comes out is either kept as a panel, for many
//! columns, or multiplied with one or two columns at once; both add up in the same order.

mod sinks;

use std::arch::asm;
use std::arch::x86_64::*;

use rbee_artifacts::gguf::GgmlType;

use crate::kernels::Isa;
use crate::kernels::panel::PANEL_ROWS;

use self::sinks::Sink;
pub(in crate::kernels) use self::sinks::{dots, fill};

/// Whether there is a kernel here for a format.
pub(in crate::kernels) fn has_kernel(kind: GgmlType) -> bool {
    matches!(
        kind,
        GgmlType::Q4_0
            | GgmlType::Q4_1
            | GgmlType::Q5_0
            | GgmlType::Q5_1
            | GgmlType::Q8_0
            | GgmlType::Q4_K
            | GgmlType::Q6_K
    )
}

/// Gives a sink all that is in the rows.
///
/// # Safety
/// The instructions must be there, and the sink must have places for all items and groups of the rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
#[inline]
unsafe fn take_apart(kind: GgmlType, rows: Rows, sink: &mut impl Sink) {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            GgmlType::Q4_0 => nibbles::<18, 8, false>(rows, sink),
            GgmlType::Q4_1 => nibbles::<20, 0, false>(rows, sink),
            GgmlType::Q5_0 => nibbles::<22, 16, true>(rows, sink),
            GgmlType::Q5_1 => nibbles::<24, 0, true>(rows, sink),
            GgmlType::Q8_0 => q8_0(rows, sink),
            GgmlType::Q4_K => q4_k(rows, sink),
            GgmlType::Q6_K => q6_k(rows, sink),
            _ => unreachable!("`has_kernel` says no to {kind}"),
        }
    }
}

/// Sixteen rows of blocks, one after the other.
#[derive(Clone, Copy)]
struct Rows {
    /// Rows 0, 4, 8 and 12.
    quarters: [*const u8; 4],
    /// Bytes of a row.
    stride: usize,
    blocks: usize,
}

impl Rows {
    fn new(kind: GgmlType, rows: &[u8], len: usize) -> Self {
        assert!(Isa::detect() == Isa::Avx512Vnni);
        let block_items = kind.block_items() as usize;
        let blocks = len / block_items;
        let stride = blocks * kind.block_bytes() as usize;
        assert!(len.is_multiple_of(block_items) && rows.len() == stride * PANEL_ROWS);
        Self {
            quarters: [0, 4, 8, 12].map(|row| rows[row * stride..].as_ptr()),
            stride,
            blocks,
        }
    }

    /// The same rows from a block on, `place` bytes after their beginnings.
    #[inline(always)]
    #[allow(
        clippy::pointers_in_nomem_asm_block,
        reason = "the instructions are none, so nothing is read or written"
    )]
    unsafe fn block(self, place: usize) -> Self {
        // SAFETY: the rows have this block, by the caller's promise.
        let mut quarters = self.quarters.map(|quarter| unsafe { quarter.add(place) });
        for quarter in &mut quarters {
            // SAFETY: does nothing. It keeps the compiler from working out the addresses of all sixteen
            // rows ahead, which do not fit into registers.
            unsafe {
                asm!(
                    "/* {0} */",
                    inout(reg) * quarter,
                    options(pure, nomem, nostack, preserves_flags)
                );
            };
        }
        Self { quarters, ..self }
    }

    /// Sixteen bytes of each row, from `place` on: the first dword of all rows, the second, and so on.
    #[inline(always)]
    unsafe fn dwords(self, place: usize) -> [__m512i; 4] {
        // SAFETY: each row has sixteen bytes there, by the caller's promise.
        unsafe {
            // Few pointers, so that they stay in registers.
            let [first, second, third, fourth] = self.quarters;
            let four = |row: usize| {
                let place = row * self.stride + place;
                let lanes = _mm512_castsi128_si512(_mm_loadu_si128(first.add(place).cast()));
                let lanes = _mm512_inserti32x4::<1>(lanes, _mm_loadu_si128(second.add(place).cast()));
                let lanes = _mm512_inserti32x4::<2>(lanes, _mm_loadu_si128(third.add(place).cast()));
                _mm512_inserti32x4::<3>(lanes, _mm_loadu_si128(fourth.add(place).cast()))
            };
            let (a, b, c, d) = (four(0), four(1), four(2), four(3));
            let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(ab_low, cd_low),
                _mm512_unpackhi_epi64(ab_low, cd_low),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ]
        }
    }

    /// Asks for the bytes that come after the rows, as many as the blocks at `place` have together: the
    /// next panel's, as far from its start as these are from theirs.
    #[inline(always)]
    unsafe fn prefetch(self, block: usize, block_bytes: usize) {
        let ahead = PANEL_ROWS * self.stride + block * block_bytes * PANEL_ROWS;
        let next = self.quarters[0].wrapping_add(ahead);
        for line in (0..block_bytes * PANEL_ROWS).step_by(64) {
            // SAFETY: to ask for an address harms nobody, whatever is there.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(line).cast()) };
        }
    }
}

/// The lower 16 bits of each dword as 16-bit floats.
#[inline(always)]
unsafe fn low_halves(dwords: __m512i) -> __m512 {
    // SAFETY: the caller has AVX-512.
    unsafe { _mm512_cvtph_ps(_mm512_cvtepi32_epi16(dwords)) }
}

/// The upper 16 bits of each dword as 16-bit floats.
#[inline(always)]
unsafe fn high_halves(dwords: __m512i) -> __m512 {
    // SAFETY: the caller has AVX-512.
    unsafe { low_halves(_mm512_srli_epi32::<16>(dwords)) }
}

/// Q4_0, Q4_1, Q5_0 and Q5_1: a scale, a minimum if there is no `OFFSET`, the fifth bits if there are any,
/// and 16 bytes of nibbles: items 0 to 15 low, 16 to 31 high.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
#[inline]
unsafe fn nibbles<const BYTES: usize, const OFFSET: u8, const FIFTH: bool>(rows: Rows, sink: &mut impl Sink) {
    let low = _mm512_set1_epi8(15);
    let sixteen = _mm512_set1_epi8(16);
    // SAFETY: block `b` is BYTES long in each row, and the panel has its eight lines and its group.
    unsafe {
        for b in 0..rows.blocks {
            let block = rows.block(b * BYTES);
            rows.prefetch(b, BYTES);
            let [first, second, ..] = block.dwords(0);
            let scale = low_halves(first);
            let minimum = if OFFSET == 0 {
                let positive = _mm512_castps_si512(high_halves(first));
                _mm512_castsi512_ps(_mm512_xor_si512(positive, _mm512_set1_epi32(i32::MIN)))
            } else {
                _mm512_mul_ps(scale, _mm512_set1_ps(f32::from(OFFSET)))
            };
            // After the minimum, or in its place.
            let fifth = match OFFSET == 0 {
                true => second,
                false => _mm512_or_si512(_mm512_srli_epi32::<16>(first), _mm512_slli_epi32::<16>(second)),
            };
            let packed = block.dwords(BYTES - 16);
            for line in 0..8 {
                let nibbles = match line < 4 {
                    true => packed[line],
                    false => _mm512_srli_epi16::<4>(packed[line - 4]),
                };
                let mut codes = _mm512_and_si512(nibbles, low);
                if FIFTH {
                    // Each byte gets the byte that its bit is in.
                    let byte = (line / 2) as i32 * 0x0101_0101;
                    let place =
                        _mm512_set4_epi32(byte + 0x0c0c_0c0c, byte + 0x0808_0808, byte + 0x0404_0404, byte);
                    let spread = _mm512_shuffle_epi8(fifth, place);
                    let bits = if line % 2 == 0 {
                        0x0804_0201
                    } else {
                        0x8040_2010u32
                    };
                    let set = _mm512_test_epi8_mask(spread, _mm512_set1_epi32(bits.cast_signed()));
                    codes = _mm512_mask_add_epi8(codes, set, codes, sixteen);
                }
                sink.codes(0, b * 8 + line, codes);
            }
            sink.group::<32>(0, b, scale, minimum);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
#[inline]
unsafe fn q8_0(rows: Rows, sink: &mut impl Sink) {
    let sign = _mm512_set1_epi8(i8::MIN);
    // SAFETY: block `b` is 34 bytes long in each row, and the panel has its eight lines and its group.
    unsafe {
        for b in 0..rows.blocks {
            let block = rows.block(b * 34);
            rows.prefetch(b, 34);
            let scale = low_halves(block.dwords(0)[0]);
            for half in 0..2 {
                let codes = block.dwords(2 + half * 16);
                for (line, codes) in codes.into_iter().enumerate() {
                    // Two's complement plus 128.
                    sink.codes(0, b * 8 + half * 4 + line, _mm512_xor_si512(codes, sign));
                }
            }
            sink.group::<32>(0, b, scale, _mm512_mul_ps(scale, _mm512_set1_ps(128.0)));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
#[inline]
unsafe fn q4_k(rows: Rows, sink: &mut impl Sink) {
    let low = _mm512_set1_epi8(15);
    // SAFETY: block `b` is 144 bytes long in each row, and the panel has its 64 lines and eight groups.
    unsafe {
        for b in 0..rows.blocks {
            let block = rows.block(b * 144);
            rows.prefetch(b, 144);
            let scales = q4_k_scales(block);
            for pair in 0..4 {
                for half in 0..2 {
                    let packed = block.dwords(16 + pair * 32 + half * 16);
                    for (dword, packed) in packed.into_iter().enumerate() {
                        let line = b * 64 + pair * 16 + half * 4 + dword;
                        sink.codes(0, line, _mm512_and_si512(packed, low));
                        let high = _mm512_and_si512(_mm512_srli_epi16::<4>(packed), low);
                        sink.codes(1, line + 8, high);
                    }
                }
                for slot in 0..2 {
                    let (scale, minimum) = scales[pair * 2 + slot];
                    sink.group::<32>(slot, b * 8 + pair * 2 + slot, scale, minimum);
                }
            }
        }
    }
}

/// The scales and minimums of a block of Q4_K: six bits each, see `six_bit_pairs` for the plain way.
#[inline(always)]
unsafe fn q4_k_scales(block: Rows) -> [(__m512, __m512); 8] {
    // SAFETY: the caller has AVX-512 and a block of 144 bytes.
    unsafe {
        let [both, first, second, third] = block.dwords(0);
        let (scale, minimum) = (low_halves(both), high_halves(both));
        let six = _mm512_set1_epi32(0x3f3f_3f3f);
        let four = _mm512_set1_epi32(0x0f0f_0f0f);
        let top = _mm512_set1_epi32(0x3030_3030);
        let above = |bottom: __m512i, tops: __m512i| {
            _mm512_or_si512(
                _mm512_and_si512(bottom, four),
                _mm512_and_si512(_mm512_srli_epi32::<2>(tops), top),
            )
        };
        let codes = [_mm512_and_si512(first, six), above(third, first)];
        let minimum_codes = [
            _mm512_and_si512(second, six),
            above(_mm512_srli_epi32::<4>(third), second),
        ];
        let byte = |codes: __m512i, index: usize| {
            let moved = _mm512_srlv_epi32(codes, _mm512_set1_epi32(8 * index as i32));
            _mm512_cvtepi32_ps(_mm512_and_si512(moved, _mm512_set1_epi32(0xff)))
        };
        let mut scales = [(scale, minimum); 8];
        for (group, (scale, minimum)) in scales.iter_mut().enumerate() {
            *scale = _mm512_mul_ps(*scale, byte(codes[group / 4], group % 4));
            *minimum = _mm512_mul_ps(*minimum, byte(minimum_codes[group / 4], group % 4));
        }
        scales
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
#[inline]
unsafe fn q6_k(rows: Rows, sink: &mut impl Sink) {
    let low = _mm512_set1_epi8(15);
    let high = _mm512_set1_epi8(0x30);
    // SAFETY: block `b` is 210 bytes long in each row, and the panel has its 64 lines and sixteen groups.
    unsafe {
        for b in 0..rows.blocks {
            let block = rows.block(b * 210);
            rows.prefetch(b, 210);
            let scale = high_halves(block.dwords(194)[3]);
            let bytes = block.dwords(192);
            for part in 0..2 {
                for half in 0..2 {
                    let first = block.dwords(part * 64 + half * 16);
                    let second = block.dwords(part * 64 + 32 + half * 16);
                    let tops = block.dwords(128 + part * 32 + half * 16);
                    for dword in 0..4 {
                        let line = b * 64 + part * 32 + half * 4 + dword;
                        let (first, second, top) = (first[dword], second[dword], tops[dword]);
                        let join = |bottom: __m512i, top: __m512i| {
                            _mm512_or_si512(_mm512_and_si512(bottom, low), _mm512_and_si512(top, high))
                        };
                        sink.codes(half, line, join(first, _mm512_slli_epi16::<4>(top)));
                        sink.codes(2 + half, line + 8, join(second, _mm512_slli_epi16::<2>(top)));
                        sink.codes(4 + half, line + 16, join(_mm512_srli_epi16::<4>(first), top));
                        let second = _mm512_srli_epi16::<4>(second);
                        sink.codes(6 + half, line + 24, join(second, _mm512_srli_epi16::<2>(top)));
                    }
                }
                for slot in 0..8 {
                    let up = _mm512_set1_epi32(24 - 8 * (slot % 4) as i32);
                    let code = _mm512_srai_epi32::<24>(_mm512_sllv_epi32(bytes[part * 2 + slot / 4], up));
                    let scale = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(code));
                    let minimum = _mm512_mul_ps(scale, _mm512_set1_ps(32.0));
                    sink.group::<16>(slot, b * 16 + part * 8 + slot, scale, minimum);
                }
            }
        }
    }
}
