//! How an answer is generated: sampling and stop conditions, with the ranges the contract promises.

use std::collections::HashSet;

use super::{Constraint, Violations};
use crate::sampling::{MAX_PENALTY_WINDOW, RULED_OUT, SamplingParams};

/// Most stop strings of a request.
pub const MAX_STOP_STRINGS: usize = 16;
/// Most bytes of a stop string.
pub const MAX_STOP_STRING_BYTES: usize = 256;

/// Most of the likeliest tokens that are told of in each place.
pub const MAX_TOP_LOG_PROBABILITIES: u32 = 20;

/// Most tokens whose logits a request changes.
pub const MAX_LOGIT_BIASES: usize = 1024;

/// How the next token is chosen, as a request says it: what is absent takes the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 (always the likeliest token) to 5.
    pub temperature: Option<f32>,
    /// Above 0, to 1.
    pub top_p: Option<f32>,
    /// 0 for all.
    pub top_k: Option<u32>,
    /// 0 to 1.
    pub min_p: Option<f32>,
    /// Above 0, to 2.
    pub repetition_penalty: Option<f32>,
    /// Above 0, to 1.
    pub typical_p: Option<f32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// At most [`MAX_PENALTY_WINDOW`].
    pub penalty_window: Option<u32>,
    /// Tokens and what is added to their logits, -100 (ruled out) to 100; each token once.
    pub logit_bias: Vec<(u32, f32)>,
    /// Absent for a random one.
    pub seed: Option<u64>,
}

impl Sampling {
    /// Adds what is wrong, for a model with so many tokens. The comparisons are written so that a NaN is wrong
    /// everywhere.
    pub fn check(&self, vocabulary_size: u32, violations: &mut Violations) {
        const SHARE: &str = "must be a number above 0 and at most 1";
        let is_share = |value: f32| value > 0.0 && value <= 1.0;
        let is_penalty = |value: f32| (-2.0..=2.0).contains(&value);
        let mut require = |value: Option<f32>, name: &str, fits: fn(f32) -> bool, description: &str| {
            violations.require(value.is_none_or(fits), &format!("sampling.{name}"), description);
        };
        require(
            self.temperature,
            "temperature",
            |value| (0.0..=5.0).contains(&value),
            "must be a number from 0 to 5",
        );
        require(self.top_p, "top_p", is_share, SHARE);
        require(
            self.min_p,
            "min_p",
            |value| (0.0..=1.0).contains(&value),
            "must be a number from 0 to 1",
        );
        require(
            self.repetition_penalty,
            "repetition_penalty",
            |value| value > 0.0 && value <= 2.0,
            "must be a number above 0 and at most 2",
        );
        require(self.typical_p, "typical_p", is_share, SHARE);
        for (value, name) in [
            (self.frequency_penalty, "frequency_penalty"),
            (self.presence_penalty, "presence_penalty"),
        ] {
            require(value, name, is_penalty, "must be a number from -2 to 2");
        }
        violations.require(
            self.penalty_window
                .is_none_or(|window| window as usize <= MAX_PENALTY_WINDOW),
            "sampling.penalty_window",
            format!("must be at most {MAX_PENALTY_WINDOW}"),
        );
        self.check_bias(vocabulary_size, violations);
    }

    fn check_bias(&self, vocabulary_size: u32, violations: &mut Violations) {
        if self.logit_bias.len() > MAX_LOGIT_BIASES {
            violations.add(
                "sampling.logit_bias",
                format!("must be at most {MAX_LOGIT_BIASES} tokens"),
            );
            return;
        }
        let mut seen = HashSet::new();
        for (index, &(token, bias)) in self.logit_bias.iter().enumerate() {
            violations.require(
                token < vocabulary_size,
                &format!("sampling.logit_bias[{index}].token_id"),
                format!("must be below {vocabulary_size}, the vocabulary's size"),
            );
            violations.require(
                seen.insert(token),
                &format!("sampling.logit_bias[{index}].token_id"),
                "must not be there twice",
            );
            violations.require(
                (-100.0..=100.0).contains(&bias),
                &format!("sampling.logit_bias[{index}].bias"),
                "must be a number from -100 to 100",
            );
        }
    }

    /// The settings for the sampler, with the contract's defaults. `seed` is used if the request
    /// names none.
    #[must_use]
    pub fn params(&self, seed: u64) -> SamplingParams {
        SamplingParams {
            temperature: self.temperature.unwrap_or(0.8),
            top_p: self.top_p.unwrap_or(0.95),
            top_k: self.top_k.unwrap_or(40) as usize,
            min_p: self.min_p.unwrap_or(0.05),
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            typical_p: self.typical_p.unwrap_or(1.0),
            frequency_penalty: self.frequency_penalty.unwrap_or(0.0),
            presence_penalty: self.presence_penalty.unwrap_or(0.0),
            penalty_window: self.penalty_window.unwrap_or(64) as usize,
            logit_bias: self.logit_bias.clone(),
            seed: Some(self.seed.unwrap_or(seed)),
        }
    }
}

/// When an answer ends, besides the model's own end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stop {
    /// Most tokens, at least 1; absent until the context is full.
    pub max_tokens: Option<u32>,
    /// Strings that end the answer and are not part of it.
    pub strings: Vec<String>,
    /// The model's end tokens are left out of the choice.
    pub ignore_end_of_generation: bool,
}

impl Stop {
    /// Adds what is wrong.
    pub fn check(&self, violations: &mut Violations) {
        violations.require(
            self.max_tokens != Some(0),
            "stop.max_tokens",
            "must be at least 1",
        );
        violations.require(
            self.strings.len() <= MAX_STOP_STRINGS,
            "stop.stop_strings",
            format!("must be at most {MAX_STOP_STRINGS} strings"),
        );
        for (index, string) in self.strings.iter().enumerate() {
            violations.require(
                !string.is_empty() && string.len() <= MAX_STOP_STRING_BYTES,
                &format!("stop.stop_strings[{index}]"),
                format!("must be 1 to {MAX_STOP_STRING_BYTES} bytes long"),
            );
        }
    }
}

/// How an answer is generated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generation {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// When the answer ends.
    pub stop: Stop,
    /// What the answer must look like.
    pub constraint: Option<Constraint>,
    /// Tell how likely each token was, and this many of the likeliest.
    pub top_log_probabilities: Option<u32>,
}

impl Generation {
    /// Adds what is wrong, for a model with so many tokens.
    pub fn check(&self, vocabulary_size: u32, violations: &mut Violations) {
        self.sampling.check(vocabulary_size, violations);
        self.stop.check(violations);
        if let Some(constraint) = &self.constraint {
            constraint.check(violations);
        }
        violations.require(
            self.top_log_probabilities
                .is_none_or(|top| top <= MAX_TOP_LOG_PROBABILITIES),
            "details.top_log_probabilities",
            format!("must be at most {MAX_TOP_LOG_PROBABILITIES}"),
        );
    }

    /// The settings for the sampler: as [`Sampling::params`], with `end_tokens` ruled out if the model's wish to
    /// end is to be ignored.
    #[must_use]
    pub fn params(&self, seed: u64, end_tokens: &[u32]) -> SamplingParams {
        let mut params = self.sampling.params(seed);
        if self.stop.ignore_end_of_generation {
            let ruled_out = end_tokens.iter().map(|&token| (token, RULED_OUT));
            params.logit_bias.extend(ruled_out);
        }
        params
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(sampling: Sampling, stop: Stop) -> Vec<String> {
        let mut violations = Violations::default();
        let generation = Generation {
            sampling,
            stop,
            ..Generation::default()
        };
        generation.check(100, &mut violations);
        violations
            .iter()
            .map(|violation| violation.field.clone())
            .collect()
    }

    fn sampling(change: impl FnOnce(&mut Sampling)) -> Vec<String> {
        let mut sampling = Sampling::default();
        change(&mut sampling);
        wrong(sampling, Stop::default())
    }

    #[test]
    fn the_ranges_of_the_contract_hold_at_both_ends() {
        for value in [0.0, 5.0] {
            assert!(sampling(|s| s.temperature = Some(value)).is_empty());
        }
        for value in [f32::MIN_POSITIVE, 1.0] {
            assert!(sampling(|s| s.top_p = Some(value)).is_empty());
        }
        for value in [0.0, 1.0] {
            assert!(sampling(|s| s.min_p = Some(value)).is_empty());
        }
        for value in [f32::MIN_POSITIVE, 2.0] {
            assert!(sampling(|s| s.repetition_penalty = Some(value)).is_empty());
        }
        for value in [-0.01, 5.01, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                sampling(|s| s.temperature = Some(value)),
                ["sampling.temperature"],
                "{value}"
            );
        }
        for value in [0.0, -1.0, 1.01, f32::NAN, f32::INFINITY] {
            assert_eq!(sampling(|s| s.top_p = Some(value)), ["sampling.top_p"], "{value}");
        }
        for value in [-0.01, 1.01, f32::NAN] {
            assert_eq!(sampling(|s| s.min_p = Some(value)), ["sampling.min_p"], "{value}");
        }
        for value in [0.0, 2.01, f32::NAN] {
            let found = sampling(|s| s.repetition_penalty = Some(value));
            assert_eq!(found, ["sampling.repetition_penalty"], "{value}");
        }
    }

    #[test]
    fn the_ranges_of_the_wider_contract_hold_at_both_ends() {
        for value in [f32::MIN_POSITIVE, 1.0] {
            assert!(sampling(|s| s.typical_p = Some(value)).is_empty());
        }
        for value in [-2.0, 2.0] {
            assert!(sampling(|s| s.frequency_penalty = Some(value)).is_empty());
            assert!(sampling(|s| s.presence_penalty = Some(value)).is_empty());
        }
        assert!(sampling(|s| s.penalty_window = Some(65_536)).is_empty());
        assert!(sampling(|s| s.logit_bias = vec![(0, -100.0), (99, 100.0)]).is_empty());
        for value in [0.0, 1.01, f32::NAN] {
            assert_eq!(sampling(|s| s.typical_p = Some(value)), ["sampling.typical_p"]);
        }
        for value in [-2.01, 2.01, f32::NAN, f32::INFINITY] {
            let found = sampling(|s| s.frequency_penalty = Some(value));
            assert_eq!(found, ["sampling.frequency_penalty"]);
            let found = sampling(|s| s.presence_penalty = Some(value));
            assert_eq!(found, ["sampling.presence_penalty"]);
        }
        let found = sampling(|s| s.penalty_window = Some(65_537));
        assert_eq!(found, ["sampling.penalty_window"]);
        for value in [-100.1, 100.1, f32::NAN] {
            let found = sampling(|s| s.logit_bias = vec![(1, 0.0), (2, value)]);
            assert_eq!(found, ["sampling.logit_bias[1].bias"]);
        }
        let found = sampling(|s| s.logit_bias = vec![(100, 1.0), (5, 1.0), (5, 2.0)]);
        let expected = [
            "sampling.logit_bias[0].token_id",
            "sampling.logit_bias[2].token_id",
        ];
        assert_eq!(found, expected);
        let found = sampling(|s| s.logit_bias = vec![(0, 0.0); 1025]);
        assert_eq!(found, ["sampling.logit_bias"]);
    }

    #[test]
    fn end_tokens_are_ruled_out_only_where_they_are_to_be_ignored() {
        let mut generation = Generation::default();
        generation.sampling.logit_bias = vec![(7, 100.0)];
        assert_eq!(generation.params(0, &[7, 8]).logit_bias, [(7, 100.0)]);
        generation.stop.ignore_end_of_generation = true;
        let params = generation.params(0, &[7, 8]);
        assert_eq!(params.logit_bias, [(7, 100.0), (7, RULED_OUT), (8, RULED_OUT)]);
        params.validate().unwrap();
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let all = Sampling {
            temperature: Some(9.0),
            top_p: Some(9.0),
            ..Sampling::default()
        };
        let stop = Stop {
            max_tokens: Some(0),
            strings: vec!["ok".into(), String::new()],
            ..Stop::default()
        };
        assert_eq!(
            wrong(all, stop),
            [
                "sampling.temperature",
                "sampling.top_p",
                "stop.max_tokens",
                "stop.stop_strings[1]"
            ]
        );
    }

    #[test]
    fn stop_strings_are_bounded() {
        let stop = |strings: Vec<String>| {
            wrong(
                Sampling::default(),
                Stop {
                    strings,
                    ..Stop::default()
                },
            )
        };
        assert!(stop(vec!["x".repeat(256); 16]).is_empty());
        assert_eq!(stop(vec!["x".into(); 17]), ["stop.stop_strings"]);
        assert_eq!(stop(vec!["x".repeat(257)]), ["stop.stop_strings[0]"]);
    }

    #[test]
    fn what_is_absent_takes_the_contracts_default() {
        let params = Sampling::default().params(7);
        let expected = SamplingParams {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            min_p: 0.05,
            repetition_penalty: 1.0,
            seed: Some(7),
            ..SamplingParams::default()
        };
        assert_eq!(params, expected);
        assert_eq!(
            Sampling {
                seed: Some(1),
                ..Sampling::default()
            }
            .params(7)
            .seed,
            Some(1)
        );
        // Whatever the contract allows, the sampler takes.
        params.validate().unwrap();
        let edge = Sampling {
            temperature: Some(5.0),
            top_p: Some(f32::MIN_POSITIVE),
            top_k: Some(u32::MAX),
            min_p: Some(1.0),
            repetition_penalty: Some(2.0),
            frequency_penalty: Some(-2.0),
            penalty_window: Some(65_536),
            logit_bias: vec![(0, -100.0)],
            ..Sampling::default()
        };
        edge.params(0).validate().unwrap();
    }
}
