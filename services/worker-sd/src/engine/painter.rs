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

/// How a work came to its end.
pub type Outcome = Result<Times, PaintError>;

/// Makes pictures: a loaded model on a device, synchronous, driven by one thread.
///
/// A work is begun, and then goes on with each call of [`Painter::advance`] that names it, until that tells its
/// [`Outcome`]. Several may be under way.
pub trait Painter: Send {
    /// What the model is.
    fn facts(&self) -> &Facts;

    /// Begins a request's pictures under an id: the same pictures whatever was made before and is made beside them.
    ///
    /// # Errors
    /// Whatever keeps it from doing so; nothing is under way then, and no other request is touched by that.
    fn begin(&mut self, id: u64, work: &Work, progress: &mut dyn Progress) -> Result<(), PaintError>;

    /// Whether a request, begun now, would be computed in one with those that are under way, and there is memory for
    /// that.
    fn joins(&self, work: &Work) -> bool;

    /// Computes a part of the named works, no more than a step of each, and tells which came to their ends. One that was
    /// not told of and is not named any more is given up.
    fn advance(&mut self, watched: &mut [(u64, &mut dyn Progress)]) -> Vec<(u64, Outcome)>;
}
