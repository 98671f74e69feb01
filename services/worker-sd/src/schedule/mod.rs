//! Which noise levels the steps of a generation go through, and which of the model's timesteps stands for each.
//!
//! A noise level is a sigma: latents are picture + sigma × noise. The model was trained on a thousand of them
//! ([`Training`]); a [`Table`] is what a request's steps make of these. Three conventions hold the world's published
//! settings: that of the library diffusers (`diffusers`), and those of A1111 and ComfyUI (`web`), which share
//! their sigmas and differ in timesteps and in the first noise.

mod diffusers;
mod training;
mod web;

pub use training::Training;

use crate::sampler::Method;

/// The most steps that a table has, so that no noise level comes twice.
pub const MOST_STEPS: usize = training::TIMESTEPS - 1;

/// Which noise levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Even in the model's own timesteps.
    Normal,
    /// Karras et al. 2022, equation 5, rho 7.
    Karras,
    /// Even in the logarithm of sigma.
    Exponential,
    /// Even in timesteps, the last left out. For diffusers, trailing spacing.
    SgmUniform,
    /// Every n-th of the model's own sigmas. For diffusers, trailing spacing.
    Simple,
    /// Every n-th of the model's own sigmas from the second on, about as many as asked for. Web interfaces only.
    DdimUniform,
}

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// The library diffusers.
    Diffusers,
    /// The web interface A1111.
    A1111,
    /// ComfyUI.
    ComfyUi,
}

/// Where timesteps lie among the thousand, in diffusers' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// From the last to the first.
    Linspace,
    /// Multiples of a whole number, plus one.
    Leading,
    /// From the last on, in equal parts.
    Trailing,
}

/// What a table is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How noise becomes a picture.
    pub method: Method,
    /// Which noise levels.
    pub schedule: Schedule,
    /// Whose rules hold.
    pub convention: Convention,
    /// Where diffusers' timesteps lie; absent for what its users mostly set with the method.
    pub spacing: Option<Spacing>,
    /// How many steps, 1 to [`MOST_STEPS`].
    pub steps: usize,
}

/// One step: the model is asked at `sigma`, and what comes out has `target`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// What the model gets as time, 0 to 999.
    pub timestep: f64,
    /// The noise level.
    pub sigma: f64,
    /// The noise level after the step; mostly the next point's.
    pub target: f64,
}

/// In which of two scalings latents are told and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Picture + sigma × noise.
    Exploding,
    /// The same, divided by the square root of 1 + sigma², so that the variance stays.
    Preserving,
}

/// The steps of a generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// In the order in which they are made; never empty.
    pub points: Vec<Point>,
    /// What unit noise is multiplied with to begin from noise alone, in [`Space::Exploding`].
    pub initial_scale: f64,
    /// The scaling in which the method's own code has its latents.
    pub space: Space,
    times: Times,
}

/// How a sigma that is in no table gets a timestep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Between two timesteps, by the logarithm of sigma.
    Fractional,
    /// The nearest one, by the logarithm of sigma.
    Nearest,
}

/// Why there is no such table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Too few or too many steps.
    #[error("{steps} steps: there must be 1 to {most}")]
    Steps {
        /// How many were asked for.
        steps: usize,
        /// How many there may be.
        most: usize,
    },
    /// The method has its own noise levels.
    #[error("{} does not go with this schedule", method.name())]
    Schedule {
        /// The method.
        method: Method,
    },
}

impl Plan {
    /// The steps.
    ///
    /// # Errors
    /// When the number of steps is outside what the method knows, or the schedule does not go with the method.
    pub fn table(&self, training: &Training) -> Result<Table, ScheduleError> {
        let most = match (self.method, self.convention) {
            (Method::Lcm, Convention::Diffusers) => diffusers::DISTILLED_STEPS,
            _ => MOST_STEPS,
        };
        if !(1..=most).contains(&self.steps) {
            return Err(ScheduleError::Steps {
                steps: self.steps,
                most,
            });
        }
        if !self.method.schedules(self.convention).contains(&self.schedule) {
            return Err(ScheduleError::Schedule { method: self.method });
        }
        Ok(match self.convention {
            Convention::Diffusers => diffusers::table(self, training),
            // The web interface's own DDIM has diffusers' timesteps.
            Convention::A1111 if matches!(self.method, Method::Ddim | Method::Pndm) => {
                diffusers::table(self, training)
            }
            Convention::A1111 | Convention::ComfyUi => web::table(self, training),
        })
    }
}

impl Table {
    /// The timestep of any noise level.
    #[must_use]
    pub fn timestep(&self, training: &Training, sigma: f64) -> f64 {
        match self.times {
            Times::Fractional => training.timestep(sigma),
            Times::Nearest => training.nearest_timestep(sigma),
        }
    }

    /// What unit noise is multiplied with to put it on a picture at the table's beginning, in [`Space::Exploding`].
    #[must_use]
    pub fn initial_scale_on_picture(&self) -> f64 {
        match self.times {
            Times::Nearest => self.initial_scale,
            Times::Fractional => self.points.first().map_or(0.0, |point| point.sigma),
        }
    }

    /// The noise level after the last step.
    #[must_use]
    pub fn final_sigma(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.target)
    }

    /// Points of which each aims at the next one's sigma, the last at `end`.
    fn chain(steps: &[(f64, f64)], end: f64) -> Vec<Point> {
        let targets = steps.iter().skip(1).map(|&(_, sigma)| sigma).chain([end]);
        steps
            .iter()
            .zip(targets)
            .map(|(&(timestep, sigma), target)| Point {
                timestep,
                sigma,
                target,
            })
            .collect()
    }
}

/// `steps` noise levels from `high` to `low` as Karras et al. have them, with rho 7.
fn karras(high: f64, low: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (from, to) = (high.powf(1.0 / RHO), low.powf(1.0 / RHO));
    fractions(steps)
        .map(|part| (from + part * (to - from)).powf(RHO))
        .collect()
}

/// `steps` noise levels from `high` to `low`, even in their logarithm.
fn exponential(high: f64, low: f64, steps: usize) -> Vec<f64> {
    let (from, to) = (high.ln(), low.ln());
    fractions(steps)
        .map(|part| (from + part * (to - from)).exp())
        .collect()
}

/// `count` numbers from 0 to 1; 0 if there is one.
fn fractions(count: usize) -> impl Iterator<Item = f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(move |index| index as f64 / last)
}

#[cfg(test)]
mod tests;
