//! What the shapes of a denoising UNet tell, in the original naming and in that of diffusers.
//!
//! Models are told apart by how they are built, never by how wide they are: a UNet with half the
//! channels is still of its family.

use super::error::DetectError;
use super::layout::Layout;
use crate::StableDiffusionVersion;
use crate::names::named_enum;

/// Wider than any published model by far, and no more than sizes computed from it can hold.
const MAX_WIDTH: u64 = 1 << 16;

named_enum! {
    /// What a UNet is fed besides the noise, which tells what it is for.
    pub enum Task ("task") {
        /// A picture from text (4 channels).
        TextToImage = "text-to-image",
        /// The masked part of a picture (9 channels: noise, mask, masked picture).
        Inpainting = "inpainting",
        /// A picture changed by an instruction (8 channels).
        InstructEditing = "instruct-editing",
        /// A picture from text and a depth map (5 channels).
        DepthToImage = "depth-to-image",
    }
}

/// A UNet's build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnetFacts {
    /// The family it belongs to; `Xl` for anything built like SDXL's base model, distilled or not.
    pub version: StableDiffusionVersion,
    /// What it is for.
    pub task: Task,
    /// Channels of the first level: 320 in published models.
    pub base_width: u64,
    /// Channels that go in.
    pub in_channels: u64,
    /// Width of the text states that it attends to: 768, 1024, 2048 in published models.
    pub context_width: u64,
    /// Whether the guidance scale is an input, as in models distilled with LCM.
    pub embeds_guidance: bool,
}

/// The names of the parts that tell, in one naming.
struct Naming {
    first_convolution: &'static str,
    /// Below it, a block of the first level that has attention in all families but SDXL.
    first_level_attention: &'static str,
    /// Width of the pooled text and sizes is this matrix's row.
    conditioning: &'static str,
    /// Only models that know classes or noise levels have it.
    class_table: &'static str,
    guidance: &'static str,
    /// The convolutions that halve the picture, one less than there are levels.
    downsamplers: &'static [&'static str],
    video: &'static str,
}

const ORIGINAL: Naming = Naming {
    first_convolution: "input_blocks.0.0.weight",
    first_level_attention: "input_blocks.1.1.transformer_blocks.",
    conditioning: "label_emb.0.0.weight",
    class_table: "label_emb.weight",
    guidance: "time_embed.cond_proj.weight",
    downsamplers: &[
        "input_blocks.3.0.op.weight",
        "input_blocks.6.0.op.weight",
        "input_blocks.9.0.op.weight",
        "input_blocks.12.0.op.weight",
    ],
    video: "input_blocks.1.0.time_stack.",
};

const DIFFUSERS: Naming = Naming {
    first_convolution: "conv_in.weight",
    first_level_attention: "down_blocks.0.attentions.0.transformer_blocks.",
    conditioning: "add_embedding.linear_1.weight",
    class_table: "class_embedding.weight",
    guidance: "time_embedding.cond_proj.weight",
    downsamplers: &[
        "down_blocks.0.downsamplers.0.conv.weight",
        "down_blocks.1.downsamplers.0.conv.weight",
        "down_blocks.2.downsamplers.0.conv.weight",
        "down_blocks.3.downsamplers.0.conv.weight",
    ],
    video: "down_blocks.0.resnets.0.temporal_res_block.",
};

/// Finds a UNet whose names begin with `prefix`; `None` where there is none in either naming.
///
/// # Errors
/// When there is one, but its shapes make no UNet of Stable Diffusion; names the tensor.
pub fn unet(layout: &Layout<'_>, prefix: &str, file: &str) -> Result<Option<UnetFacts>, DetectError> {
    for naming in [&ORIGINAL, &DIFFUSERS] {
        let name = format!("{prefix}{}", naming.first_convolution);
        // The parts beside it are asked for as well: a VAE's decoder has a `conv_in`, too.
        if layout.has(&name) && layout.find(prefix, ".attn2.to_k.weight").is_some() {
            return Build {
                layout,
                prefix,
                file,
                naming,
            }
            .facts(&name)
            .map(Some);
        }
    }
    Ok(None)
}

struct Build<'a> {
    layout: &'a Layout<'a>,
    prefix: &'a str,
    file: &'a str,
    naming: &'static Naming,
}

impl Build<'_> {
    fn facts(&self, first_convolution: &str) -> Result<UnetFacts, DetectError> {
        let (base_width, in_channels) = match self.layout.shape(first_convolution) {
            Some(&[width @ 1..=MAX_WIDTH, channels @ 1..=64, 3, 3]) => (width, channels),
            shape => {
                return Err(DetectError::invalid(
                    self.file,
                    first_convolution,
                    format!(
                        "has the shape {:?}, which no first convolution has",
                        shape.unwrap_or_default()
                    ),
                ));
            }
        };
        let keys = self.layout.find(self.prefix, ".attn2.to_k.weight");
        let context_width = match keys.map(|keys| (keys.name, keys.shape)) {
            Some((_, &[1..=MAX_WIDTH, width @ 1..=MAX_WIDTH])) => width,
            keys => {
                let (name, shape) = keys.unwrap_or_default();
                return Err(DetectError::invalid(
                    self.file,
                    name,
                    format!("has the shape {shape:?}, but must be a matrix"),
                ));
            }
        };
        Ok(UnetFacts {
            version: self.version(first_convolution)?,
            task: self.task(first_convolution, in_channels)?,
            base_width,
            in_channels,
            context_width,
            embeds_guidance: self.has(self.naming.guidance),
        })
    }

    fn has(&self, part: &str) -> bool {
        self.layout.has(&format!("{}{part}", self.prefix))
    }

    fn has_below(&self, part: &str) -> bool {
        self.layout.has_below(&format!("{}{part}", self.prefix))
    }

    /// The family: SDXL and its refiner are given sizes and pooled text and have no attention on the
    /// first level; of the others, 2.x projects with matrices where 1.x has convolutions of one pixel.
    fn version(&self, first_convolution: &str) -> Result<StableDiffusionVersion, DetectError> {
        let foreign = |problem: &str| Err(DetectError::unsupported(self.file, first_convolution, problem));
        if self.has_below(self.naming.video) {
            return foreign("belongs to a video model, which no worker serves");
        }
        if self.has(self.naming.class_table) {
            return foreign(
                "belongs to a model that is told classes or noise levels (an upscaler), which no worker serves",
            );
        }
        let naming = self.naming;
        let levels = 1 + naming
            .downsamplers
            .iter()
            .take_while(|part| self.has(part))
            .count();
        match (
            self.has(naming.conditioning),
            self.has_below(naming.first_level_attention),
            levels,
        ) {
            (true, false, 3) => Ok(StableDiffusionVersion::Xl),
            (true, false, 4) => Ok(StableDiffusionVersion::XlRefiner),
            (true, true, _) => {
                foreign("belongs to a model that is told pictures (unCLIP), which no worker serves")
            }
            (false, true, 4) => self.version_by_projection(first_convolution),
            _ => foreign("belongs to a UNet that is built like none of Stable Diffusion 1.5, 2.1 and XL"),
        }
    }

    fn version_by_projection(&self, first_convolution: &str) -> Result<StableDiffusionVersion, DetectError> {
        let projection = self.layout.find(self.prefix, ".proj_in.weight");
        match projection.map(|tensor| (tensor.name, tensor.shape)) {
            Some((_, &[_, _, 1, 1])) => Ok(StableDiffusionVersion::V1_5),
            Some((_, &[_, _])) => Ok(StableDiffusionVersion::V2_1),
            Some((name, shape)) => Err(DetectError::invalid(
                self.file,
                name,
                format!("has the shape {shape:?}, but must be a matrix or a convolution of one pixel"),
            )),
            None => Err(DetectError::invalid(
                self.file,
                first_convolution,
                "belongs to a UNet whose attention has no proj_in",
            )),
        }
    }

    fn task(&self, first_convolution: &str, in_channels: u64) -> Result<Task, DetectError> {
        match in_channels {
            4 => Ok(Task::TextToImage),
            9 => Ok(Task::Inpainting),
            8 => Ok(Task::InstructEditing),
            5 => Ok(Task::DepthToImage),
            other => Err(DetectError::unsupported(
                self.file,
                first_convolution,
                format!(
                    "takes {other} channels; known are 4, 5 (depth), 8 (instructions) and 9 (inpainting)"
                ),
            )),
        }
    }
}
