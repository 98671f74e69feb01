//! The block formats of GGUF, taken apart in plain code.
//!
//! Every format stores a row in blocks, and a block in groups of 16 or 32 items that share a
//! scale. All of them are brought to one form, which every kernel computes with:
//!
//! ```text
//! weight = scale[group] * code - minimum[group]        code: 0..=255
//! ```
//!
//! The layouts are those of the block structures in ggml's `ggml-common.h`.

/// One block format.
pub(super) trait BlockFormat {
    /// Items in a block.
    const ITEMS: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Items that share a scale: 16 or 32.
    const GROUP: usize;
    /// The code of the weight 0 in formats whose scale is symmetric; there `minimum` is always
    /// `scale * OFFSET`. 0 in formats that store minimums.
    const OFFSET: u8;

    /// Takes apart one block of [`BYTES`](Self::BYTES) into [`ITEMS`](Self::ITEMS) codes and one
    /// scale and minimum for each group.
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]);
}

/// The most items a block has.
pub(super) const MAX_BLOCK_ITEMS: usize = 256;
/// The most groups a block has.
pub(super) const MAX_BLOCK_GROUPS: usize = 16;

pub(super) struct Q4_0;
pub(super) struct Q4_1;
pub(super) struct Q5_0;
pub(super) struct Q5_1;
pub(super) struct Q8_0;
pub(super) struct Q2K;
pub(super) struct Q3K;
pub(super) struct Q4K;
pub(super) struct Q5K;
pub(super) struct Q6K;

/// Reads a 16-bit float. Without a branch or a call, so that it can be part of a vector loop:
/// the bits are moved to their places in 32, and the exponent's bias is made good by a
/// multiplication, which is right for subnormal numbers too.
#[inline(always)]
fn float(bytes: &[u8]) -> f32 {
    let bits = u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((254 - 15) << 23);
    let special = if bits & 0x7c00 == 0x7c00 { 0xff << 23 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | ((bits & 0x8000) << 16))
}

/// Low nibbles first, then high ones.
#[inline(always)]
fn nibbles(packed: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(packed.len());
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(packed) {
        *low = byte & 0x0f;
        *high = byte >> 4;
    }
}

/// Puts bit `i` of `bits` on top of the four bits of code `i`.
#[inline(always)]
fn fifth_bits(bits: &[u8], codes: &mut [u8]) {
    for (codes, &byte) in codes.chunks_exact_mut(8).zip(bits) {
        for (bit, code) in codes.iter_mut().enumerate() {
            *code |= ((byte >> bit) & 1) << 4;
        }
    }
}

impl BlockFormat for Q4_0 {
    const ITEMS: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const OFFSET: u8 = 8;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        scales[0] = float(&block[0..2]);
        minimums[0] = scales[0] * f32::from(Self::OFFSET);
        nibbles(&block[2..18], &mut codes[..32]);
    }
}

impl BlockFormat for Q4_1 {
    const ITEMS: usize = 32;
    const BYTES: usize = 20;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        scales[0] = float(&block[0..2]);
        minimums[0] = -float(&block[2..4]);
        nibbles(&block[4..20], &mut codes[..32]);
    }
}

impl BlockFormat for Q5_0 {
    const ITEMS: usize = 32;
    const BYTES: usize = 22;
    const GROUP: usize = 32;
    const OFFSET: u8 = 16;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        scales[0] = float(&block[0..2]);
        minimums[0] = scales[0] * f32::from(Self::OFFSET);
        nibbles(&block[6..22], &mut codes[..32]);
        fifth_bits(&block[2..6], &mut codes[..32]);
    }
}

impl BlockFormat for Q5_1 {
    const ITEMS: usize = 32;
    const BYTES: usize = 24;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        scales[0] = float(&block[0..2]);
        minimums[0] = -float(&block[2..4]);
        nibbles(&block[8..24], &mut codes[..32]);
        fifth_bits(&block[4..8], &mut codes[..32]);
    }
}

impl BlockFormat for Q8_0 {
    const ITEMS: usize = 32;
    const BYTES: usize = 34;
    const GROUP: usize = 32;
    const OFFSET: u8 = 128;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        scales[0] = float(&block[0..2]);
        minimums[0] = scales[0] * f32::from(Self::OFFSET);
        for (code, &signed) in codes[..32].iter_mut().zip(&block[2..34]) {
            // Two's complement plus 128.
            *code = signed ^ 0x80;
        }
    }
}

impl BlockFormat for Q2K {
    const ITEMS: usize = 256;
    const BYTES: usize = 84;
    const GROUP: usize = 16;
    const OFFSET: u8 = 0;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        let (scale, minimum) = (float(&block[80..82]), float(&block[82..84]));
        for group in 0..16 {
            scales[group] = scale * f32::from(block[group] & 0x0f);
            minimums[group] = minimum * f32::from(block[group] >> 4);
        }
        for (codes, packed) in codes[..256]
            .chunks_exact_mut(128)
            .zip(block[16..80].chunks_exact(32))
        {
            for (plane, codes) in codes.chunks_exact_mut(32).enumerate() {
                for (code, &byte) in codes.iter_mut().zip(packed) {
                    *code = (byte >> (2 * plane)) & 3;
                }
            }
        }
    }
}

impl BlockFormat for Q3K {
    const ITEMS: usize = 256;
    const BYTES: usize = 110;
    const GROUP: usize = 16;
    const OFFSET: u8 = 4;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        let (third_bits, packed, six_bits) = (&block[0..32], &block[32..96], &block[96..108]);
        let scale = float(&block[108..110]);
        for group in 0..16 {
            let low = if group < 8 {
                six_bits[group] & 0x0f
            } else {
                six_bits[group - 8] >> 4
            };
            let high = (six_bits[8 + group % 4] >> (2 * (group / 4))) & 3;
            scales[group] = scale * (f32::from(low | (high << 4)) - 32.0);
            minimums[group] = scales[group] * f32::from(Self::OFFSET);
        }
        for (half, (codes, packed)) in codes[..256]
            .chunks_exact_mut(128)
            .zip(packed.chunks_exact(32))
            .enumerate()
        {
            for (plane, codes) in codes.chunks_exact_mut(32).enumerate() {
                for ((code, &byte), &bits) in codes.iter_mut().zip(packed).zip(third_bits) {
                    *code = ((byte >> (2 * plane)) & 3) | (((bits >> (4 * half + plane)) & 1) << 2);
                }
            }
        }
    }
}

/// The eight scales and minimums of Q4_K and Q5_K, six bits each.
#[inline(always)]
fn six_bit_pairs(block: &[u8], scales: &mut [f32], minimums: &mut [f32]) {
    let (scale, minimum) = (float(&block[0..2]), float(&block[2..4]));
    let packed = &block[4..16];
    for group in 0..8 {
        let (code, minimum_code) = if group < 4 {
            (packed[group] & 63, packed[group + 4] & 63)
        } else {
            (
                (packed[group + 4] & 0x0f) | ((packed[group - 4] >> 6) << 4),
                (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4),
            )
        };
        scales[group] = scale * f32::from(code);
        minimums[group] = minimum * f32::from(minimum_code);
    }
}

impl BlockFormat for Q4K {
    const ITEMS: usize = 256;
    const BYTES: usize = 144;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        six_bit_pairs(block, scales, minimums);
        for (codes, packed) in codes[..256]
            .chunks_exact_mut(64)
            .zip(block[16..144].chunks_exact(32))
        {
            nibbles(packed, codes);
        }
    }
}

impl BlockFormat for Q5K {
    const ITEMS: usize = 256;
    const BYTES: usize = 176;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        six_bit_pairs(block, scales, minimums);
        let (fifth_bits, packed) = (&block[16..48], &block[48..176]);
        for (codes, packed) in codes[..256].chunks_exact_mut(64).zip(packed.chunks_exact(32)) {
            nibbles(packed, codes);
        }
        for (group, codes) in codes[..256].chunks_exact_mut(32).enumerate() {
            for (code, &bits) in codes.iter_mut().zip(fifth_bits) {
                *code |= ((bits >> group) & 1) << 4;
            }
        }
    }
}

impl BlockFormat for Q6K {
    const ITEMS: usize = 256;
    const BYTES: usize = 210;
    const GROUP: usize = 16;
    const OFFSET: u8 = 32;

    #[inline(always)]
    fn unpack(block: &[u8], codes: &mut [u8], scales: &mut [f32], minimums: &mut [f32]) {
        let (low_bits, high_bits, bytes) = (&block[0..128], &block[128..192], &block[192..208]);
        let scale = float(&block[208..210]);
        for group in 0..16 {
            scales[group] = scale * f32::from(bytes[group].cast_signed());
            minimums[group] = scales[group] * f32::from(Self::OFFSET);
        }
        for ((codes, low), high) in codes[..256]
            .chunks_exact_mut(128)
            .zip(low_bits.chunks_exact(64))
            .zip(high_bits.chunks_exact(32))
        {
            for item in 0..32 {
                codes[item] = (low[item] & 0x0f) | ((high[item] & 3) << 4);
                codes[item + 32] = (low[item + 32] & 0x0f) | (((high[item] >> 2) & 3) << 4);
                codes[item + 64] = (low[item] >> 4) | (((high[item] >> 4) & 3) << 4);
                codes[item + 96] = (low[item + 32] >> 4) | ((high[item] >> 6) << 4);
            }
        }
    }
}

/// Writes the weights of a row, bit for bit as ggml does.
pub(super) fn dequantise<F: BlockFormat>(row: &[u8], out: &mut [f32]) {
    let mut codes = [0; MAX_BLOCK_ITEMS];
    let mut scales = [0.0; MAX_BLOCK_GROUPS];
    let mut minimums = [0.0; MAX_BLOCK_GROUPS];
    for (block, out) in row.chunks_exact(F::BYTES).zip(out.chunks_exact_mut(F::ITEMS)) {
        F::unpack(block, &mut codes, &mut scales, &mut minimums);
        for (group, out) in out.chunks_exact_mut(F::GROUP).enumerate() {
            let (scale, minimum) = (scales[group], minimums[group]);
            for (out, &code) in out.iter_mut().zip(&codes[group * F::GROUP..]) {
                *out = if F::OFFSET == 0 {
                    scale * f32::from(code) - minimum
                } else {
                    scale * (f32::from(code) - f32::from(F::OFFSET))
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    #[test]
    fn every_16_bit_float_is_read_right() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits).to_f32();
            let found = super::float(&bits.to_le_bytes());
            assert!(
                found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
                "{bits:#06x}: {found} is not {expected}"
            );
        }
    }
}
