//! The random numbers of sampling: xoshiro256++ (Blackman and Vigna, "Scrambled linear
//! pseudorandom number generators", 2021), seeded by SplitMix64 as its authors advise.
//!
//! It is written out here, not taken from a crate, because a seed is a promise to users: the
//! numbers must not change with a dependency.

/// A reproducible source of random numbers. Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The numbers that belong to `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut split_mix = seed;
        Self {
            state: std::array::from_fn(|_| {
                split_mix = split_mix.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (split_mix ^ (split_mix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }),
        }
    }

    /// Numbers that nobody can repeat: seeded by the standard library's hash keys, which come
    /// from the operating system.
    #[must_use]
    pub fn from_entropy() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self::from_seed(RandomState::new().hash_one(std::time::Instant::now()))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Even over 0 (included) to 1 (not included), in steps of 2^-53.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_generator() {
        // The reference code's output for the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
        assert_eq!(
            first,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386
            ]
        );
    }

    #[test]
    fn a_seed_is_a_promise() {
        // SplitMix64's first output for seed 0 is a published constant.
        assert_eq!(Random::from_seed(0).state[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(Random::from_seed(7), Random::from_seed(7));
        assert_ne!(Random::from_seed(7), Random::from_seed(8));
        assert_ne!(Random::from_entropy(), Random::from_entropy());
    }

    #[test]
    fn floats_are_even_over_the_unit_interval() {
        let mut random = Random::from_seed(1);
        let mut buckets = [0u32; 10];
        for _ in 0..10_000 {
            buckets[(random.next_f64() * 10.0) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|count| (900..1100).contains(count)),
            "{buckets:?}"
        );
    }
}
