//! Methods that look at one step alone.

use super::combine::combine;
use super::{Denoising, Method};
use crate::schedule::{Convention, Point, Space};

/// Standard deviation that latent consistency models take pictures to have.
const DATA: f64 = 0.5;
/// What they multiply timesteps with.
const TIME_SCALING: f64 = 10.0;

type Noise<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

/// From `sigma` to `target` with all the fresh noise that there can be: the noise level reached without it, and how
/// much is added (Karras et al. 2022, k-diffusion's ancestral step).
fn ancestral_levels(sigma: f64, target: f64) -> (f64, f64) {
    let variance = target * target * (sigma * sigma - target * target).max(0.0) / (sigma * sigma);
    let up = variance.sqrt().min(target);
    let down = (target * target - up * up).max(0.0).sqrt();
    (down, up)
}

impl Denoising {
    /// Straight towards the latents without noise, as far as `level`.
    fn towards(&self, denoised: &[f32], from: &[f32], sigma: f64, level: f64) -> Vec<f32> {
        let left = level / sigma;
        combine(&[(left, from), (1.0 - left, denoised)])
    }

    pub(super) fn euler(&mut self, point: Point, denoised: &[f32]) {
        let latents = self.towards(denoised, &self.latents, point.sigma, point.target);
        self.finish(point, latents);
    }

    /// Also what probabilistic diffusion comes to: its posterior has this mean and variance.
    pub(super) fn ancestral(&mut self, point: Point, denoised: &[f32], noise: Noise<'_>) {
        let (down, up) = ancestral_levels(point.sigma, point.target);
        let latents = self.towards(denoised, &self.latents, point.sigma, down);
        let latents = add_noise(latents, up, noise);
        self.finish(point, latents);
    }

    pub(super) fn heun(&mut self, point: Point, denoised: Vec<f32>) {
        match self.memory.half.take() {
            None if point.target == 0.0 => self.euler(point, &denoised),
            None => {
                let latents = self.towards(&denoised, &self.latents, point.sigma, point.target);
                self.go_half(point.target, latents, denoised);
            }
            Some((from, first)) => {
                // The mean of the slopes at both ends.
                let span = (point.target - point.sigma) / 2.0;
                let (begin, end) = (span / point.sigma, span / point.target);
                let latents = combine(&[
                    (1.0 + begin, &from),
                    (-begin, &first),
                    (end, &self.latents),
                    (-end, &denoised),
                ]);
                self.finish(point, latents);
            }
        }
    }

    /// Lu et al.'s midpoint in the logarithm of sigma, with fresh noise (k-diffusion's `sample_dpmpp_sde`, r 1/2). The
    /// noises of a step's halves are independent here; web interfaces take both from one Brownian path.
    pub(super) fn dpmpp_sde(&mut self, point: Point, denoised: Vec<f32>, noise: Noise<'_>) {
        match self.memory.half.take() {
            None if point.target == 0.0 => self.euler(point, &denoised),
            None => {
                let middle = (point.sigma * point.target).sqrt();
                let (down, up) = ancestral_levels(point.sigma, middle);
                let latents = self.towards(&denoised, &self.latents, point.sigma, down);
                let latents = add_noise(latents, up, noise);
                self.go_half(middle, latents, denoised);
            }
            Some((from, _)) => {
                let (down, up) = ancestral_levels(point.sigma, point.target);
                let latents = self.towards(&denoised, &from, point.sigma, down);
                let latents = add_noise(latents, up, noise);
                self.finish(point, latents);
            }
        }
    }

    /// Straight to the picture, and noise on it for the next step. diffusers mixes a little of the latents in, by the
    /// boundary condition of consistency models.
    pub(super) fn consistency(&mut self, point: Point, denoised: Vec<f32>, noise: Noise<'_>) {
        let picture = match self.table.space {
            Space::Exploding => denoised,
            Space::Preserving => {
                let time = point.timestep * TIME_SCALING;
                let skip = DATA * DATA / (time * time + DATA * DATA);
                let out = time / time.hypot(DATA);
                combine(&[(out, &denoised), (skip * self.evaluation_scale(), &self.latents)])
            }
        };
        let last = self.index + 1 == self.table.points.len();
        let level = if last { 0.0 } else { point.target };
        let latents = add_noise(picture, level, noise);
        self.finish(
            Point {
                target: level,
                ..point
            },
            latents,
        );
    }

    fn evaluation_scale(&self) -> f64 {
        1.0 / self.sigma.hypot(1.0)
    }
}

/// `latents` and `level` × fresh noise. None is drawn for none.
pub(super) fn add_noise(latents: Vec<f32>, level: f64, noise: Noise<'_>) -> Vec<f32> {
    if level <= 0.0 {
        return latents;
    }
    let drawn = noise(latents.len());
    combine(&[(1.0, &latents), (level, &drawn)])
}

impl Method {
    /// The method whose steps are made under a convention: ComfyUI's DDIM is Euler's method.
    #[must_use]
    pub fn under(self, convention: Convention) -> Self {
        match (self, convention) {
            (Self::Ddim, Convention::ComfyUi) => Self::Euler,
            _ => self,
        }
    }
}
