//! From a request to the pipeline's settings. Pictures are decoded here, on the engine's thread, when their turn has
//! come: who waits takes no more memory than the files.

use crate::domain::{Choices, Initial, Violations};
use crate::engine::{EngineError, Work};
use crate::picture::{decode_mask, decode_picture, scale_mask, scale_picture};
use crate::pipeline::{self, Mask, Picture, Sampling, Settings, Size};

/// The settings, without embeddings.
pub(super) fn of(work: &Work) -> Result<Settings, EngineError> {
    let Work { request, choices } = work;
    let initial = request
        .initial
        .as_ref()
        .map(|initial| initial_of(initial, choices))
        .transpose()?;
    Ok(Settings {
        initial,
        ..without_pictures(work)
    })
}

/// The settings, without embeddings and the picture to begin from.
pub(super) fn without_pictures(work: &Work) -> Settings {
    let Work { request, choices } = work;
    Settings {
        prompt: request.prompt.clone(),
        negative_prompt: request.negative_prompt.clone(),
        size: Size {
            width: choices.width as usize,
            height: choices.height as usize,
        },
        guidance: choices.guidance,
        seed: choices.seed,
        count: request.count,
        sampling: Sampling {
            method: choices.method,
            schedule: choices.schedule,
            convention: choices.convention,
            spacing: None,
            steps: choices.steps as usize,
        },
        noise: choices.noise,
        syntax: choices.syntax,
        clip_skip: request.clip_skip,
        initial: None,
        high_resolution: request.high_resolution.map(|pass| pipeline::HighResolution {
            scale: pass.scale,
            strength: pass.strength,
            steps: pass.steps.map(|steps| steps as usize),
        }),
        embeddings: Vec::new(),
        preview_every: request.preview_every,
    }
}

fn initial_of(initial: &Initial, choices: &Choices) -> Result<pipeline::Initial, EngineError> {
    let size = (choices.width, choices.height);
    let (width, height) = (choices.width as usize, choices.height as usize);
    let picture = decode_picture(&initial.image)
        .map_err(|error| Violations::of("initial_image.image", error.to_string()))?;
    let mask = initial
        .mask
        .as_deref()
        .map(decode_mask)
        .transpose()
        .map_err(|error| Violations::of("initial_image.mask", error.to_string()))?;
    Ok(pipeline::Initial {
        picture: Picture {
            width,
            height,
            rgb: scale_picture(picture, size).into_raw(),
        },
        strength: initial.strength,
        mask: mask.map(|mask| Mask {
            width,
            height,
            levels: scale_mask(mask, size).into_raw(),
        }),
    })
}
