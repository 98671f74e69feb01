//! Turns what a painter tells into a job's events.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use image::RgbImage;
use rbee_service_kit::fault::Chain;

use super::error::EngineError;
use super::event::{Event, Picture, Started, Step};
use super::handle::Counters;
use super::painter::Progress;
use super::queue::{Job, Queue};
use crate::picture::{EncodeError, Used, encode, encode_preview, parameters};

/// Previews that wait to be read; more are left out, since the next one is the better one.
const UNREAD_PREVIEWS: usize = 4;

/// Hears of a job's work.
pub(super) struct Reporter<'a> {
    pub(super) job: &'a Job,
    pub(super) model_id: &'a str,
    pub(super) queue: &'a Queue,
    pub(super) counters: &'a Counters,
    /// What went wrong here, if anything did.
    pub(super) failure: &'a mut Option<EngineError>,
}

impl Reporter<'_> {
    /// Whether the work is wanted.
    fn wanted(&self) -> ControlFlow<()> {
        if self.failure.is_some() || self.queue.is_aborting() || self.job.events.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn send(&self, event: Event) -> ControlFlow<()> {
        // Who left is found right after.
        let _ = self.job.events.send(Ok(event));
        self.wanted()
    }

    fn failed(&mut self, error: &EncodeError) -> ControlFlow<()> {
        *self.failure = Some(EngineError::Failed {
            message: Chain(error).to_string(),
        });
        ControlFlow::Break(())
    }
}

impl Progress for Reporter<'_> {
    fn started(&mut self, steps: u32) -> ControlFlow<()> {
        let choices = &self.job.work.choices;
        let loras = &self.job.work.request.loras;
        self.send(Event::Started(Started {
            seed: choices.seed,
            width: choices.final_width,
            height: choices.final_height,
            method: choices.method,
            schedule: choices.schedule,
            steps,
            guidance: choices.guidance,
            loras: loras.iter().map(|lora| lora.model_id.to_string()).collect(),
        }))
    }

    fn step(&mut self, step: Step) -> ControlFlow<()> {
        self.counters.steps.fetch_add(1, Ordering::Relaxed);
        self.send(Event::Step(step))
    }

    fn preview(&mut self, image: u32, step: u32, preview: &RgbImage) {
        if self.job.unread_previews.load(Ordering::Relaxed) >= UNREAD_PREVIEWS {
            return;
        }
        match encode_preview(preview) {
            Ok(png) => {
                self.job.unread_previews.fetch_add(1, Ordering::Relaxed);
                let _ = self.send(Event::Preview { image, step, png });
            }
            // The picture itself is still to come.
            Err(error) => tracing::warn!(error = %Chain(&error), "a preview could not be written"),
        }
    }

    fn picture(&mut self, image: u32, seed: u64, picture: &RgbImage) -> ControlFlow<()> {
        // Who left while it was decoded needs no file.
        self.wanted()?;
        let super::painter::Work { request, choices } = &*self.job.work;
        let used = Used {
            model_id: self.model_id,
            seed,
        };
        let parameters = parameters(request, choices, used).to_string();
        let embedded = request.with_parameters.then_some(parameters.as_str());
        let data = match encode(picture, request.format, embedded) {
            Ok(data) => data,
            // A JPEG has room for almost every prompt; for the others the picture is worth more than its settings.
            Err(EncodeError::Parameters(_)) => match encode(picture, request.format, None) {
                Ok(data) => data,
                Err(error) => return self.failed(&error),
            },
            Err(error) => return self.failed(&error),
        };
        self.counters.images.fetch_add(1, Ordering::Relaxed);
        self.send(Event::Picture(Picture {
            image,
            seed,
            format: request.format,
            data,
            parameters,
            width: picture.width(),
            height: picture.height(),
        }))
    }

    fn pause(&mut self) -> ControlFlow<()> {
        self.wanted()
    }
}
