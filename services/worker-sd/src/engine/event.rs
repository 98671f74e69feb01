//! What a request for pictures says while it is worked on, and at its end.

use std::time::Duration;

use crate::domain::Format;
use crate::sampler::Method;
use crate::schedule::Schedule;

/// One message of a [`PictureStream`](super::PictureStream).
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It waits, and so many are before it.
    Queued {
        /// Requests before it.
        ahead: usize,
    },
    /// It was taken from the queue.
    Started(Started),
    /// A step is done.
    Step(Step),
    /// A small picture.
    Preview {
        /// The picture, from 0.
        image: u32,
        /// The step that it comes after, from 1.
        step: u32,
        /// It, as PNG.
        png: Vec<u8>,
    },
    /// A picture.
    Picture(Picture),
    /// All pictures are done; nothing comes after it.
    Finished(Timings),
}

/// What is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// Seed of the first picture.
    pub seed: u64,
    /// Width in pixels at the end.
    pub width: u32,
    /// Height in pixels at the end.
    pub height: u32,
    /// The sampler.
    pub method: Method,
    /// The schedule.
    pub schedule: Schedule,
    /// Steps of each picture, all passes together.
    pub steps: u32,
    /// How closely the prompt is followed.
    pub guidance: f32,
    /// Ids of the LoRAs in use.
    pub loras: Vec<String>,
}

/// A step that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The picture, from 0.
    pub image: u32,
    /// The step, from 1.
    pub step: u32,
    /// How many there will be.
    pub total: u32,
    /// Noise level after it.
    pub sigma: f64,
    /// What it took.
    pub duration: Duration,
}

/// A picture's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Which, from 0.
    pub image: u32,
    /// Its seed.
    pub seed: u64,
    /// How it is written.
    pub format: Format,
    /// The file.
    pub data: Vec<u8>,
    /// Its settings as text.
    pub parameters: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// How long it took, as measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for its turn.
    pub queue: Duration,
    /// Text encoders, with LoRAs.
    pub text: Duration,
    /// All steps.
    pub denoise: Duration,
    /// Between pixels and latents, both ways.
    pub decode: Duration,
}
