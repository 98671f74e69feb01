//! The seam between the queue and what makes pictures.

use std::ops::ControlFlow;
use std::time::Duration;

use image::RgbImage;

use super::error::EngineError;
use super::event::Step;
use crate::domain::{Choices, Facts, ImageRequest};

/// A request with all that was chosen for it.
#[derive(Debug, Clone)]
pub struct Work {
    /// What was asked for.
    pub request: ImageRequest,
    /// What is used.
    pub choices: Choices,
}

/// What the parts of the work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Text encoders, with LoRAs.
    pub text: Duration,
    /// All steps.
    pub denoise: Duration,
    /// Between pixels and latents, both ways.
    pub decode: Duration,
}

/// Why a work ended early.
#[derive(Debug, Clone, PartialEq)]
pub enum PaintError {
    /// Nobody wants it any more.
    Cancelled,
    /// It can't be done.
    Failed(EngineError),
}

impl From<EngineError> for PaintError {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Hears of the work as it is done. Each answer says whether it is still wanted.
pub trait Progress {
    /// It begins, and each picture will take so many steps.
    fn started(&mut self, steps: u32) -> ControlFlow<()>;

    /// A step is done.
    fn step(&mut self, step: Step) -> ControlFlow<()>;

    /// A small picture of `image`, counted from 0, after a step, counted from 1.
    fn preview(&mut self, image: u32, step: u32, preview: &RgbImage);

    /// A picture is done.
    fn picture(&mut self, image: u32, seed: u64, picture: &RgbImage) -> ControlFlow<()>;

    /// Nothing to tell; is it still wanted?
    fn pause(&mut self) -> ControlFlow<()>;
}

/// Makes pictures: a loaded model on a device, synchronous, driven by one thread.
pub trait Painter: Send {
    /// What the model is.
    fn facts(&self) -> &Facts;

    /// Makes a request's pictures, the same whatever was made before.
    ///
    /// # Errors
    /// Whatever keeps it from doing so; the next request is not touched by that.
    fn paint(&mut self, work: &Work, progress: &mut dyn Progress) -> Result<Times, PaintError>;
}
