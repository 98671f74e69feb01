//! Pictures, as `rbee image --json` prints them. The bytes are in the files.

use std::path::Path;

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::generate_image_response::Event as Wire;
use serde::Serialize;

use crate::render::human;

/// One event.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// It waits.
    Queued {
        /// How many are before it.
        position: u32,
    },
    /// It was taken from the queue.
    Started {
        /// Seed of the first picture.
        seed: u64,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Steps of each picture.
        steps: u32,
        /// How closely the prompt is followed.
        guidance_scale: f32,
        /// LoRAs in use.
        loras: &'a [String],
    },
    /// A step is done.
    Step {
        /// The picture, from 0.
        image: u32,
        /// The step, from 1.
        step: u32,
        /// How many there will be.
        total_steps: u32,
        /// Noise level after it.
        sigma: f64,
        /// What it took.
        ms: Option<f64>,
    },
    /// A small picture was written.
    Preview {
        /// The picture, from 0.
        image: u32,
        /// The step that it comes after.
        step: u32,
        /// Where.
        file: String,
    },
    /// A picture was written.
    Image {
        /// The picture, from 0.
        image: u32,
        /// Its seed.
        seed: u64,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Its settings.
        parameters: &'a str,
        /// Where.
        file: String,
    },
    /// All are done. What was not measured is null.
    Finished {
        /// Waiting for its turn.
        queue_ms: Option<f64>,
        /// Text encoders.
        text_ms: Option<f64>,
        /// All steps.
        denoise_ms: Option<f64>,
        /// Between pixels and latents.
        decode_ms: Option<f64>,
    },
}

impl<'a> Event<'a> {
    /// Of what a worker said, and the file that was written of it.
    pub(crate) fn new(event: &'a Wire, file: Option<&Path>) -> Option<Self> {
        let file = || file.map(|file| file.display().to_string());
        Some(match event {
            Wire::Queued(queued) => Self::Queued {
                position: queued.position,
            },
            Wire::Started(started) => Self::Started {
                seed: started.seed,
                width: started.width,
                height: started.height,
                steps: started.steps,
                guidance_scale: started.guidance_scale,
                loras: &started.lora_model_ids,
            },
            Wire::Step(step) => Self::Step {
                image: step.image,
                step: step.step,
                total_steps: step.total_steps,
                sigma: step.sigma,
                ms: milliseconds(step.duration.as_ref()),
            },
            Wire::Preview(preview) => Self::Preview {
                image: preview.image,
                step: preview.step,
                file: file()?,
            },
            Wire::Image(image) => Self::Image {
                image: image.image,
                seed: image.seed,
                width: image.width,
                height: image.height,
                parameters: &image.parameters,
                file: file()?,
            },
            Wire::Finished(finished) => {
                let timings = finished.timings.unwrap_or_default();
                Self::Finished {
                    queue_ms: milliseconds(timings.queue.as_ref()),
                    text_ms: milliseconds(timings.text.as_ref()),
                    denoise_ms: milliseconds(timings.denoise.as_ref()),
                    decode_ms: milliseconds(timings.decode.as_ref()),
                }
            }
        })
    }
}

fn milliseconds(duration: Option<&prost_types::Duration>) -> Option<f64> {
    duration
        .and_then(human::from_proto)
        .map(|duration| duration.as_micros() as f64 / 1000.0)
}

/// `text 0.12 s, steps 24.50 s, decoding 1.31 s`
pub(crate) fn timings_line(finished: &proto::ImageFinished) -> String {
    let timings = finished.timings.unwrap_or_default();
    let parts = [
        ("text", timings.text),
        ("steps", timings.denoise),
        ("decoding", timings.decode),
    ];
    let known = parts.iter().filter_map(|(name, duration)| {
        let seconds = human::from_proto(duration.as_ref()?)?.as_secs_f64();
        Some(format!("{name} {seconds:.2} s"))
    });
    known.collect::<Vec<_>>().join(", ")
}
