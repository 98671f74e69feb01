//! Requests with a real model: its add-ons put in place, then the pipeline.
//!
//! ```text
//! Work ── vae, loras (only what changed) ──▶ Model
//!      ── pictures, settings ──▶ pipeline::generate(Model, Settings, Observer) ──▶ Progress
//! ```
//!
//! What a request leaves behind is what the next one wants to be there or not: a LoRA that is not asked for again is
//! taken out, and the weights are then bit for bit what they were.

mod attached;
mod errors;
mod room;
mod settings;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use image::RgbImage;
use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::Task;

use self::attached::Attached;
use crate::add_ons::AddOns;
use crate::domain::Facts;
use crate::engine::{EngineError, PaintError, Painter, Progress, Step, Times, Work};
use crate::model::{LoadOptions, Model};
use crate::pipeline::{self, ImageModel as _, Observer, Picture, StepDone};

/// A loaded model that paints.
pub struct ModelPainter {
    model: Model,
    facts: Facts,
    attached: Attached,
}

impl ModelPainter {
    /// Paints with `model`. `own_vae` is the file of the VAE that it uses in place of its own, unless a request wants
    /// another one.
    #[must_use]
    pub fn new(model: Model, options: LoadOptions, own_vae: Option<PathBuf>, add_ons: AddOns) -> Self {
        Self {
            facts: facts(&model),
            attached: Attached::new(options, own_vae, add_ons),
            model,
        }
    }
}

fn facts(model: &Model) -> Facts {
    let spec = model.spec();
    let distilled = model.traits().distilled;
    let version = match (spec.version, distilled) {
        (StableDiffusionVersion::Xl, Some(pipeline::Distilled::Turbo)) => StableDiffusionVersion::XlTurbo,
        (version, _) => version,
    };
    Facts {
        version,
        prediction: spec.prediction,
        native_edge: u32::try_from(spec.native_edge).unwrap_or(u32::MAX),
        inpainting: spec.task == Task::Inpainting,
        distilled,
    }
}

impl Painter for ModelPainter {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn paint(&mut self, work: &Work, progress: &mut dyn Progress) -> Result<Times, PaintError> {
        let choices = &work.choices;
        room::check(choices.final_width, choices.final_height, choices.guidance > 1.0)?;
        let mut settings = settings::of(work)?;
        let steps = settings
            .total_steps()
            .map_err(|error| errors::of_schedule(&error))?;
        if progress
            .started(u32::try_from(steps).unwrap_or(u32::MAX))
            .is_break()
        {
            return Err(PaintError::Cancelled);
        }
        let began = Instant::now();
        settings.embeddings = self.attached.prepare(&mut self.model, &work.request)?;
        let attaching = began.elapsed();
        let mut told = Told {
            progress,
            end: ControlFlow::Continue(()),
        };
        let timings = pipeline::generate(&mut self.model, &settings, &mut told)
            .map_err(|error| errors::of_generation(&error))?;
        // A picture that could not be told of was not wanted, or not written.
        if told.end.is_break() {
            return Err(PaintError::Cancelled);
        }
        Ok(Times {
            text: attaching + timings.text,
            denoise: timings.denoise,
            decode: timings.decode,
        })
    }
}

/// Passes on what the pipeline tells.
struct Told<'a> {
    progress: &'a mut dyn Progress,
    end: ControlFlow<()>,
}

impl Observer for Told<'_> {
    fn step(&mut self, done: StepDone) -> ControlFlow<()> {
        self.end?;
        self.progress.step(Step {
            image: done.image,
            step: done.step,
            total: done.total,
            sigma: done.sigma,
            duration: done.duration,
        })
    }

    fn preview(&mut self, image: u32, step: u32, preview: Picture) {
        if let Some(preview) = pixels(preview) {
            self.progress.preview(image, step, &preview);
        }
    }

    fn picture(&mut self, image: u32, seed: u64, picture: Picture) {
        if let (Some(picture), true) = (pixels(picture), self.end.is_continue()) {
            self.end = self.progress.picture(image, seed, &picture);
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        self.end?;
        self.progress.pause()
    }
}

fn pixels(picture: Picture) -> Option<RgbImage> {
    let (width, height) = (
        u32::try_from(picture.width).ok()?,
        u32::try_from(picture.height).ok()?,
    );
    RgbImage::from_raw(width, height, picture.rgb)
}

/// What went wrong, where nothing finer is known.
fn failed(error: &(dyn std::error::Error + 'static)) -> EngineError {
    EngineError::Failed {
        message: rbee_service_kit::fault::Chain(error).to_string(),
    }
}
