//! `rbee chat` and `rbee complete`.

use clap::Args;
use rbee_proto::worker::v1::{SamplingParameters, StopConditions};

use super::ConversationArgs;

/// Talk to a model. Without --prompt and with a terminal, a conversation; with --prompt or piped
/// input, one answer.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Model id (`local:qwen`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER")]
    pub(crate) target: String,
    /// What to say; `-` reads it from standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Instructions to the model, before the conversation
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Tools and the chat template.
    #[command(flatten)]
    pub(crate) conversation: ConversationArgs,
    /// How the answer is made.
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// Continue a text as it is, without a chat template.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// Model id (`local:qwen`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER")]
    pub(crate) target: String,
    /// The text to continue; `-`, or none with piped input, reads it from standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// How the answer is made.
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// How the answer is made. What isn't given takes the worker's default.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Randomness, 0 (always the likeliest token) to 5
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Choose among the likeliest tokens whose probabilities add up to this, above 0 to 1
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f32>,
    /// Choose among this many likeliest tokens; 0 for all
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<u32>,
    /// Leave out tokens less likely than this share of the likeliest, 0 to 1
    #[arg(long, value_name = "P")]
    pub(crate) min_p: Option<f32>,
    /// Discourage tokens that occurred already: above 1, at most 2
    #[arg(long, value_name = "R")]
    pub(crate) repetition_penalty: Option<f32>,
    /// The same seed and settings give the same answer
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Most tokens to generate
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// End the answer at this text, which is left out; may be given several times
    #[arg(long, value_name = "STR")]
    pub(crate) stop: Vec<String>,
}

impl SamplingArgs {
    /// In the contract's words; absent if nothing was said.
    pub(crate) fn sampling(&self) -> Option<SamplingParameters> {
        let parameters = SamplingParameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            ..SamplingParameters::default()
        };
        (parameters != SamplingParameters::default()).then_some(parameters)
    }

    /// In the contract's words; absent if nothing was said.
    pub(crate) fn stop(&self) -> Option<StopConditions> {
        (self.max_tokens.is_some() || !self.stop.is_empty()).then(|| StopConditions {
            max_tokens: self.max_tokens,
            stop_strings: self.stop.clone(),
            ..StopConditions::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_left_to_the_worker() {
        let nothing = SamplingArgs::default();
        assert_eq!(nothing.sampling(), None);
        assert_eq!(nothing.stop(), None);

        let some = SamplingArgs {
            top_k: Some(0),
            stop: vec!["\n".into()],
            ..SamplingArgs::default()
        };
        assert_eq!(some.sampling().unwrap().top_k, Some(0));
        assert_eq!(some.sampling().unwrap().temperature, None);
        assert_eq!(some.stop().unwrap().stop_strings, ["\n"]);
    }
}
