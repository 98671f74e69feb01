//! What a person sets for a picture. What is left open is `None`: the worker takes what suits its model, and the window
//! shows what that is ([`Facts`]).

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::seed::Seed;
use super::size::{EDGE_STEP, EDGES, Size};
use super::source::Source;
use super::words::{Sampler, Schedule};
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
    /// The text encoder's blocks that are left out, counted as the web interfaces do.
    pub clip_skip: Option<u32>,
    /// Where the noise begins.
    pub seed: Seed,
    /// How many pictures.
    pub count: u32,
    /// LoRAs.
    pub loras: Vec<LoraUse>,
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
            clip_skip: None,
            seed: Seed::default(),
            count: 1,
            loras: Vec::new(),
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
        None
    }

    /// Whether the prompt and all else is as at the beginning.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::facts::tests::facts;
    use super::super::picture::tests::picture;
    use super::*;

    #[test]
    fn a_schedule_that_does_not_go_with_the_sampler_is_let_go() {
        let mut settings = Settings {
            schedule: Some(Schedule::Karras),
            ..Settings::default()
        };
        settings.set_sampler(Some(Sampler::EulerA), &facts());
        assert_eq!(settings.schedule, Some(Schedule::Karras));
        settings.set_sampler(Some(Sampler::Ddim), &facts());
        assert_eq!(settings.schedule, None);
    }

    #[test]
    fn a_lora_is_there_once_and_only_so_many_are() {
        let mut settings = Settings::default();
        assert!(settings.add_lora("local:honey".into(), 0.8));
        settings.loras[0].enabled = false;
        assert!(settings.add_lora("local:honey".into(), 0.1));
        assert_eq!((settings.loras.len(), settings.loras[0].weight), (1, 0.8));
        settings.set_lora_weight(&"local:honey".into(), 99.0);
        assert!((settings.loras[0].weight - MAX_LORA_WEIGHT).abs() < f32::EPSILON);
        for index in 0..MAX_LORAS {
            settings.add_lora(format!("local:{index}").into(), 1.0);
        }
        assert_eq!(settings.loras.len(), MAX_LORAS);
        assert!(!settings.add_lora("local:late".into(), 1.0));
    }

    #[test]
    fn the_size_follows_the_picture_to_begin_from() {
        let mut source = Source::new(picture(1), "bee.png".into()).unwrap();
        assert_eq!(source.size, Size { width: 1, height: 1 });
        source.size = Size {
            width: 4000,
            height: 3000,
        };
        let mut settings = Settings::default();
        settings.set_source(source, Some(&facts()));
        assert_eq!(
            settings.size,
            Some(Size {
                width: 592,
                height: 440
            })
        );
    }

    #[test]
    fn what_cannot_be_asked_for_is_told() {
        let mut settings = Settings {
            size: Some(Size {
                width: 100,
                height: 512,
            }),
            ..Settings::default()
        };
        assert!(settings.problem().unwrap().contains("100×512"));
        settings.size = None;
        assert_eq!(settings.problem(), None);
        settings.prompt = "x".repeat(MAX_PROMPT_BYTES + 1);
        assert!(settings.problem().unwrap().contains("prompt"));
    }

    #[test]
    fn settings_survive_a_restart_and_unknown_ones_do_no_harm() {
        let mut settings = Settings {
            prompt: "蜂 🐝".into(),
            sampler: Some(Sampler::EulerA),
            ..Settings::default()
        };
        settings.add_lora("local:honey".into(), 0.8);
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("euler_a"));
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        let other: Settings = serde_json::from_str(r#"{"prompt": "a bee", "colour": 7}"#).unwrap();
        assert_eq!((other.prompt.as_str(), other.count), ("a bee", 1));
    }

    proptest! {
        #[test]
        fn every_setter_leaves_what_a_worker_takes(
            steps: u32, count: u32, guidance: f32, width: u32, height: u32, native in 64u32..2048
        ) {
            let mut settings = Settings::default();
            settings.set_steps(steps);
            settings.set_count(count);
            settings.set_guidance(guidance);
            let size = Size { width, height };
            settings.size = Some(size.nearest());
            prop_assert!(settings.problem().is_none());
            prop_assert!((1..=MAX_STEPS).contains(&settings.steps.unwrap()));
            prop_assert!((1..=MAX_COUNT).contains(&settings.count));
            prop_assert!(settings.guidance.is_none_or(|guidance| (0.0..=MAX_GUIDANCE).contains(&guidance)));
            prop_assert!(size.of_shape(native).is_possible());
            let small = size.within(64);
            prop_assert!(small.width <= 64 && small.height <= 64);
        }
    }
}
