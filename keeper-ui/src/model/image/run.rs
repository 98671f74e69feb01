//! A request for pictures on its way: a state machine over what the worker says. Every number that it gives was
//! measured, or is worked out from step times that were.
//!
//! ```text
//! Asked ──► Queued ──► Preparing ──► Painting ⇄ Decoding ──► Done
//!   └─────────┴────────────┴────────────┴──────────┴──► Failed | Cancelled
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::picture::{Picture, PictureId};
use super::settings::Settings;
use super::size::Size;
use super::words::{Sampler, Schedule};

/// Steps whose times are averaged: enough to be calm, few enough to follow a machine that becomes busy.
const REMEMBERED_STEPS: usize = 8;

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What the worker takes where the request left it open.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// Seed of the first picture.
    pub seed: u64,
    /// Size of what is made.
    pub size: Size,
    /// The sampler, if this program knows it.
    pub sampler: Option<Sampler>,
    /// The schedule, if this program knows it.
    pub schedule: Option<Schedule>,
    /// Steps for each picture, all passes together.
    pub steps: u32,
    /// How closely the prompt is followed.
    pub guidance: f32,
}

/// A picture that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Which of the run, from 0.
    pub index: u32,
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub size: Size,
    /// Its settings as text.
    pub parameters: String,
    /// It.
    pub picture: Picture,
}

/// How long it took, as the worker measured; what it did not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Waiting for its turn.
    pub queue: Option<Duration>,
    /// Text encoders, LoRAs included.
    pub text: Option<Duration>,
    /// All steps of all pictures.
    pub denoise: Option<Duration>,
    /// From latents to pixels.
    pub decode: Option<Duration>,
}

impl Timings {
    /// All but the waiting.
    #[must_use]
    pub fn worked(&self) -> Option<Duration> {
        let parts = [self.text, self.denoise, self.decode];
        parts.iter().flatten().copied().reduce(|sum, part| sum + part)
    }
}

/// Something that happened. `F` is what a failure is told by.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent<F> {
    /// It waits, and so many are before it.
    Queued {
        /// Requests before it.
        ahead: u32,
    },
    /// It was taken from the queue.
    Started(Started),
    /// A step is done.
    Step {
        /// The picture, from 0.
        image: u32,
        /// The step, from 1.
        step: u32,
        /// Steps of this picture.
        total: u32,
        /// What it took, where the worker said.
        took: Option<Duration>,
    },
    /// A small picture of what is to become one.
    Preview {
        /// The picture, from 0.
        image: u32,
        /// It.
        picture: Picture,
    },
    /// A picture is done.
    Picture(Made),
    /// All pictures are done.
    Finished(Timings),
    /// It did not work.
    Failed(F),
    /// The person did not want it any more.
    Cancelled,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase<F> {
    /// The worker was asked and has not answered.
    Asked,
    /// It waits.
    Queued {
        /// Requests before it.
        ahead: u32,
    },
    /// The prompt is read, LoRAs are put in, a picture to begin from is brought to latents.
    Preparing,
    /// Step by step.
    Painting,
    /// All steps of a picture are done; latents become pixels.
    Decoding,
    /// All pictures are there.
    Done(Timings),
    /// It did not work.
    Failed(F),
    /// It was not wanted any more.
    Cancelled,
}

/// A request for pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<F> {
    /// Which.
    pub id: RunId,
    /// What was asked for.
    pub settings: Settings,
    /// Where it is.
    pub phase: Phase<F>,
    /// What the worker took, once it began.
    pub started: Option<Started>,
    /// The picture that is worked on, from 0.
    pub image: u32,
    /// Steps of it that are done.
    pub step: u32,
    /// Steps of it.
    pub total: u32,
    /// The latest small picture of it.
    pub preview: Option<Picture>,
    /// Ids of the pictures that are done.
    pub pictures: Vec<PictureId>,
    took: VecDeque<Duration>,
    last_step_at: Option<Instant>,
}

impl<F> Run<F> {
    /// A request that goes out now.
    #[must_use]
    pub fn new(id: RunId, settings: Settings) -> Self {
        Self {
            id,
            settings,
            phase: Phase::Asked,
            started: None,
            image: 0,
            step: 0,
            total: 0,
            preview: None,
            pictures: Vec::new(),
            took: VecDeque::new(),
            last_step_at: None,
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done(_) | Phase::Failed(_) | Phase::Cancelled)
    }

    /// Whether the worker has begun with it and is not done.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Painting | Phase::Decoding)
    }

    /// Takes what happened at `now`. What comes after the end is left out.
    pub fn apply(&mut self, event: RunEvent<F>, now: Instant) {
        if self.is_over() {
            return;
        }
        match event {
            RunEvent::Queued { ahead } => self.phase = Phase::Queued { ahead },
            RunEvent::Started(started) => {
                (self.image, self.step, self.total) = (0, 0, started.steps);
                self.started = Some(started);
                self.phase = Phase::Preparing;
                self.last_step_at = Some(now);
            }
            RunEvent::Step {
                image,
                step,
                total,
                took,
            } => self.stepped(image, step, total, took, now),
            RunEvent::Preview { image, picture } => {
                if image >= self.image {
                    self.preview = Some(picture);
                }
            }
            RunEvent::Picture(made) => self.made(&made, now),
            RunEvent::Finished(timings) => self.end(Phase::Done(timings)),
            RunEvent::Failed(failure) => self.end(Phase::Failed(failure)),
            RunEvent::Cancelled => self.end(Phase::Cancelled),
        }
    }

    fn stepped(&mut self, image: u32, step: u32, total: u32, took: Option<Duration>, now: Instant) {
        if image > self.image {
            self.preview = None;
        }
        self.image = image;
        self.total = total.max(1);
        self.step = step.min(self.total);
        self.last_step_at = Some(now);
        if let Some(took) = took {
            if self.took.len() == REMEMBERED_STEPS {
                self.took.pop_front();
            }
            self.took.push_back(took);
        }
        self.phase = if self.step == self.total {
            Phase::Decoding
        } else {
            Phase::Painting
        };
    }

    fn made(&mut self, made: &Made, now: Instant) {
        self.pictures.push(made.picture.id());
        self.preview = None;
        self.last_step_at = Some(now);
        if made.index + 1 < self.settings.count {
            self.image = made.index + 1;
            self.step = 0;
            self.phase = Phase::Painting;
        }
    }

    fn end(&mut self, phase: Phase<F>) {
        self.phase = phase;
        self.preview = None;
        self.took.clear();
        self.last_step_at = None;
    }

    /// What a step takes, by the last ones; `None` before the first.
    #[must_use]
    pub fn usual_step(&self) -> Option<Duration> {
        let count = u32::try_from(self.took.len()).ok().filter(|&count| count > 0)?;
        Some(self.took.iter().sum::<Duration>() / count)
    }

    /// How long the steps that are left will take from `now`, if a step takes what the last ones took.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        if !matches!(self.phase, Phase::Painting | Phase::Decoding) {
            return None;
        }
        let whole = u64::from(self.total) * u64::from(self.settings.count.saturating_sub(self.image));
        let steps = u32::try_from(whole.saturating_sub(u64::from(self.step))).unwrap_or(u32::MAX);
        let left = self.usual_step()?.checked_mul(steps)?;
        let since = self
            .last_step_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        Some(left.saturating_sub(since))
    }

    /// The share of all steps that is done, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        if matches!(self.phase, Phase::Done(_)) {
            return 1.0;
        }
        let whole = u64::from(self.total) * u64::from(self.settings.count.max(1));
        if whole == 0 {
            return 0.0;
        }
        let done = u64::from(self.image) * u64::from(self.total) + u64::from(self.step);
        (done as f32 / whole as f32).clamp(0.0, 1.0)
    }

    /// The size of what becomes of it, once the worker began.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        self.started.as_ref().map(|started| started.size)
    }
}

#[cfg(test)]
mod tests;
