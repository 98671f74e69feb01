//! How the next token is chosen, and when an answer ends: what a conversation sets, and what holds where it sets nothing.

use serde::{Deserialize, Serialize};

/// Settings of a conversation. What is absent takes the worker's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<f32>,
    /// Choose among the likeliest tokens whose probabilities add up to this.
    pub top_p: Option<f32>,
    /// Choose among this many likeliest tokens; 0 for all.
    pub top_k: Option<u32>,
    /// Leave out tokens less likely than this share of the likeliest.
    pub min_p: Option<f32>,
    /// Divides the logits of tokens that occurred.
    pub repetition_penalty: Option<f32>,
    /// Subtracted from the logit of a token that occurred, however often.
    pub presence_penalty: Option<f32>,
    /// Subtracted from the logit of a token for each time that it occurred.
    pub frequency_penalty: Option<f32>,
    /// Seed; absent for a random one.
    pub seed: Option<u64>,
    /// Most tokens of an answer; absent until the context is full.
    pub max_tokens: Option<u32>,
    /// Strings that end the answer.
    pub stop_strings: Vec<String>,
    /// Whether the model thinks before it answers, for those that can be told; absent as the model does by itself.
    pub thinking: Option<bool>,
}

/// A number that one can turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Knob {
    /// [`Sampling::temperature`].
    Temperature,
    /// [`Sampling::top_p`].
    TopP,
    /// [`Sampling::top_k`].
    TopK,
    /// [`Sampling::min_p`].
    MinP,
    /// [`Sampling::repetition_penalty`].
    RepetitionPenalty,
    /// [`Sampling::presence_penalty`].
    PresencePenalty,
    /// [`Sampling::frequency_penalty`].
    FrequencyPenalty,
}

/// Between which values a knob turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The least.
    pub minimum: f32,
    /// The most.
    pub maximum: f32,
    /// From one stop to the next.
    pub step: f32,
}

/// What holds where a conversation sets nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingDefaults {
    /// For [`Knob::Temperature`].
    pub temperature: f32,
    /// For [`Knob::TopP`].
    pub top_p: f32,
    /// For [`Knob::TopK`].
    pub top_k: u32,
    /// For [`Knob::MinP`].
    pub min_p: f32,
    /// For [`Knob::RepetitionPenalty`].
    pub repetition_penalty: f32,
}

impl Default for SamplingDefaults {
    /// Those of `SamplingParameters` in the contract (`rbee/worker/v1/text_service.proto`).
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            min_p: 0.05,
            repetition_penalty: 1.0,
        }
    }
}

impl Knob {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Temperature,
        Self::TopP,
        Self::TopK,
        Self::MinP,
        Self::RepetitionPenalty,
        Self::PresencePenalty,
        Self::FrequencyPenalty,
    ];

    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Temperature => "Temperature",
            Self::TopP => "Top P",
            Self::TopK => "Top K",
            Self::MinP => "Min P",
            Self::RepetitionPenalty => "Repetition penalty",
            Self::PresencePenalty => "Presence penalty",
            Self::FrequencyPenalty => "Frequency penalty",
        }
    }

    /// What turning it does, in a line.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Temperature => "0 always takes the likeliest token; higher is freer.",
            Self::TopP => "Only the likeliest tokens that add up to this share.",
            Self::TopK => "Only this many of the likeliest tokens; 0 for all.",
            Self::MinP => "Leaves out tokens below this share of the likeliest.",
            Self::RepetitionPenalty => "Above 1 discourages what was said lately.",
            Self::PresencePenalty => "Above 0 leads to new subjects.",
            Self::FrequencyPenalty => "Above 0 discourages words the more, the more often they came.",
        }
    }

    /// Between which values it turns; those that the contract allows, where they are of use.
    #[must_use]
    pub fn bound(self) -> Bound {
        let bound = |minimum, maximum, step| Bound {
            minimum,
            maximum,
            step,
        };
        match self {
            Self::Temperature => bound(0.0, 2.0, 0.05),
            Self::TopP => bound(0.05, 1.0, 0.05),
            Self::TopK => bound(0.0, 200.0, 1.0),
            Self::MinP => bound(0.0, 0.5, 0.01),
            Self::RepetitionPenalty => bound(0.5, 2.0, 0.05),
            Self::PresencePenalty | Self::FrequencyPenalty => bound(-2.0, 2.0, 0.1),
        }
    }

    /// What it is at where nothing is set.
    #[must_use]
    pub fn default_value(self, defaults: &SamplingDefaults) -> f32 {
        match self {
            Self::Temperature => defaults.temperature,
            Self::TopP => defaults.top_p,
            Self::TopK => defaults.top_k as f32,
            Self::MinP => defaults.min_p,
            Self::RepetitionPenalty => defaults.repetition_penalty,
            Self::PresencePenalty | Self::FrequencyPenalty => 0.0,
        }
    }

    /// A value as it is shown.
    #[must_use]
    pub fn words(self, value: f32) -> String {
        if self == Self::TopK {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        }
    }
}

impl Sampling {
    /// What a knob is set to; absent where the default holds.
    #[must_use]
    pub fn get(&self, knob: Knob) -> Option<f32> {
        match knob {
            Knob::Temperature => self.temperature,
            Knob::TopP => self.top_p,
            Knob::TopK => self.top_k.map(|top_k| top_k as f32),
            Knob::MinP => self.min_p,
            Knob::RepetitionPenalty => self.repetition_penalty,
            Knob::PresencePenalty => self.presence_penalty,
            Knob::FrequencyPenalty => self.frequency_penalty,
        }
    }

    /// Turns a knob, within its bound; absent gives it back to the default.
    pub fn set(&mut self, knob: Knob, value: Option<f32>) {
        let bound = knob.bound();
        let value = value
            .filter(|value| value.is_finite())
            .map(|value| value.clamp(bound.minimum, bound.maximum));
        match knob {
            Knob::Temperature => self.temperature = value,
            Knob::TopP => self.top_p = value,
            Knob::TopK => self.top_k = value.map(|value| value.round() as u32),
            Knob::MinP => self.min_p = value,
            Knob::RepetitionPenalty => self.repetition_penalty = value,
            Knob::PresencePenalty => self.presence_penalty = value,
            Knob::FrequencyPenalty => self.frequency_penalty = value,
        }
    }

    /// Whether everything is at its default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_turns_within_its_bound() {
        for knob in Knob::ALL {
            let mut sampling = Sampling::default();
            let bound = knob.bound();
            sampling.set(knob, Some(1e9));
            assert_eq!(sampling.get(knob), Some(bound.maximum), "{knob:?}");
            sampling.set(knob, Some(-1e9));
            assert_eq!(sampling.get(knob), Some(bound.minimum), "{knob:?}");
            sampling.set(knob, Some(f32::NAN));
            assert!(sampling.is_default(), "{knob:?}");
            let default = knob.default_value(&SamplingDefaults::default());
            assert!((bound.minimum..=bound.maximum).contains(&default), "{knob:?}");
        }
    }
}
