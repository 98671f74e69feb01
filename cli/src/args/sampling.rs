//! How answers are made: sampling, ends, constraints.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use rbee_proto::worker::v1::{LogitBias, OutputDetails, SamplingParameters, StopConditions};

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
    /// Choose among the tokens that tell as much as is to be expected, above 0 to 1
    #[arg(long, value_name = "P")]
    pub(crate) typical_p: Option<f32>,
    /// Discourage tokens that occurred already: above 1, at most 2
    #[arg(long, value_name = "R")]
    pub(crate) repetition_penalty: Option<f32>,
    /// Discourage tokens by how often they occurred, -2 to 2
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) frequency_penalty: Option<f32>,
    /// Discourage tokens that occurred, however often, -2 to 2
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) presence_penalty: Option<f32>,
    /// How many of the last tokens the penalties look at
    #[arg(long, value_name = "N")]
    pub(crate) penalty_window: Option<u32>,
    /// Make a token likelier or less likely, -100 (never) to 100; may be given several times
    #[arg(long, value_name = "TOKEN=BIAS")]
    pub(crate) logit_bias: Vec<Bias>,
    /// The same seed and settings give the same answer
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Most tokens to generate
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// End the answer at this text, which is left out; may be given several times
    #[arg(long, value_name = "STR")]
    pub(crate) stop: Vec<String>,
    /// Go on when the model would end its answer; needs --max-tokens or --stop to end before the context does
    #[arg(long)]
    pub(crate) ignore_end: bool,
    /// With --json: tell how likely each token was, and this many of the likeliest, 0 to 20
    #[arg(long, value_name = "N")]
    pub(crate) logprobs: Option<u32>,
    /// What the answer must look like.
    #[command(flatten)]
    pub(crate) constraint: ConstraintArgs,
}

/// What the answer must look like: at most one.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[group(multiple = false)]
pub(crate) struct ConstraintArgs {
    /// The answer is a JSON object
    #[arg(long)]
    pub(crate) json_object: bool,
    /// The answer is JSON that fits the JSON schema in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json_schema: Option<PathBuf>,
    /// The answer matches this regular expression from start to end
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) regex: Option<String>,
    /// The answer is derived by the grammar in this file (Lark, as llguidance has it)
    #[arg(long, value_name = "FILE")]
    pub(crate) grammar: Option<PathBuf>,
}

/// A token and what is added to its logit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bias {
    token: u32,
    bias: f32,
}

impl FromStr for Bias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it must be the id of a token, `=` and a number, such as 123=-5".to_owned();
        let (token, bias) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self {
            token: token.trim().parse().map_err(|_| wrong())?,
            bias: bias.trim().parse().map_err(|_| wrong())?,
        })
    }
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
            typical_p: self.typical_p,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            penalty_window: self.penalty_window,
            logit_bias: self
                .logit_bias
                .iter()
                .map(|&Bias { token, bias }| LogitBias {
                    token_id: token,
                    bias,
                })
                .collect(),
        };
        (parameters != SamplingParameters::default()).then_some(parameters)
    }

    /// In the contract's words; absent if nothing was said.
    pub(crate) fn stop(&self) -> Option<StopConditions> {
        let stop = StopConditions {
            max_tokens: self.max_tokens,
            stop_strings: self.stop.clone(),
            ignore_end_of_generation: self.ignore_end,
        };
        (stop != StopConditions::default()).then_some(stop)
    }

    /// In the contract's words; absent if nothing was said.
    pub(crate) fn details(&self) -> Option<OutputDetails> {
        self.logprobs.map(|top| OutputDetails {
            top_log_probabilities: Some(top),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        sampling: SamplingArgs,
    }

    fn parse(words: &[&str]) -> Result<SamplingArgs, clap::Error> {
        Line::try_parse_from([&["rbee"], words].concat()).map(|line| line.sampling)
    }

    #[test]
    fn what_is_not_said_is_left_to_the_worker() {
        let nothing = SamplingArgs::default();
        assert_eq!(nothing.sampling(), None);
        assert_eq!(nothing.stop(), None);
        assert_eq!(nothing.details(), None);

        let some = SamplingArgs {
            top_k: Some(0),
            stop: vec!["\n".into()],
            ..SamplingArgs::default()
        };
        assert_eq!(some.sampling().unwrap().top_k, Some(0));
        assert_eq!(some.sampling().unwrap().temperature, None);
        assert_eq!(some.stop().unwrap().stop_strings, ["\n"]);
    }

    #[test]
    fn every_setting_reaches_the_request() {
        let said = parse(&[
            "--temperature=1.5",
            "--top-p=0.5",
            "--top-k=7",
            "--min-p=0.1",
            "--typical-p=0.9",
            "--repetition-penalty=1.1",
            "--frequency-penalty",
            "-1.5",
            "--presence-penalty=-0.5",
            "--penalty-window=12",
            "--logit-bias=5=-100",
            "--logit-bias",
            "7=2.5",
            "--seed=3",
            "--max-tokens=4",
            "--ignore-end",
            "--logprobs=2",
        ])
        .unwrap();
        let bias = |token_id, bias| LogitBias { token_id, bias };
        let expected = SamplingParameters {
            temperature: Some(1.5),
            top_p: Some(0.5),
            top_k: Some(7),
            min_p: Some(0.1),
            repetition_penalty: Some(1.1),
            seed: Some(3),
            typical_p: Some(0.9),
            frequency_penalty: Some(-1.5),
            presence_penalty: Some(-0.5),
            penalty_window: Some(12),
            logit_bias: vec![bias(5, -100.0), bias(7, 2.5)],
        };
        assert_eq!(said.sampling(), Some(expected));
        let stop = said.stop().unwrap();
        assert!(stop.ignore_end_of_generation && stop.max_tokens == Some(4));
        assert_eq!(said.details().unwrap().top_log_probabilities, Some(2));
    }

    #[test]
    fn a_bias_that_is_none_and_two_constraints_are_wrong() {
        for bias in ["5", "x=1", "5=", "-1=2", "5=much"] {
            let error = parse(&[&format!("--logit-bias={bias}")]).unwrap_err();
            assert!(error.to_string().contains("such as 123=-5"), "{error}");
        }
        let error = parse(&["--json-object", "--regex", "a"]).unwrap_err();
        assert!(error.to_string().contains("cannot be used with"), "{error}");
        let one = parse(&["--regex", "a|b"]).unwrap();
        assert_eq!(one.constraint.regex.as_deref(), Some("a|b"));
    }
}
