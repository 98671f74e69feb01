//! Requests with a real model: its add-ons put in place, then the pipeline.
//!
//! ```text
//! Work ── vae, loras (only what changed) ──▶ Model
//!      ── pictures, settings ──▶ pipeline::Generation ──▶ pipeline::advance(Model, all that are under way) ──▶ Progress
//! ```
//!
//! What a request leaves behind is what the next one wants to be there or not: a LoRA that is not asked for again is
//! taken out, and the weights are then bit for bit what they were.

mod attached;
mod errors;
mod room;
mod settings;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::RgbImage;
use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::Task;

use self::attached::Attached;
use crate::add_ons::AddOns;
use crate::domain::{Choices, Facts};
use crate::engine::{EngineError, Outcome, PaintError, Painter, Progress, Step, Times, Work};
use crate::model::{LoadOptions, Model};
use crate::pipeline::{self, Generation, ImageModel as _, Observer, Picture, StepDone, prompt_tokens};

/// A loaded model that paints.
pub struct ModelPainter {
    model: Model,
    facts: Facts,
    attached: Attached,
    under_way: Vec<UnderWay>,
}

/// A request that is painted.
struct UnderWay {
    id: u64,
    generation: Generation,
    /// Width and height of its passes.
    sizes: [u32; 4],
    /// What putting its add-ons in place took.
    attaching: Duration,
    /// Whether it is still wanted.
    end: ControlFlow<()>,
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
            under_way: Vec::new(),
        }
    }
}

fn sizes(choices: &Choices) -> [u32; 4] {
    [
        choices.width,
        choices.height,
        choices.final_width,
        choices.final_height,
    ]
}

/// What is computed side by side for a picture: with and without the prompt.
fn rows(guidance: f32) -> u64 {
    if guidance > 1.0 { 2 } else { 1 }
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

    fn begin(&mut self, id: u64, work: &Work, progress: &mut dyn Progress) -> Result<(), PaintError> {
        let choices = &work.choices;
        room::check(choices.final_width, choices.final_height, rows(choices.guidance))?;
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
        let mut end = ControlFlow::Continue(());
        let mut told = Told {
            progress,
            end: &mut end,
        };
        let generation = Generation::begin(&mut self.model, settings, &mut told)
            .map_err(|error| errors::of_generation(&error))?;
        self.under_way.push(UnderWay {
            id,
            generation,
            sizes: sizes(choices),
            attaching,
            end,
        });
        Ok(())
    }

    fn joins(&self, work: &Work) -> bool {
        let Some(first) = self.under_way.first() else {
            return true;
        };
        let Work { request, choices } = work;
        if !self.attached.suits(request) || first.sizes != sizes(choices) {
            return false;
        }
        let beside = self
            .under_way
            .iter()
            .map(|other| other.generation.settings().guidance);
        let all = beside.chain([choices.guidance]).map(rows).sum();
        if room::check(choices.final_width, choices.final_height, all).is_err() {
            return false;
        }
        // Prompts of other lengths would go through the UNet by themselves. What can't be read is refused in its turn.
        let read = || {
            let mut settings = settings::without_pictures(work);
            settings.embeddings = self.attached.embeddings(&self.model, request).ok()?;
            let mut tokens = prompt_tokens(self.model.traits(), &settings).into_iter();
            let known = prompt_tokens(self.model.traits(), first.generation.settings());
            Some(tokens.all(|tokens| known.contains(&tokens)))
        };
        read().unwrap_or(false)
    }

    fn advance(&mut self, watched: &mut [(u64, &mut dyn Progress)]) -> Vec<(u64, Outcome)> {
        let Self { model, under_way, .. } = self;
        let mut watched: BTreeMap<u64, &mut dyn Progress> = watched
            .iter_mut()
            .map(|(id, progress)| (*id, &mut **progress as &mut dyn Progress))
            .collect();
        under_way.retain(|one| watched.contains_key(&one.id));
        let mut told: Vec<(&mut Generation, Told<'_>)> = Vec::new();
        for one in under_way.iter_mut() {
            if let Some(progress) = watched.remove(&one.id) {
                let UnderWay { generation, end, .. } = one;
                told.push((generation, Told { progress, end }));
            }
        }
        let mut group: Vec<(&mut Generation, &mut dyn Observer)> = told
            .iter_mut()
            .map(|(generation, told)| (&mut **generation, told as &mut dyn Observer))
            .collect();
        let outcomes = pipeline::advance(model, &mut group);
        let mut ended = Vec::new();
        for (one, outcome) in under_way.iter().zip(outcomes) {
            match outcome {
                Err(error) => ended.push((one.id, Err(errors::of_generation(&error)))),
                Ok(()) if one.generation.is_done() => ended.push((one.id, one.outcome())),
                Ok(()) => {}
            }
        }
        under_way.retain(|one| ended.iter().all(|(id, _)| *id != one.id));
        ended
    }
}

impl UnderWay {
    fn outcome(&self) -> Outcome {
        // A picture that could not be told of was not wanted, or not written.
        if self.end.is_break() {
            return Err(PaintError::Cancelled);
        }
        let timings = self.generation.timings();
        Ok(Times {
            text: self.attaching + timings.text,
            denoise: timings.denoise,
            decode: timings.decode,
        })
    }
}

/// Passes on what the pipeline tells.
struct Told<'a> {
    progress: &'a mut dyn Progress,
    end: &'a mut ControlFlow<()>,
}

impl Observer for Told<'_> {
    fn step(&mut self, done: StepDone) -> ControlFlow<()> {
        (*self.end)?;
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
            *self.end = self.progress.picture(image, seed, &picture);
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        (*self.end)?;
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
