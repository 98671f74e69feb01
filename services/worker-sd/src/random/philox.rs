//! Philox 4x32-10 (Salmon et al. 2011) as PyTorch's kernels on NVIDIA's GPUs use it for normal numbers.

/// What the halves of the counter are multiplied with in each round.
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
/// What is added to the key after each round.
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;
/// 2^-32, and 2^-32 of a full turn, as curand has them.
const FRACTION: f64 = 2.328_306_4e-10_f32 as f64;
const TURN: f64 = (2.328_306_4e-10_f64 * 6.283_185_5_f64) as f32 as f64;

/// The state of PyTorch's generator on NVIDIA's GPUs: a seed, and how many draws were made.
#[derive(Debug, Clone)]
pub struct Philox {
    seed: u64,
    draws: u32,
}

impl Philox {
    /// The generator after `manual_seed(seed)`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, draws: 0 }
    }

    /// `torch.randn`: `count` standard normal numbers, each from a counter of its own. Beyond 2^32 they repeat.
    #[must_use]
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        let numbers = (0..count).map(|index| self.normal(index as u32)).collect();
        self.draws = self.draws.wrapping_add(1);
        numbers
    }

    /// The first of the two normal numbers that the transformation of Box and Muller gives.
    fn normal(&self, index: u32) -> f32 {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let [first, second, ..] = scramble([self.draws, 0, index, 0], key);
        let uniform = f64::from(first) * FRACTION + FRACTION / 2.0;
        let angle = f64::from(second) * TURN + TURN / 2.0;
        ((-2.0 * uniform.ln()).sqrt() * angle.sin()) as f32
    }
}

/// Ten rounds over a counter.
fn scramble(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let first = u64::from(counter[0]) * u64::from(MULTIPLIERS[0]);
        let second = u64::from(counter[2]) * u64::from(MULTIPLIERS[1]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the paper's code (Random123, kat_vectors).
    #[test]
    fn the_rounds_give_the_published_answers() {
        assert_eq!(
            scramble([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            scramble([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }
}
