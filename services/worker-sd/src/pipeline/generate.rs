//! A request from its beginning to its end, and who hears of it.

use std::ops::ControlFlow;
use std::time::Duration;

use super::conditioning::Prompts;
use super::generation::{Generation, advance};
use super::model::{ImageModel, ModelError};
use super::settings::{Picture, Settings, SettingsError};

/// A step that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDone {
    /// The picture, from 0.
    pub image: u32,
    /// The step, from 1.
    pub step: u32,
    /// How many there will be for this picture.
    pub total: u32,
    /// Noise level after it.
    pub sigma: f64,
    /// What it took.
    pub duration: Duration,
}

/// Who hears of a generation while it is under way, and may end it.
pub trait Observer {
    /// After each step. [`ControlFlow::Break`] ends the generation.
    fn step(&mut self, done: StepDone) -> ControlFlow<()>;
    /// The latents after each evaluation of the model, as the method's own code has them.
    fn latents(&mut self, image: u32, latents: &[f32]) {
        let _ = (image, latents);
    }
    /// A small picture of what is to become one, if the settings ask for it.
    fn preview(&mut self, image: u32, step: u32, preview: Picture);
    /// A picture that is done, and its seed.
    fn picture(&mut self, image: u32, seed: u64, picture: Picture);
    /// Between parts of long computations. [`ControlFlow::Break`] ends the generation.
    fn pause(&mut self) -> ControlFlow<()>;
}

/// What was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Text encoders.
    pub text: Duration,
    /// All steps of all pictures.
    pub denoise: Duration,
    /// From latents to pixels, and from pixels to latents.
    pub decode: Duration,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The observer ended it.
    #[error("the generation was cancelled")]
    Cancelled,
    /// Numbers became infinite or none.
    #[error("the {stage} gave numbers that are not finite")]
    NotFinite {
        /// What gave them: `step 3`, `decoder`.
        stage: String,
    },
    /// It can't be made.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The model failed.
    #[error(transparent)]
    Model(ModelError),
}

impl From<ModelError> for GenerateError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Cancelled,
            error => Self::Model(error),
        }
    }
}

impl From<crate::schedule::ScheduleError> for GenerateError {
    fn from(error: crate::schedule::ScheduleError) -> Self {
        Self::Settings(error.into())
    }
}

/// Makes what `settings` say. Pictures go to `observer` as they are done.
///
/// # Errors
/// When the settings can't be made, the model fails, numbers are not finite, or the observer ends it.
pub fn generate(
    model: &mut dyn ImageModel,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Timings, GenerateError> {
    let generation = Generation::begin(model, settings.clone(), observer)?;
    finish(model, generation, observer)
}

/// The same, with prompts that are encoded already.
///
/// # Errors
/// As for [`generate`].
pub fn generate_from(
    model: &mut dyn ImageModel,
    settings: &Settings,
    prompts: &Prompts,
    observer: &mut dyn Observer,
) -> Result<Timings, GenerateError> {
    let generation = Generation::begin_with(model, settings.clone(), prompts.clone(), observer)?;
    finish(model, generation, observer)
}

fn finish(
    model: &mut dyn ImageModel,
    mut generation: Generation,
    observer: &mut dyn Observer,
) -> Result<Timings, GenerateError> {
    while !generation.is_done() {
        for ended in advance(model, &mut [(&mut generation, &mut *observer)]) {
            ended?;
        }
    }
    Ok(generation.timings())
}
