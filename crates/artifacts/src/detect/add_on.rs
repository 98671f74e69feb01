//! Files that are used with a model and not alone: VAEs, text encoders, embeddings, ControlNets.

use super::error::DetectError;
use super::layout::Layout;
use super::lora::LoraFacts;
use super::precision::{Precision, parameter_count, precision};
use super::prediction::Evidence;
use super::stable_diffusion::has_text_encoder;
use super::unet::unet;
use crate::{AddOnKind, StableDiffusionVersion};

/// Something that is used with a model and not alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnFacts {
    /// What it is.
    pub kind: AddOnKind,
    /// The family it goes with and how that is known; `None` where nothing tells.
    pub base: Option<(StableDiffusionVersion, Evidence)>,
    /// More of it, where it is a LoRA.
    pub lora: Option<LoraFacts>,
    /// How the weights are stored.
    pub precision: Option<Precision>,
    /// How many numbers the weights hold.
    pub parameter_count: u64,
}

impl AddOnFacts {
    pub(super) fn new(
        layout: &Layout<'_>,
        kind: AddOnKind,
        base: Option<(StableDiffusionVersion, Evidence)>,
        lora: Option<LoraFacts>,
    ) -> Self {
        Self {
            kind,
            base,
            lora,
            precision: precision(layout),
            parameter_count: parameter_count(layout),
        }
    }
}

/// Reads an add-on other than a LoRA; `None` where the file is none that is known.
///
/// # Errors
/// When it is one of a kind that is known, but its shapes are wrong or no worker can use it.
pub(super) fn add_on(layout: &Layout<'_>, file: &str) -> Result<Option<AddOnFacts>, DetectError> {
    if let Some(base) = control_net(layout, file)? {
        return Ok(Some(AddOnFacts::new(layout, AddOnKind::ControlNet, base, None)));
    }
    if let Some(base) = embedding(layout, file)? {
        return Ok(Some(AddOnFacts::new(layout, AddOnKind::Embedding, base, None)));
    }
    if is_preview_vae(layout) {
        return Ok(Some(AddOnFacts::new(layout, AddOnKind::PreviewVae, None, None)));
    }
    if is_vae(layout, file)? {
        return Ok(Some(AddOnFacts::new(layout, AddOnKind::Vae, None, None)));
    }
    if has_text_encoder(layout) {
        return Ok(Some(AddOnFacts::new(layout, AddOnKind::TextEncoder, None, None)));
    }
    Ok(None)
}

type Base = Option<(StableDiffusionVersion, Evidence)>;

/// ControlNets are the first half of a UNet, with convolutions that begin at zero.
fn control_net(layout: &Layout<'_>, file: &str) -> Result<Option<Base>, DetectError> {
    if layout.has("lora_controlnet") {
        return Err(DetectError::unsupported(
            file,
            "lora_controlnet",
            "marks a Control-LoRA, which no worker serves",
        ));
    }
    let prefix = if layout.has("control_model.input_hint_block.0.weight") {
        "control_model."
    } else if layout.has("input_hint_block.0.weight")
        || layout.has("controlnet_cond_embedding.conv_in.weight")
    {
        ""
    } else {
        return Ok(None);
    };
    let unet = unet(layout, prefix, file)?;
    Ok(Some(unet.map(|unet| (unet.version, Evidence::Tensors))))
}

/// Textual inversion: one or a few vectors as long as a text encoder's states. Only their length tells
/// the family, but for SDXL, which has a pair of them.
fn embedding(layout: &Layout<'_>, file: &str) -> Result<Option<Base>, DetectError> {
    // Files with a handful of tensors only, so that no model is taken for an embedding.
    if layout.tensors().len() > 4 {
        return Ok(None);
    }
    if layout.has("clip_l") && layout.has("clip_g") {
        return Ok(Some(Some((StableDiffusionVersion::Xl, Evidence::Tensors))));
    }
    let vectors = match layout.tensors() {
        // diffusers names the one tensor like the word it stands for: `<cat-toy>`.
        [only] if only.name.starts_with('<') || only.shape.len() <= 2 && is_text_width(only.shape) => *only,
        _ => match layout.get("emb_params") {
            Some(vectors) => vectors,
            None => return Ok(None),
        },
    };
    match vectors.shape {
        [width] | [1..=256, width] => Ok(Some(base_by_text_width(*width))),
        shape => Err(DetectError::invalid(
            file,
            vectors.name,
            format!("has the shape {shape:?}, but an embedding is 1 to 256 vectors"),
        )),
    }
}

fn is_text_width(shape: &[u64]) -> bool {
    matches!(shape, [width] | [1..=256, width] if base_by_text_width(*width).is_some())
}

fn base_by_text_width(width: u64) -> Base {
    match width {
        768 => Some((StableDiffusionVersion::V1_5, Evidence::Tensors)),
        1024 => Some((StableDiffusionVersion::V2_1, Evidence::Tensors)),
        1280 => Some((StableDiffusionVersion::Xl, Evidence::Tensors)),
        _ => None,
    }
}

/// TAESD: a few convolutions in a row, in their author's naming or in diffusers'.
fn is_preview_vae(layout: &Layout<'_>) -> bool {
    let small = layout.tensors().len() < 300;
    let rows = |prefix: &str| {
        layout.has(&format!("{prefix}0.weight")) && layout.has_below(&format!("{prefix}1.conv.0."))
            || layout.has(&format!("{prefix}1.weight")) && layout.has_below(&format!("{prefix}3.conv.0."))
    };
    small
        && [
            "",
            "decoder.layers.",
            "encoder.layers.",
            "taesd_decoder.",
            "taesd_encoder.",
        ]
        .iter()
        .any(|prefix| rows(prefix))
}

/// The VAE of Stable Diffusion, whole or its decoder alone. Those of 1.x, 2.x and XL are built alike.
fn is_vae(layout: &Layout<'_>, file: &str) -> Result<bool, DetectError> {
    for prefix in ["", "first_stage_model.", "vae."] {
        let name = format!("{prefix}decoder.conv_in.weight");
        let blocks = ["up.0.block.0.", "up_blocks.0.resnets.0."];
        let Some(shape) = layout.shape(&name) else {
            continue;
        };
        if !blocks
            .iter()
            .any(|block| layout.has_below(&format!("{prefix}decoder.{block}")))
        {
            continue;
        }
        return match shape {
            [_, 4, 3, 3] => Ok(true),
            [_, channels, 3, 3] => Err(DetectError::unsupported(
                file,
                name,
                format!("belongs to a VAE with {channels} latent channels; Stable Diffusion has 4"),
            )),
            shape => Err(DetectError::unsupported(
                file,
                name,
                format!("has the shape {shape:?}, which no VAE of Stable Diffusion has"),
            )),
        };
    }
    Ok(false)
}
