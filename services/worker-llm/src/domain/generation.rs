//! How an answer is generated: sampling and stop conditions, with the ranges the contract promises.

use super::Violations;
use crate::sampling::SamplingParams;

/// Most stop strings of a request.
pub const MAX_STOP_STRINGS: usize = 16;
/// Most bytes of a stop string.
pub const MAX_STOP_STRING_BYTES: usize = 256;

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
    /// Absent for a random one.
    pub seed: Option<u64>,
}

impl Sampling {
    /// Adds what is wrong. The comparisons are written so that a NaN is wrong everywhere.
    pub fn check(&self, violations: &mut Violations) {
        let mut require = |value: Option<f32>, field: &str, fits: fn(f32) -> bool, description: &str| {
            violations.require(value.is_none_or(fits), field, description);
        };
        require(
            self.temperature,
            "sampling.temperature",
            |value| (0.0..=5.0).contains(&value),
            "must be a number from 0 to 5",
        );
        require(
            self.top_p,
            "sampling.top_p",
            |value| value > 0.0 && value <= 1.0,
            "must be a number above 0 and at most 1",
        );
        require(
            self.min_p,
            "sampling.min_p",
            |value| (0.0..=1.0).contains(&value),
            "must be a number from 0 to 1",
        );
        require(
            self.repetition_penalty,
            "sampling.repetition_penalty",
            |value| value > 0.0 && value <= 2.0,
            "must be a number above 0 and at most 2",
        );
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
            seed: Some(self.seed.unwrap_or(seed)),
            ..SamplingParams::default()
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
}

impl Generation {
    /// Adds what is wrong.
    pub fn check(&self, violations: &mut Violations) {
        self.sampling.check(violations);
        self.stop.check(violations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(sampling: Sampling, stop: Stop) -> Vec<String> {
        let mut violations = Violations::default();
        Generation { sampling, stop }.check(&mut violations);
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
    fn every_field_that_is_wrong_is_named() {
        let all = Sampling {
            temperature: Some(9.0),
            top_p: Some(9.0),
            ..Sampling::default()
        };
        let stop = Stop {
            max_tokens: Some(0),
            strings: vec!["ok".into(), String::new()],
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
                    max_tokens: None,
                    strings,
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
            seed: None,
        };
        edge.params(0).validate().unwrap();
    }
}
