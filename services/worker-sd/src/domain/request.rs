//! A request for pictures, with every range that the contract names.

use rbee_artifacts::ModelId;

use super::Violations;
pub use crate::prompt::PromptSyntax;
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::{Convention, Schedule};

/// Most bytes of a prompt.
pub const MAX_PROMPT_BYTES: usize = 16 << 10;
/// Smallest and largest edge of a picture in pixels.
pub const EDGES: std::ops::RangeInclusive<u32> = 64..=4096;
/// What an edge must be a multiple of.
pub const EDGE_STEP: u32 = 8;
/// Most steps.
pub const MAX_STEPS: u32 = 200;
/// Most pictures of one request.
pub const MAX_COUNT: u32 = 16;
/// Largest guidance.
pub const MAX_GUIDANCE: f32 = 50.0;
/// Most blocks that a text encoder leaves out, counted from 1.
pub const MAX_CLIP_SKIP: u32 = 12;
/// Most bytes of a picture that comes with a request.
pub const MAX_PICTURE_BYTES: usize = 32 << 20;
/// Most LoRAs.
pub const MAX_LORAS: usize = 16;
/// Strongest LoRA.
pub const MAX_LORA_WEIGHT: f32 = 10.0;
/// Most embeddings.
pub const MAX_EMBEDDINGS: usize = 32;
/// Most bytes of an embedding's word.
pub const MAX_WORD_BYTES: usize = 128;
/// Largest scale of a second pass.
pub const MAX_SCALE: f32 = 4.0;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG of this quality, 1 to 100.
    Jpeg {
        /// 1 to 100.
        quality: u32,
    },
    /// WebP without loss.
    Webp,
}

/// A picture to begin from.
#[derive(Debug, Clone, PartialEq)]
pub struct Initial {
    /// PNG, JPEG or WebP.
    pub image: Vec<u8>,
    /// How much of it is made anew, above 0 to 1.
    pub strength: f32,
    /// What is made anew; `None` for all of it.
    pub mask: Option<Vec<u8>>,
}

/// A second, larger picture made from the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HighResolution {
    /// How many times wider and higher, above 1.
    pub scale: f32,
    /// How much is made anew, above 0 to 1.
    pub strength: f32,
    /// Steps of this pass; `None` for those of the first.
    pub steps: Option<u32>,
}

/// A LoRA to use.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraUse {
    /// Its id in the catalog.
    pub model_id: ModelId,
    /// How strongly in the UNet.
    pub weight: f32,
    /// How strongly in the text encoders.
    pub text_encoder_weight: f32,
}

/// An embedding to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingUse {
    /// Its id in the catalog.
    pub model_id: ModelId,
    /// The word that stands for it.
    pub word: String,
}

/// How noise becomes a picture; what is absent follows from the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Steps.
    pub steps: Option<u32>,
    /// How closely the prompt is followed.
    pub guidance: Option<f32>,
    /// How noise becomes a picture.
    pub method: Option<Method>,
    /// Which noise levels.
    pub schedule: Option<Schedule>,
    /// Whose rules hold.
    pub convention: Convention,
    /// Where noise comes from.
    pub noise: Option<NoiseSource>,
}

/// A request for pictures. What is absent takes a default that suits the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRequest {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen; `None` is not the same as empty for every model.
    pub negative_prompt: Option<String>,
    /// How prompts are read; `None` as the convention has it.
    pub syntax: Option<PromptSyntax>,
    /// The text encoder's blocks that are left out, 1 for none.
    pub clip_skip: Option<u32>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// How noise becomes a picture.
    pub sampling: Sampling,
    /// Seed of the first picture; each further one has one more.
    pub seed: Option<u64>,
    /// Pictures.
    pub count: u32,
    /// A picture to begin from.
    pub initial: Option<Initial>,
    /// A second, larger picture.
    pub high_resolution: Option<HighResolution>,
    /// LoRAs.
    pub loras: Vec<LoraUse>,
    /// Embeddings.
    pub embeddings: Vec<EmbeddingUse>,
    /// A VAE in place of the model's own.
    pub vae: Option<ModelId>,
    /// A small picture after every so many steps.
    pub preview_every: Option<u32>,
    /// What they are decoded with; `None` for one pixel for each latent.
    pub preview_vae: Option<ModelId>,
    /// How pictures are written.
    pub format: Format,
    /// Whether the settings go into the pictures' files.
    pub with_parameters: bool,
}

impl Default for ImageRequest {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            syntax: None,
            clip_skip: None,
            width: None,
            height: None,
            sampling: Sampling {
                steps: None,
                guidance: None,
                method: None,
                schedule: None,
                convention: Convention::A1111,
                noise: None,
            },
            seed: None,
            count: 1,
            initial: None,
            high_resolution: None,
            loras: Vec::new(),
            embeddings: Vec::new(),
            vae: None,
            preview_every: None,
            preview_vae: None,
            format: Format::Png,
            with_parameters: true,
        }
    }
}

impl ImageRequest {
    /// Adds what is outside its range, field by field as the contract names them.
    pub fn check(&self, violations: &mut Violations) {
        self.check_text(violations);
        self.check_numbers(violations);
        self.check_initial(violations);
        self.check_high_resolution(violations);
        self.check_add_ons(violations);
    }

    fn check_text(&self, violations: &mut Violations) {
        let too_long = format!("must be at most {MAX_PROMPT_BYTES} bytes");
        violations.require(self.prompt.len() <= MAX_PROMPT_BYTES, "prompt", &too_long);
        let negative = self.negative_prompt.as_deref().unwrap_or_default();
        violations.require(negative.len() <= MAX_PROMPT_BYTES, "negative_prompt", &too_long);
        in_range(violations, "clip_skip", self.clip_skip, 1, MAX_CLIP_SKIP);
    }

    fn check_numbers(&self, violations: &mut Violations) {
        for (field, edge) in [("width", self.width), ("height", self.height)] {
            violations.require(
                edge.is_none_or(|edge| EDGES.contains(&edge) && edge.is_multiple_of(EDGE_STEP)),
                field,
                format!(
                    "must be a multiple of {EDGE_STEP} from {} to {}",
                    EDGES.start(),
                    EDGES.end()
                ),
            );
        }
        in_range(violations, "steps", self.sampling.steps, 1, MAX_STEPS);
        violations.require(
            self.sampling
                .guidance
                .is_none_or(|guidance| (0.0..=MAX_GUIDANCE).contains(&guidance)),
            "guidance_scale",
            format!("must be a number from 0 to {MAX_GUIDANCE}"),
        );
        in_range(violations, "count", Some(self.count), 1, MAX_COUNT);
        let last = u64::from(self.count.saturating_sub(1));
        violations.require(
            self.seed.is_none_or(|seed| seed.checked_add(last).is_some()),
            "seed",
            "must leave room for the seeds of all pictures",
        );
        if let (Some(method), Some(schedule)) = (self.sampling.method, self.sampling.schedule) {
            violations.require(
                method.schedules(self.sampling.convention).contains(&schedule),
                "schedule",
                format!(
                    "does not go with the sampler {} in this convention; ListSamplers tells what does",
                    method.name()
                ),
            );
        }
        violations.require(
            self.preview_every.is_none_or(|every| every >= 1),
            "previews.every_steps",
            "must be at least 1",
        );
        if let Format::Jpeg { quality } = self.format {
            in_range(violations, "jpeg_quality", Some(quality), 1, 100);
        }
    }

    fn check_initial(&self, violations: &mut Violations) {
        let Some(initial) = &self.initial else {
            return;
        };
        let size = format!("must be a picture of at most {MAX_PICTURE_BYTES} bytes");
        let fits = |bytes: &[u8]| (1..=MAX_PICTURE_BYTES).contains(&bytes.len());
        violations.require(fits(&initial.image), "initial_image.image", &size);
        violations.require(
            initial.mask.as_deref().is_none_or(fits),
            "initial_image.mask",
            &size,
        );
        share(violations, "initial_image.strength", initial.strength);
    }

    fn check_high_resolution(&self, violations: &mut Violations) {
        let Some(pass) = &self.high_resolution else {
            return;
        };
        violations.require(
            pass.scale > 1.0 && pass.scale <= MAX_SCALE,
            "high_resolution.scale",
            format!("must be a number above 1 to {MAX_SCALE}"),
        );
        share(violations, "high_resolution.strength", pass.strength);
        in_range(violations, "high_resolution.steps", pass.steps, 1, MAX_STEPS);
    }

    fn check_add_ons(&self, violations: &mut Violations) {
        violations.require(
            self.loras.len() <= MAX_LORAS,
            "loras",
            format!("must be at most {MAX_LORAS}"),
        );
        for (index, lora) in self.loras.iter().enumerate() {
            for (name, weight) in [
                ("weight", lora.weight),
                ("text_encoder_weight", lora.text_encoder_weight),
            ] {
                violations.require(
                    (-MAX_LORA_WEIGHT..=MAX_LORA_WEIGHT).contains(&weight),
                    &format!("loras[{index}].{name}"),
                    format!("must be a number from -{MAX_LORA_WEIGHT} to {MAX_LORA_WEIGHT}"),
                );
            }
        }
        violations.require(
            self.embeddings.len() <= MAX_EMBEDDINGS,
            "embeddings",
            format!("must be at most {MAX_EMBEDDINGS}"),
        );
        for (index, embedding) in self.embeddings.iter().enumerate() {
            let word = &embedding.word;
            let others = &self.embeddings[..index];
            violations.require(
                (1..=MAX_WORD_BYTES).contains(&word.len()) && word.trim() == word,
                &format!("embeddings[{index}].word"),
                format!("must be a word of 1 to {MAX_WORD_BYTES} bytes"),
            );
            violations.require(
                others.iter().all(|other| other.word != *word),
                &format!("embeddings[{index}].word"),
                "must not stand for another embedding already",
            );
        }
    }
}

fn in_range(violations: &mut Violations, field: &str, value: Option<u32>, least: u32, most: u32) {
    violations.require(
        value.is_none_or(|value| (least..=most).contains(&value)),
        field,
        format!("must be from {least} to {most}"),
    );
}

fn share(violations: &mut Violations, field: &str, value: f32) {
    violations.require(
        value > 0.0 && value <= 1.0,
        field,
        "must be a number above 0 to 1",
    );
}

#[cfg(test)]
mod tests;
