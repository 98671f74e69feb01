//! `torch.Generator('cpu')`: Mersenne Twister (Matsumoto and Nishimura 1998), and PyTorch's two ways from its bits to
//! normal numbers.

use std::f32::consts::TAU;

/// Words of the generator's state.
const STATE: usize = 624;
/// How far the recurrence reaches.
const SHIFT: usize = 397;
/// From this many numbers on PyTorch fills a buffer with uniform ones and transforms blocks of sixteen.
const BLOCK: usize = 16;

/// The state of PyTorch's generator on processors.
#[derive(Debug, Clone)]
pub struct TorchCpu {
    state: [u32; STATE],
    next: usize,
    /// The second number of a pair that was drawn one by one; it serves the next such draw.
    kept: Option<f64>,
}

impl TorchCpu {
    /// The generator after `manual_seed(seed)`, which takes the lower 32 bits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = [seed as u32; STATE];
        for index in 1..STATE {
            let before = state[index - 1];
            state[index] = 1_812_433_253u32
                .wrapping_mul(before ^ (before >> 30))
                .wrapping_add(index as u32);
        }
        Self {
            state,
            next: STATE,
            kept: None,
        }
    }

    /// `torch.randn`: `count` standard normal numbers.
    #[must_use]
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        if count < BLOCK {
            return (0..count).map(|_| self.normal() as f32).collect();
        }
        let mut numbers = self.uniforms(count);
        for block in numbers.chunks_exact_mut(BLOCK) {
            transform(block);
        }
        if !count.is_multiple_of(BLOCK) {
            // The last sixteen are drawn anew, and those of them that had been transformed are lost.
            let last = count - BLOCK;
            let drawn = self.uniforms(BLOCK);
            numbers[last..].copy_from_slice(&drawn);
            transform(&mut numbers[last..]);
        }
        numbers
    }

    /// `torch.rand`: `count` numbers from 0 to below 1, 24 bits each.
    #[must_use]
    pub fn uniforms(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| (self.bits() & 0x00ff_ffff) as f32 / 16_777_216.0)
            .collect()
    }

    /// One of a pair, by the transformation of Box and Muller in double precision.
    fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let angle = std::f64::consts::TAU * self.uniform_double();
        let radius = (-2.0 * (-self.uniform_double()).ln_1p()).sqrt();
        self.kept = Some(radius * angle.sin());
        radius * angle.cos()
    }

    fn uniform_double(&mut self) -> f64 {
        let high = u64::from(self.bits());
        let bits = high << 32 | u64::from(self.bits());
        (bits & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }

    fn bits(&mut self) -> u32 {
        if self.next == STATE {
            self.renew();
        }
        let mut bits = self.state[self.next];
        self.next += 1;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }

    fn renew(&mut self) {
        for index in 0..STATE {
            let joined = (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % STATE] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT) % STATE] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}

/// Sixteen uniform numbers become sixteen normal ones: eight radii and eight angles.
fn transform(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (radius, angle) in radii.iter_mut().zip(angles) {
        let length = (-2.0 * (1.0 - *radius).ln()).sqrt();
        let (sin, cos) = (TAU * *angle).sin_cos();
        *radius = length * cos;
        *angle = length * sin;
    }
}
