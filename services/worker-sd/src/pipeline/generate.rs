//! The way of a request: text, then for each picture noise, steps, decoding, and the same again larger.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::conditioning::Prompts;
use super::guidance::Guide;
use super::model::{ImageModel, ModelError};
use super::pixels;
use super::settings::{Initial, Pass, Picture, Settings, SettingsError, Size};
use super::start::Start;
use crate::random::Normals;
use crate::sampler::Denoising;
use crate::schedule::Convention;

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
    settings.check()?;
    let begin = Instant::now();
    let prompts = Prompts::encode(model, settings)?;
    let text = begin.elapsed();
    let timings = generate_from(model, settings, &prompts, observer)?;
    Ok(Timings { text, ..timings })
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
    settings.check()?;
    let mut generation = Generation {
        total: settings.total_steps()? as u32,
        timings: Timings::default(),
        model,
        settings,
        observer,
        prompts,
        image: 0,
        step: 0,
    };
    for image in 0..settings.count {
        generation.image = image;
        generation.step = 0;
        let seed = settings.seed.wrapping_add(u64::from(image));
        let picture = generation.make(seed)?;
        generation.observer.picture(image, seed, picture);
    }
    Ok(generation.timings)
}

struct Generation<'a> {
    model: &'a mut dyn ImageModel,
    settings: &'a Settings,
    observer: &'a mut dyn Observer,
    prompts: &'a Prompts,
    timings: Timings,
    image: u32,
    /// Steps that are done of this picture.
    step: u32,
    total: u32,
}

impl Generation<'_> {
    fn make(&mut self, seed: u64) -> Result<Picture, GenerateError> {
        let settings = self.settings;
        let first = self.pass(
            seed,
            &settings.first_pass()?,
            settings.size,
            settings.initial.as_ref(),
        )?;
        let Some((high, pass)) = settings.high_resolution.zip(settings.second_pass()?) else {
            return Ok(first);
        };
        let size = settings.final_size();
        let mask = settings
            .initial
            .as_ref()
            .and_then(|initial| initial.mask.as_ref());
        let failed = || SettingsError::Mismatch {
            field: "first picture",
        };
        let initial = Initial {
            picture: pixels::resized(&first, size).ok_or_else(failed)?,
            strength: high.strength,
            mask: mask.and_then(|mask| pixels::resized_mask(mask, size)),
        };
        self.pass(seed, &pass, size, Some(&initial))
    }

    /// One picture of `size`, from noise or from `initial`.
    fn pass(
        &mut self,
        seed: u64,
        pass: &Pass,
        size: Size,
        initial: Option<&Initial>,
    ) -> Result<Picture, GenerateError> {
        let mut normals = Normals::new(self.settings.noise, seed);
        let begin = Instant::now();
        let convention = self.settings.sampling.convention;
        let observer = &mut *self.observer;
        let start = Start::new(
            &mut *self.model,
            convention,
            pass,
            size,
            initial,
            &mut |count| normals.draw(count),
            &mut || observer.pause(),
        )?;
        self.timings.decode += begin.elapsed();
        let latents = self.denoise(pass, size, start, &mut normals)?;
        self.decode(&latents, size)
    }

    fn denoise(
        &mut self,
        pass: &Pass,
        size: Size,
        start: Start,
        normals: &mut Normals,
    ) -> Result<Vec<f32>, GenerateError> {
        let sampling = self.settings.sampling;
        let guide = Guide {
            prompts: self.prompts,
            guidance: self.settings.guidance,
            size,
            more_channels: start.more_channels,
        };
        let method = sampling.method.under(sampling.convention);
        let prediction = self.model.traits().prediction;
        let mut denoising = Denoising::new(method, prediction, pass.table.clone(), pass.begin, start.latents);
        let kept = start.kept;
        let mut begin = Instant::now();
        while let Some(evaluation) = denoising.next() {
            let input = denoising.input();
            let output = guide.evaluate(&mut *self.model, &input, evaluation.timestep)?;
            let mut denoised = denoising.without_noise(&output);
            if let Some(kept) = &kept
                && sampling.convention != Convention::Diffusers
            {
                kept.restore(&mut denoised);
            }
            denoising.accept_denoised(denoised, &mut |count| normals.draw(count));
            if let Some(kept) = &kept
                && (sampling.convention != Convention::A1111 || denoising.next().is_none())
            {
                denoising.keep(&kept.latents, &kept.noise, &kept.mask);
            }
            let latents = denoising.latents();
            self.finite(&latents, || format!("step {}", self.step + 1))?;
            self.observer.latents(self.image, &latents);
            if denoising.between_steps() {
                let duration = begin.elapsed();
                begin = Instant::now();
                self.timings.denoise += duration;
                self.step_done(&denoising, size, duration)?;
            }
        }
        Ok(denoising.latents())
    }

    fn step_done(
        &mut self,
        denoising: &Denoising,
        size: Size,
        duration: Duration,
    ) -> Result<(), GenerateError> {
        self.step += 1;
        let done = StepDone {
            image: self.image,
            step: self.step,
            total: self.total,
            sigma: denoising.sigma(),
            duration,
        };
        let wanted = self.settings.preview_every.filter(|&every| every > 0);
        if wanted.is_some_and(|every| self.step.is_multiple_of(every) && self.step < self.total) {
            let family = self.model.traits().family;
            let preview = pixels::preview(denoising.denoised(), size, family);
            self.observer.preview(self.image, self.step, preview);
        }
        match self.observer.step(done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(GenerateError::Cancelled),
        }
    }

    fn decode(&mut self, latents: &[f32], size: Size) -> Result<Picture, GenerateError> {
        let begin = Instant::now();
        let (height, width) = size.latent();
        let observer = &mut *self.observer;
        let planes = self
            .model
            .decode(latents, height, width, &mut || observer.pause())?;
        self.finite(&planes, || "decoder".to_owned())?;
        let picture = pixels::picture(&planes, size);
        self.timings.decode += begin.elapsed();
        Ok(picture)
    }

    fn finite(&self, numbers: &[f32], stage: impl Fn() -> String) -> Result<(), GenerateError> {
        match numbers.iter().all(|number| number.is_finite()) {
            true => Ok(()),
            false => Err(GenerateError::NotFinite { stage: stage() }),
        }
    }
}
