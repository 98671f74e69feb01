//! A small seeded generator, so that a failing random test names one number that repeats it.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator whose sequence depends on all of `parts`, in their order.
    pub(crate) fn keyed(seed: u64, parts: &[&[u8]]) -> Self {
        // FNV-1a over the parts; a length byte between them keeps ("a", "b") apart from ("ab", "").
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
        for part in parts {
            for byte in part.iter().chain(&[part.len() as u8]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(hash)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_keys_tell_apart() {
        let draw = |mut random: Random| [random.next(), random.next(), random.next()];
        assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
        assert_eq!(
            draw(Random::keyed(7, &[b"a", b"b"])),
            draw(Random::keyed(7, &[b"a", b"b"]))
        );
        assert_ne!(
            draw(Random::keyed(7, &[b"a", b"b"])),
            draw(Random::keyed(7, &[b"ab", b""]))
        );
        assert_ne!(draw(Random::keyed(7, &[b"a"])), draw(Random::keyed(8, &[b"a"])));
        // The published first value for seed 0.
        assert_eq!(Random::new(0).next(), 0xe220_a839_7b1d_cdaf);
    }
}
