//! Pictures on their way: what has to be known between two evaluations of the model, so that several requests can take
//! turns, or be computed side by side.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conditioning::Prompts;
use super::generate::{GenerateError, Observer, StepDone, Timings};
use super::guidance::{Question, ask};
use super::model::ImageModel;
use super::pixels;
use super::preview::preview;
use super::settings::{Initial, Pass, Picture, Settings, SettingsError, Size};
use super::start::{Kept, Start};
use crate::random::Normals;
use crate::sampler::Denoising;
use crate::schedule::Convention;

/// A request's pictures, one after the other.
pub struct Generation {
    settings: Arc<Settings>,
    prompts: Prompts,
    timings: Timings,
    /// Steps of each picture.
    total: u32,
    /// The picture, from 0.
    image: u32,
    /// Steps that are done of it.
    step: u32,
    /// `None` when all pictures are done.
    making: Option<Making>,
}

/// One pass over a picture.
struct Making {
    /// Whether it is the second, larger one.
    second: bool,
    size: Size,
    denoising: Denoising,
    normals: Normals,
    kept: Option<Kept>,
    /// Mask and masked picture, for a UNet that takes them.
    more_channels: Vec<f32>,
    /// What the step took so far: there may be two evaluations in one.
    spent: Duration,
}

impl Generation {
    /// Encodes the prompts and begins with the first picture.
    ///
    /// # Errors
    /// When the settings can't be made, the model fails, or the observer ends it.
    pub fn begin(
        model: &mut dyn ImageModel,
        settings: Settings,
        observer: &mut dyn Observer,
    ) -> Result<Self, GenerateError> {
        settings.check()?;
        let begin = Instant::now();
        let prompts = Prompts::encode(model, &settings)?;
        let text = begin.elapsed();
        let mut generation = Self::begin_with(model, settings, prompts, observer)?;
        generation.timings.text = text;
        Ok(generation)
    }

    /// The same, with prompts that are encoded already.
    ///
    /// # Errors
    /// As for [`Generation::begin`].
    pub fn begin_with(
        model: &mut dyn ImageModel,
        settings: Settings,
        prompts: Prompts,
        observer: &mut dyn Observer,
    ) -> Result<Self, GenerateError> {
        settings.check()?;
        let mut generation = Self {
            total: settings.total_steps()? as u32,
            settings: Arc::new(settings),
            prompts,
            timings: Timings::default(),
            image: 0,
            step: 0,
            making: None,
        };
        generation.begin_picture(model, observer)?;
        generation.settle(model, observer)?;
        Ok(generation)
    }

    /// Whether all pictures are done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.making.is_none()
    }

    /// What was measured so far.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// What is made.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn seed(&self) -> u64 {
        self.settings.seed.wrapping_add(u64::from(self.image))
    }

    fn begin_picture(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
    ) -> Result<(), GenerateError> {
        if self.image < self.settings.count {
            let settings = Arc::clone(&self.settings);
            let (pass, initial) = (settings.first_pass()?, settings.initial.as_ref());
            self.begin_pass(model, observer, &pass, initial, settings.size, false)?;
        }
        Ok(())
    }

    /// A picture of `size`, from noise or from `initial`.
    fn begin_pass(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
        pass: &Pass,
        initial: Option<&Initial>,
        size: Size,
        second: bool,
    ) -> Result<(), GenerateError> {
        let sampling = self.settings.sampling;
        let mut normals = Normals::new(self.settings.noise, self.seed());
        let begin = Instant::now();
        let start = Start::new(
            &mut *model,
            sampling.convention,
            pass,
            size,
            initial,
            &mut |count| normals.draw(count),
            &mut || observer.pause(),
        )?;
        self.timings.decode += begin.elapsed();
        self.making = Some(Making {
            second,
            size,
            denoising: Denoising::new(
                sampling.method.under(sampling.convention),
                model.traits().prediction,
                pass.table.clone(),
                pass.begin,
                start.latents,
            ),
            normals,
            kept: start.kept,
            more_channels: start.more_channels,
            spent: Duration::ZERO,
        });
        Ok(())
    }

    /// What the model is to be asked next; nothing when all pictures are done.
    fn question(&self) -> Option<Question<'_>> {
        let making = self.making.as_ref()?;
        let evaluation = making.denoising.next()?;
        let mut samples = making.denoising.input();
        samples.extend_from_slice(&making.more_channels);
        Some(Question {
            prompts: &self.prompts,
            guidance: self.settings.guidance,
            size: making.size,
            samples,
            timestep: evaluation.timestep as f32,
        })
    }

    /// Takes the model's answer, which took so long, and goes on to the next question.
    fn answer(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
        output: &[f32],
        took: Duration,
    ) -> Result<(), GenerateError> {
        let begin = Instant::now();
        let Some(making) = &mut self.making else {
            return Ok(());
        };
        making.accept(output, self.settings.sampling.convention);
        let latents = making.denoising.latents();
        finite(&latents, || format!("step {}", self.step + 1))?;
        observer.latents(self.image, &latents);
        making.spent += took + begin.elapsed();
        if making.denoising.between_steps() {
            self.step_done(model, observer)?;
        }
        self.settle(model, observer)
    }

    fn step_done(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
    ) -> Result<(), GenerateError> {
        let Some(making) = &mut self.making else {
            return Ok(());
        };
        self.step += 1;
        let done = StepDone {
            image: self.image,
            step: self.step,
            total: self.total,
            sigma: making.denoising.sigma(),
            duration: mem::take(&mut making.spent),
        };
        self.timings.denoise += done.duration;
        let wanted = self.settings.preview_every.filter(|&every| every > 0);
        if wanted.is_some_and(|every| self.step.is_multiple_of(every) && self.step < self.total) {
            let preview = preview(model, making.denoising.denoised(), making.size);
            observer.preview(self.image, self.step, preview);
        }
        match observer.step(done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(GenerateError::Cancelled),
        }
    }

    /// Goes on to where the UNet is needed next, or to the end.
    fn settle(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
    ) -> Result<(), GenerateError> {
        while let Some(making) = self.making.take_if(|making| making.denoising.next().is_none()) {
            let picture = self.decode(model, observer, &making)?;
            let settings = Arc::clone(&self.settings);
            let second = settings.second_pass()?.filter(|_| !making.second);
            if let Some((pass, high)) = second.zip(settings.high_resolution) {
                let initial = enlarged(&settings, &picture, high.strength)?;
                let size = settings.final_size();
                self.begin_pass(model, observer, &pass, Some(&initial), size, true)?;
                continue;
            }
            observer.picture(self.image, self.seed(), picture);
            self.image += 1;
            self.step = 0;
            self.begin_picture(model, observer)?;
        }
        Ok(())
    }

    fn decode(
        &mut self,
        model: &mut dyn ImageModel,
        observer: &mut dyn Observer,
        making: &Making,
    ) -> Result<Picture, GenerateError> {
        let begin = Instant::now();
        let (height, width) = making.size.latent();
        let latents = making.denoising.latents();
        let planes = model.decode(&latents, height, width, &mut || observer.pause())?;
        finite(&planes, || "decoder".to_owned())?;
        let picture = pixels::picture(&planes, making.size);
        self.timings.decode += begin.elapsed();
        Ok(picture)
    }
}

impl Making {
    fn accept(&mut self, output: &[f32], convention: Convention) {
        let Self {
            denoising, normals, ..
        } = self;
        let mut denoised = denoising.without_noise(output);
        if let Some(kept) = &self.kept
            && convention != Convention::Diffusers
        {
            kept.restore(&mut denoised);
        }
        denoising.accept_denoised(denoised, &mut |count| normals.draw(count));
        if let Some(kept) = &self.kept
            && (convention != Convention::A1111 || denoising.next().is_none())
        {
            denoising.keep(&kept.latents, &kept.noise, &kept.mask);
        }
    }
}

/// What the second pass begins from.
fn enlarged(settings: &Settings, first: &Picture, strength: f32) -> Result<Initial, GenerateError> {
    let size = settings.final_size();
    let mask = settings
        .initial
        .as_ref()
        .and_then(|initial| initial.mask.as_ref());
    let picture = pixels::resized(first, size).ok_or(SettingsError::Mismatch {
        field: "first picture",
    })?;
    Ok(Initial {
        picture,
        strength,
        mask: mask.and_then(|mask| pixels::resized_mask(mask, size)),
    })
}

fn finite(numbers: &[f32], stage: impl Fn() -> String) -> Result<(), GenerateError> {
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(()),
        false => Err(GenerateError::NotFinite { stage: stage() }),
    }
}

/// One evaluation of the model for each generation, side by side where their shapes allow; then each hears of its own.
/// How it went with each, in their order; one that failed is not to be asked again.
pub fn advance(
    model: &mut dyn ImageModel,
    generations: &mut [(&mut Generation, &mut dyn Observer)],
) -> Vec<Result<(), GenerateError>> {
    let begin = Instant::now();
    let asking: Vec<Option<Question<'_>>> = generations
        .iter()
        .map(|(generation, _)| generation.question())
        .collect();
    let some: Vec<bool> = asking.iter().map(Option::is_some).collect();
    let questions: Vec<Question<'_>> = asking.into_iter().flatten().collect();
    let mut answers = ask(model, &questions).into_iter();
    drop(questions);
    let took = begin.elapsed();
    let mut each = Vec::with_capacity(some.len());
    for ((generation, observer), asked) in generations.iter_mut().zip(some) {
        let answer = if asked { answers.next() } else { None };
        each.push(match answer {
            None => Ok(()),
            Some(answer) => answer
                .map_err(GenerateError::from)
                .and_then(|output| generation.answer(model, &mut **observer, &output, took)),
        });
    }
    each
}
