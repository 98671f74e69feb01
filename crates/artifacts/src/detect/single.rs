//! One safetensors file: what it is, by the names and shapes of its tensors.

use std::collections::BTreeMap;

use super::Detected;
use super::add_on::{AddOnFacts, add_on};
use super::error::DetectError;
use super::layout::Layout;
use super::lora::lora;
use super::stable_diffusion::checkpoint;
use crate::AddOnKind;
use crate::names::excerpt;

/// Names of tensors that only models of other kinds have, and what those are.
const OTHER_MODELS: [(&str, &str); 22] = [
    ("double_blocks.", "a FLUX model"),
    ("model.diffusion_model.double_blocks.", "a FLUX model"),
    ("single_transformer_blocks.", "a FLUX model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    (
        "model.diffusion_model.joint_blocks.",
        "a Stable Diffusion 3 model",
    ),
    ("transformer_blocks.", "a diffusion transformer"),
    (
        "model.diffusion_model.transformer_blocks.",
        "a diffusion transformer",
    ),
    ("model.diffusion_model.layers.", "a diffusion transformer"),
    ("model.diffusion_model.blocks.", "a video model"),
    ("adapter.body.", "a T2I-Adapter"),
    ("body.0.", "a T2I-Adapter or an upscaler"),
    ("ip_adapter.", "an IP-Adapter"),
    ("image_proj.", "an IP-Adapter"),
    ("prior.", "a part of Stable Cascade or unCLIP"),
    ("effnet.", "a part of Stable Cascade"),
    ("vision_model.", "a picture encoder"),
    ("visual.", "a picture encoder"),
    ("encoder.block.", "a T5 text encoder"),
    ("conv_first.", "an upscaler"),
    ("model.0.", "an upscaler"),
    ("params_ema.", "an upscaler"),
    ("embeddings.word_embeddings.", "an encoder of text"),
];

/// What one file is, given its tensors and `__metadata__`. `file` is its name for error messages.
///
/// # Errors
/// When it is nothing that is known, something that no worker serves, or at odds with itself.
pub fn detect_file(
    layout: &Layout<'_>,
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Detected, DetectError> {
    // LoRAs and ControlNets first: both have parts with names of UNets in them.
    if let Some(facts) = lora(layout, metadata, file)? {
        let add_on = AddOnFacts::new(layout, AddOnKind::Lora, facts.base, Some(facts));
        return Ok(Detected::AddOn(add_on));
    }
    let motion = layout
        .tensors()
        .iter()
        .find(|tensor| tensor.name.contains("motion_modules."));
    if let Some(tensor) = motion {
        return Err(DetectError::unsupported(
            file,
            tensor.name,
            "belongs to a motion module, which no worker serves",
        ));
    }
    if layout.has("input_hint_block.0.weight")
        || layout.has_below("control_model.")
        || layout.has_below("controlnet_cond_embedding.")
    {
        if let Some(facts) = add_on(layout, file)? {
            return Ok(Detected::AddOn(facts));
        }
    } else if let Some(facts) = checkpoint(layout, metadata, file)? {
        return Ok(Detected::StableDiffusion(facts));
    }
    if let Some(facts) = add_on(layout, file)? {
        return Ok(Detected::AddOn(facts));
    }
    Err(unknown(layout, file))
}

/// Names of the weights of language models, which say nothing without the configuration beside them.
const LANGUAGE_MODELS: [&str; 4] = [
    "model.embed_tokens.",
    "model.layers.",
    "language_model.",
    "transformer.h.",
];

fn unknown(layout: &Layout<'_>, file: &str) -> DetectError {
    let Some(first) = layout.tensors().first() else {
        return DetectError::invalid(file, "header", "has no tensor");
    };
    let below = |prefix: &str| layout.below(prefix).first().map(|tensor| excerpt(tensor.name));
    if let Some(name) = LANGUAGE_MODELS.iter().find_map(|prefix| below(prefix)) {
        return DetectError::invalid(
            file,
            name,
            "belongs to a language model, whose safetensors files say nothing without their config.json: give the whole folder",
        );
    }
    let other = OTHER_MODELS
        .iter()
        .find_map(|&(prefix, what)| below(prefix).map(|name| (name, what)));
    match other {
        Some((name, what)) => {
            DetectError::unsupported(file, name, format!("belongs to {what}, which no worker serves"))
        }
        None => DetectError::unsupported(
            file,
            excerpt(first.name),
            format!(
                "is one of {} tensors whose names no known model has",
                layout.tensors().len()
            ),
        ),
    }
}
