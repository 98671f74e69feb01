//! What a person sets for a picture. What is left open is `None`: the worker takes what suits its model, and the window
//! shows what that is ([`Facts`]).

use serde::{Deserialize, Serialize};

use super::extras::{EmbeddingUse, HighResolution, MAX_EMBEDDINGS, problem_of_words};
use super::facts::Facts;
use super::from_picture::short_name;
use super::seed::Seed;
use super::size::{EDGE_STEP, EDGES, Size};
use super::source::Source;
use super::words::{Convention, Sampler, Schedule};
use crate::model::ids::ModelId;

/// Most steps.
pub const MAX_STEPS: u32 = 200;
/// Largest guidance.
pub const MAX_GUIDANCE: f32 = 50.0;
/// Most pictures of one request.
pub const MAX_COUNT: u32 = 16;
/// Most LoRAs of one request.
pub const MAX_LORAS: usize = 16;
/// Strongest LoRA, both ways.
pub const MAX_LORA_WEIGHT: f32 = 10.0;
/// Most bytes of a prompt.
pub const MAX_PROMPT_BYTES: usize = 16 << 10;

/// A LoRA to use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraUse {
    /// Which.
    pub model_id: ModelId,
    /// How strongly.
    pub weight: f32,
    /// Whether it is used at all; one that is not keeps its weight.
    pub enabled: bool,
}

/// All that is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// The size; `None` for what the model was made for.
    pub size: Option<Size>,
    /// Steps.
    pub steps: Option<u32>,
    /// How closely the prompt is followed.
    pub guidance: Option<f32>,
    /// How noise becomes a picture.
    pub sampler: Option<Sampler>,
    /// Which noise levels.
    pub schedule: Option<Schedule>,
    /// Whose rules hold.
    pub convention: Option<Convention>,
    /// The text encoder's blocks that are left out, counted as the web interfaces do.
    pub clip_skip: Option<u32>,
    /// Where the noise begins.
    pub seed: Seed,
    /// How many pictures.
    pub count: u32,
    /// LoRAs.
    pub loras: Vec<LoraUse>,
    /// Embeddings.
    pub embeddings: Vec<EmbeddingUse>,
    /// A VAE in place of the model's own.
    pub vae: Option<ModelId>,
    /// A second, larger pass.
    pub high_resolution: Option<HighResolution>,
    /// A picture to begin from. Not kept over restarts.
    #[serde(skip)]
    pub source: Option<Source>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            size: None,
            steps: None,
            guidance: None,
            sampler: None,
            schedule: None,
            convention: None,
            clip_skip: None,
            seed: Seed::default(),
            count: 1,
            loras: Vec::new(),
            embeddings: Vec::new(),
            vae: None,
            high_resolution: None,
            source: None,
        }
    }
}

impl Settings {
    /// Sets the steps, within what a worker takes.
    pub fn set_steps(&mut self, steps: u32) {
        self.steps = Some(steps.clamp(1, MAX_STEPS));
    }

    /// Sets the guidance, within what a worker takes.
    pub fn set_guidance(&mut self, guidance: f32) {
        if guidance.is_finite() {
            self.guidance = Some(guidance.clamp(0.0, MAX_GUIDANCE));
        }
    }

    /// Sets how many pictures, within what a worker takes.
    pub fn set_count(&mut self, count: u32) {
        self.count = count.clamp(1, MAX_COUNT);
    }

    /// Sets the sampler, and lets go of a schedule that does not go with it.
    pub fn set_sampler(&mut self, sampler: Option<Sampler>, facts: &Facts) {
        self.sampler = sampler;
        let schedules = facts.schedules(sampler);
        if self
            .schedule
            .is_some_and(|schedule| !schedules.contains(&schedule))
        {
            self.schedule = None;
        }
    }

    /// Adds a LoRA; one that is there is used again. Answers whether there was room.
    pub fn add_lora(&mut self, model_id: ModelId, weight: f32) -> bool {
        if let Some(lora) = self.loras.iter_mut().find(|lora| lora.model_id == model_id) {
            lora.enabled = true;
            return true;
        }
        if self.loras.len() >= MAX_LORAS {
            return false;
        }
        self.loras.push(LoraUse {
            model_id,
            weight: weight.clamp(-MAX_LORA_WEIGHT, MAX_LORA_WEIGHT),
            enabled: true,
        });
        true
    }

    /// Sets how strongly a LoRA is used.
    pub fn set_lora_weight(&mut self, model_id: &ModelId, weight: f32) {
        let found = self.loras.iter_mut().find(|lora| lora.model_id == *model_id);
        if let (Some(lora), true) = (found, weight.is_finite()) {
            lora.weight = weight.clamp(-MAX_LORA_WEIGHT, MAX_LORA_WEIGHT);
        }
    }

    /// The LoRAs that are used.
    pub fn used_loras(&self) -> impl Iterator<Item = &LoraUse> {
        self.loras.iter().filter(|lora| lora.enabled)
    }

    /// Adds an embedding, called by its name; one that is there stays as it is. Answers whether there was room.
    pub fn add_embedding(&mut self, model_id: ModelId) -> bool {
        if self.embeddings.iter().any(|known| known.model_id == model_id) {
            return true;
        }
        if self.embeddings.len() >= MAX_EMBEDDINGS {
            return false;
        }
        let word = short_name(&model_id).to_owned();
        self.embeddings.push(EmbeddingUse { model_id, word });
        true
    }

    /// What is used beside the model, each once.
    #[must_use]
    pub fn add_ons(&self) -> Vec<ModelId> {
        let loras = self.used_loras().map(|lora| &lora.model_id);
        let embeddings = self.embeddings.iter().map(|embedding| &embedding.model_id);
        let mut ids: Vec<_> = loras.chain(embeddings).chain(&self.vae).cloned().collect();
        ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        ids.dedup();
        ids
    }

    /// Takes a picture to begin from; the size follows its shape.
    pub fn set_source(&mut self, source: Source, facts: Option<&Facts>) {
        let native_edge = facts.map_or(512, |facts| facts.native_edge);
        self.size = Some(source.size.of_shape(native_edge));
        self.source = Some(source);
    }

    /// The first thing that keeps these settings from being asked for, in a sentence.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        for (name, text) in [
            ("prompt", &self.prompt),
            ("negative prompt", &self.negative_prompt),
        ] {
            if text.len() > MAX_PROMPT_BYTES {
                return Some(format!("The {name} is longer than 16 KiB."));
            }
        }
        if let Some(size) = self.size.filter(|size| !size.is_possible()) {
            return Some(format!(
                "{size} can't be made: each edge is a multiple of {EDGE_STEP} from {} to {}.",
                EDGES.start(),
                EDGES.end()
            ));
        }
        if let (Some(size), Some(pass)) = (self.size, self.high_resolution)
            && !pass.is_possible(size)
        {
            return Some(format!(
                "{size} can't be made {:.1} times as large: an edge has at most {}.",
                pass.scale,
                EDGES.end()
            ));
        }
        problem_of_words(&self.embeddings)
    }

    /// Whether the prompt and all else is as at the beginning.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
