//! What is to be made, and how.

use super::model::{Distilled, Family, LATENT_CHANNELS, LATENT_PIXELS, ModelTraits};
use crate::prompt::{Embedding, PromptSyntax};
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::{Convention, MOST_STEPS, Plan, Schedule, ScheduleError, Spacing, Table, Training};

/// Width and height in pixels, multiples of 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
}

impl Size {
    /// Height and width of the latents.
    #[must_use]
    pub fn latent(self) -> (usize, usize) {
        (self.height / LATENT_PIXELS, self.width / LATENT_PIXELS)
    }

    /// Numbers of the latents.
    #[must_use]
    pub fn latent_count(self) -> usize {
        let (height, width) = self.latent();
        LATENT_CHANNELS * height * width
    }

    /// The size `scale` times as large, in multiples of 8.
    #[must_use]
    pub fn scaled(self, scale: f32) -> Self {
        let edge = |pixels: usize| {
            let latents = (pixels / LATENT_PIXELS) as f64 * as_written(scale);
            (latents.round().max(1.0) as usize) * LATENT_PIXELS
        };
        Self {
            width: edge(self.width),
            height: edge(self.height),
        }
    }
}

/// A picture in colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

/// What of a picture is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// One number for each pixel, row by row: from 128 on it is repainted.
    pub levels: Vec<u8>,
}

/// How noise becomes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// The method.
    pub method: Method,
    /// Which noise levels.
    pub schedule: Schedule,
    /// Whose rules hold.
    pub convention: Convention,
    /// Where diffusers' timesteps lie; absent for what is usual.
    pub spacing: Option<Spacing>,
    /// How many steps.
    pub steps: usize,
}

/// A picture to begin from, of the size that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Initial {
    /// The picture.
    pub picture: Picture,
    /// How much of it is made anew, above 0 to 1.
    pub strength: f32,
    /// What of it is made anew; absent for all of it.
    pub mask: Option<Mask>,
}

/// A second, larger picture made from the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HighResolution {
    /// How many times wider and higher, above 1.
    pub scale: f32,
    /// How much is made anew, above 0 to 1.
    pub strength: f32,
    /// Steps, before the strength takes its share; absent for those of the first.
    pub steps: Option<usize>,
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: Option<String>,
    /// Pixels of what is made first.
    pub size: Size,
    /// How closely the prompt is followed; up to 1 leaves the negative prompt out.
    pub guidance: f32,
    /// Seed of the first picture; each further one has one more.
    pub seed: u64,
    /// How many pictures.
    pub count: u32,
    /// How noise becomes a picture.
    pub sampling: Sampling,
    /// Where noise comes from.
    pub noise: NoiseSource,
    /// How the prompts are read.
    pub syntax: PromptSyntax,
    /// Blocks of the text encoder that are left out, 1 for none; absent for the model's own.
    pub clip_skip: Option<u32>,
    /// A picture to begin from.
    pub initial: Option<Initial>,
    /// A second, larger picture.
    pub high_resolution: Option<HighResolution>,
    /// Words that stand for vectors.
    pub embeddings: Vec<Embedding>,
    /// A preview for every so many steps.
    pub preview_every: Option<u32>,
}

/// What settings can't be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// The noise levels.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The edges of what is made.
    #[error("{width} by {height} pixels: both must be multiples of {LATENT_PIXELS}, and not 0")]
    Size {
        /// Pixels from left to right.
        width: usize,
        /// Pixels from top to bottom.
        height: usize,
    },
    /// A number that is not in its range.
    #[error("the {field} is out of range")]
    Range {
        /// Which.
        field: &'static str,
    },
    /// A picture or mask that is not as large as what is made.
    #[error("the {field} is not of the size that is made")]
    Mismatch {
        /// Which.
        field: &'static str,
    },
}

/// The noise levels of a pass, and where among them it begins.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) table: Table,
    pub(super) begin: usize,
}

impl Pass {
    pub(super) fn steps(&self) -> usize {
        self.table.points.len() - self.begin
    }
}

impl Sampling {
    /// The noise levels of a pass that begins from noise, or from a picture of which `strength` is made anew.
    pub(super) fn pass(&self, steps: usize, strength: Option<f32>) -> Result<Pass, ScheduleError> {
        let strength = strength.map(as_written);
        let table_steps = match (strength, self.convention) {
            // ComfyUI makes all the steps, of a longer table.
            (Some(strength), Convention::ComfyUi) if strength <= 0.9999 => {
                ((steps as f64 / strength) as usize).min(MOST_STEPS).max(steps)
            }
            _ => steps,
        };
        let plan = Plan {
            method: self.method,
            schedule: self.schedule,
            convention: self.convention,
            spacing: self.spacing,
            steps: table_steps,
        };
        let table = plan.table(&Training::new())?;
        let run = match (strength, self.convention) {
            (None, _) => table.points.len(),
            (Some(strength), Convention::Diffusers) if strength >= 1.0 => table.points.len(),
            (Some(strength), Convention::Diffusers) => (steps as f64 * strength) as usize,
            (Some(strength), Convention::A1111) => (strength.min(0.999) * steps as f64) as usize + 1,
            (Some(_), Convention::ComfyUi) => steps,
        };
        let begin = table.points.len().saturating_sub(run.max(1));
        Ok(Pass { table, begin })
    }
}

impl Settings {
    /// What suits a model.
    #[must_use]
    pub fn for_model(traits: &ModelTraits, prompt: String) -> Self {
        let edge = match traits.family {
            Family::Sd15 => 512,
            Family::Sd21 => 768,
            Family::Sdxl => 1024,
        };
        let method = match traits.distilled {
            Some(Distilled::Lcm) => Method::Lcm,
            Some(Distilled::Turbo) => Method::EulerAncestral,
            None => Method::Dpmpp2m,
        };
        Self {
            prompt,
            negative_prompt: None,
            size: Size {
                width: edge,
                height: edge,
            },
            guidance: if traits.distilled.is_some() { 1.0 } else { 7.0 },
            seed: 0,
            count: 1,
            sampling: Sampling {
                method,
                schedule: method.usual_schedule(),
                convention: Convention::A1111,
                spacing: None,
                steps: if traits.distilled.is_some() { 4 } else { 20 },
            },
            noise: NoiseSource::Gpu,
            syntax: PromptSyntax::Weighted,
            clip_skip: None,
            initial: None,
            high_resolution: None,
            embeddings: Vec::new(),
            preview_every: None,
        }
    }

    /// Steps that are made for each picture, all passes together.
    ///
    /// # Errors
    /// When there are no such noise levels.
    pub fn total_steps(&self) -> Result<usize, ScheduleError> {
        let second = self.second_pass()?.map_or(0, |pass| pass.steps());
        Ok(self.first_pass()?.steps() + second)
    }

    pub(super) fn first_pass(&self) -> Result<Pass, ScheduleError> {
        let strength = self.initial.as_ref().map(|initial| initial.strength);
        self.sampling.pass(self.sampling.steps, strength)
    }

    pub(super) fn second_pass(&self) -> Result<Option<Pass>, ScheduleError> {
        let pass = |high: &HighResolution| {
            let steps = high.steps.unwrap_or(self.sampling.steps);
            self.sampling.pass(steps, Some(high.strength))
        };
        self.high_resolution.as_ref().map(pass).transpose()
    }

    /// Pixels of the pictures, after all passes.
    #[must_use]
    pub fn final_size(&self) -> Size {
        match &self.high_resolution {
            Some(high) => self.size.scaled(high.scale),
            None => self.size,
        }
    }

    /// Whether this can be made.
    ///
    /// # Errors
    /// What can't.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Size { width, height } = self.size;
        let whole = |edge: usize| edge > 0 && edge.is_multiple_of(LATENT_PIXELS);
        if !whole(width) || !whole(height) {
            return Err(SettingsError::Size { width, height });
        }
        let within = |field, inside: bool| inside.then_some(()).ok_or(SettingsError::Range { field });
        within("guidance", self.guidance.is_finite())?;
        within("number of pictures", self.count > 0)?;
        let strength = |strength: f32| strength > 0.0 && strength <= 1.0;
        if let Some(initial) = &self.initial {
            within("strength", strength(initial.strength))?;
            let same = |field, of_width, of_height, count: usize, each: usize| {
                let fits = of_width == width && of_height == height && count == width * height * each;
                fits.then_some(()).ok_or(SettingsError::Mismatch { field })
            };
            let picture = &initial.picture;
            same(
                "initial picture",
                picture.width,
                picture.height,
                picture.rgb.len(),
                3,
            )?;
            if let Some(mask) = &initial.mask {
                same("mask", mask.width, mask.height, mask.levels.len(), 1)?;
            }
        }
        if let Some(high) = &self.high_resolution {
            within("strength of the second pass", strength(high.strength))?;
            within("scale of the second pass", high.scale >= 1.0 && high.scale <= 8.0)?;
        }
        self.total_steps()?;
        Ok(())
    }
}

/// A number as it was written in decimals: 0.7 and not the nearest one that 24 bits hold, for what is rounded down.
pub(super) fn as_written(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
