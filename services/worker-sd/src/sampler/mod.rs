//! From noise to latents, step by step, by one of the known methods.
//!
//! A [`Denoising`] is a state machine without a model: [`Denoising::next`] says what the model is to be asked,
//! [`Denoising::accept`] takes its answer. Inside, latents are picture + sigma × noise whatever the method
//! ([`Space::Exploding`](crate::schedule::Space)): in that form each method is a few linear combinations of the latents,
//! what they would be without noise as far as the model can see, and fresh noise.

mod combine;
mod method;
mod multistep;
mod single;

pub use method::Method;

use crate::schedule::{Point, Space, Table, Training};
use combine::combine;

/// What the model was trained to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// A mixture of noise and picture (Salimans and Ho 2022, appendix D).
    V,
}

/// What the model is to be asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The time that it is told.
    pub timestep: f64,
    /// The noise level of the latents.
    pub sigma: f64,
}

impl Evaluation {
    /// What latents are multiplied with before the model sees them.
    #[must_use]
    pub fn input_scale(self) -> f64 {
        1.0 / self.sigma.hypot(1.0)
    }
}

/// A sampling under way.
#[derive(Debug, Clone)]
pub struct Denoising {
    method: Method,
    prediction: Prediction,
    table: Table,
    training: Training,
    /// The point that is worked on.
    index: usize,
    /// Where it began.
    begin: usize,
    /// Picture + noise level × noise.
    latents: Vec<f32>,
    /// The noise level of `latents`.
    sigma: f64,
    memory: Memory,
    denoised: Vec<f32>,
}

/// What methods keep of the steps before.
#[derive(Debug, Clone, Default)]
struct Memory {
    /// First evaluation of a step of two: the latents, and those without noise.
    half: Option<(Vec<f32>, Vec<f32>)>,
    /// Latents without noise of the step before last and the last step, and at which sigma.
    denoised: Vec<(f64, Vec<f32>)>,
    /// The model's noise, up to three, the last one last.
    noises: Vec<Vec<f32>>,
    /// Latents from which the last step went, for a correction.
    from: Option<Vec<f32>>,
    /// Order of the last step.
    order: usize,
}

impl Denoising {
    /// Begins at the point `begin` of `table` with latents that have that point's noise level, in
    /// [`Space::Exploding`]: [`Table::initial_scale`] × noise, or a picture's latents + sigma × noise.
    #[must_use]
    pub fn new(
        method: Method,
        prediction: Prediction,
        table: Table,
        begin: usize,
        latents: Vec<f32>,
    ) -> Self {
        let sigma = table.points.get(begin).map_or(0.0, |point| point.sigma);
        Self {
            method,
            prediction,
            training: Training::new(),
            index: begin,
            begin,
            denoised: latents.clone(),
            latents,
            sigma,
            memory: Memory::default(),
            table,
        }
    }

    /// What to ask the model next; nothing when the latents are done.
    #[must_use]
    pub fn next(&self) -> Option<Evaluation> {
        let point = self.table.points.get(self.index)?;
        let timestep = if self.memory.half.is_some() {
            match self.table.points.get(self.index + 1) {
                Some(next) if next.sigma == self.sigma => next.timestep,
                _ => self.table.timestep(&self.training, self.sigma),
            }
        } else {
            point.timestep
        };
        Some(Evaluation {
            timestep,
            sigma: self.sigma,
        })
    }

    /// What the model gets to see now: the latents, scaled to a variance of about one.
    #[must_use]
    pub fn input(&self) -> Vec<f32> {
        let scale = 1.0 / self.sigma.hypot(1.0);
        combine(&[(scale, &self.latents)])
    }

    /// What the latents would be without noise, by the model's `output`.
    #[must_use]
    pub fn without_noise(&self, output: &[f32]) -> Vec<f32> {
        let sigma = self.sigma;
        match self.prediction {
            Prediction::Epsilon => combine(&[(1.0, &self.latents), (-sigma, output)]),
            Prediction::V => {
                let scale = 1.0 / sigma.hypot(1.0);
                combine(&[(scale * scale, &self.latents), (-sigma * scale, output)])
            }
        }
    }

    /// Takes the model's answer to [`Denoising::next`]. `noise` gives standard normal numbers, as many as asked.
    pub fn accept(&mut self, output: &[f32], noise: &mut dyn FnMut(usize) -> Vec<f32>) {
        let denoised = self.without_noise(output);
        self.accept_denoised(denoised, noise);
    }

    /// The same, for latents without noise that something was done to.
    pub fn accept_denoised(&mut self, denoised: Vec<f32>, noise: &mut dyn FnMut(usize) -> Vec<f32>) {
        let Some(&point) = self.table.points.get(self.index) else {
            return;
        };
        self.denoised.clone_from(&denoised);
        match self.method {
            Method::Ddim | Method::Euler => self.euler(point, &denoised),
            Method::EulerAncestral | Method::Ddpm => self.ancestral(point, &denoised, noise),
            Method::Heun => self.heun(point, denoised),
            Method::Lcm => self.consistency(point, denoised, noise),
            Method::Pndm => self.pseudo_linear(point, &denoised),
            Method::Dpmpp2m => self.dpmpp_2m(point, denoised),
            Method::Dpmpp2mSde => self.dpmpp_2m_sde(point, denoised, noise),
            Method::DpmppSde => self.dpmpp_sde(point, denoised, noise),
            Method::UniPc => self.unipc(point, denoised),
        }
    }

    /// The latents become `latents`, and the step is done.
    fn finish(&mut self, point: Point, latents: Vec<f32>) {
        self.latents = latents;
        self.sigma = point.target;
        self.index += 1;
        if let Some(next) = self.table.points.get(self.index)
            && next.sigma != point.target
        {
            // Methods that keep the variance go on with the same numbers at another noise level.
            let ratio = next.sigma.hypot(1.0) / point.target.hypot(1.0);
            self.latents = combine(&[(ratio, &self.latents)]);
            self.sigma = next.sigma;
        }
    }

    /// The first evaluation of a step is done, and the second is at `sigma`.
    fn go_half(&mut self, sigma: f64, latents: Vec<f32>, denoised: Vec<f32>) {
        let from = std::mem::replace(&mut self.latents, latents);
        self.memory.half = Some((from, denoised));
        self.sigma = sigma;
    }

    /// The latents in the scaling in which the method's own code has them.
    #[must_use]
    pub fn latents(&self) -> Vec<f32> {
        match self.table.space {
            Space::Exploding => self.latents.clone(),
            Space::Preserving => self.input(),
        }
    }

    /// What the latents would be without noise, as of the last evaluation. For previews.
    #[must_use]
    pub fn denoised(&self) -> &[f32] {
        &self.denoised
    }

    /// The noise level of the latents.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The evaluations of the table that are done, since its beginning.
    #[must_use]
    pub fn points_done(&self) -> usize {
        self.index
    }

    /// Whether the next evaluation begins a step, and is not the second one of it.
    #[must_use]
    pub fn between_steps(&self) -> bool {
        self.memory.half.is_none()
    }

    /// Puts `kept` + the noise level × `noise` wherever `mask` is 0, and a mixture where it is between 0 and 1: what is
    /// not to be painted anew stays as it is. When all steps are done, the noise is left out.
    pub fn keep(&mut self, kept: &[f32], noise: &[f32], mask: &[f32]) {
        let done = self.index >= self.table.points.len();
        let (scale, level) = match (done, self.table.space) {
            (true, Space::Preserving) => (self.sigma.hypot(1.0), 0.0),
            (true, Space::Exploding) => (1.0, 0.0),
            (false, _) => (1.0, self.sigma),
        };
        let kept = combine(&[(scale, kept), (level, noise)]);
        for ((latent, kept), &mask) in self.latents.iter_mut().zip(kept).zip(mask) {
            *latent = (1.0 - mask) * kept + mask * *latent;
        }
    }
}

#[cfg(test)]
mod tests;
