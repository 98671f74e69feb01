//! The real models: what they think of texts, and how they go on from prompts.

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::golden::{json, json_names};
use super::{FidelityError, Report, follow};
use crate::engine::BackendError;
use crate::kernels::{Arithmetic, KvType};
use crate::model::{Decoder, LogitsFor, Segment};

/// How many positions of a text may have another token first.
const TOP1_DISAGREEMENT: f64 = 0.08;
/// How far the mean of the log-probabilities may be off.
const SHIFT: f64 = 0.03;
/// Tokens computed at a time: a row of logits is large.
const CHUNK: usize = 64;

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Prompt>,
    teacher: Vec<Text>,
}

#[derive(Deserialize)]
struct Prompt {
    name: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    gap: f32,
    top5: Vec<(u32, f32)>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    ids: Vec<u32>,
    llama_cpp: Scores,
    fp32: Scores,
    agreement: Agreement,
}

/// What a reference thinks of a text: the likeliest token, and the log-probability of the one that comes.
#[derive(Deserialize, Default)]
struct Scores {
    top1: Vec<u32>,
    logprob: Vec<f32>,
}

#[derive(Deserialize)]
struct Agreement {
    mean_abs_delta_logprob: f64,
}

/// What may be off, by the golden data's README: Gemma's weights are coarser.
struct Limits {
    to_fp32: f64,
    to_llama_cpp: f64,
    gap: f32,
}

impl Limits {
    fn of(model: &str) -> Self {
        if model.starts_with("gemma") {
            Self {
                to_fp32: 0.12,
                to_llama_cpp: 0.16,
                gap: 0.5,
            }
        } else {
            Self {
                to_fp32: 0.06,
                to_llama_cpp: 0.08,
                gap: 0.4,
            }
        }
    }
}

/// Compares every model of the folder whose file lies in `models`.
pub(super) fn check(folder: &Path, models: &Path, report: &mut Report) -> Result<(), FidelityError> {
    for model in json_names(folder)? {
        let prefix = format!("logits {model}");
        let path = models.join(format!("{model}.gguf"));
        if !path.is_file() {
            report.absent.push(prefix);
            continue;
        }
        let golden: Golden = json(&folder.join(format!("{model}.json")))?;
        let limits = Limits::of(&model);
        let mut decoder = match follow::decoder(&path, Arithmetic::Fast, KvType::F16) {
            Ok(decoder) => decoder,
            Err(error) => {
                report.failed(&prefix, "the model loads", &error);
                continue;
            }
        };
        for text in &golden.teacher {
            let case = format!("{prefix} {}", text.name);
            if report.wants(&case)
                && let Err(error) = text.check(&mut decoder, &limits, &case, report)
            {
                report.failed(&case, "the model computes", &error);
            }
        }
        for prompt in &golden.prompts {
            let case = format!("{prefix} {}", prompt.name);
            if report.wants(&case)
                && let Err(error) = prompt.check(&mut decoder, &limits, &case, report)
            {
                report.failed(&case, "the model computes", &error);
            }
        }
    }
    Ok(())
}

impl Text {
    /// Follows the text token by token and compares what the model thinks of each.
    fn check(
        &self,
        decoder: &mut Decoder,
        limits: &Limits,
        case: &str,
        report: &mut Report,
    ) -> Result<(), BackendError> {
        let found = self.scores(decoder)?;
        let (disagreement, to_fp32, shift) = found.against(&self.fp32);
        let (_, to_llama_cpp, _) = found.against(&self.llama_cpp);
        report.at_most(
            case,
            "share of positions with another first token",
            disagreement,
            TOP1_DISAGREEMENT,
        );
        report.at_most(case, "mean |Δ log-prob| to fp32", to_fp32, limits.to_fp32);
        let of_llama_cpp = self.agreement.mean_abs_delta_logprob;
        report.at_most(
            case,
            "mean |Δ log-prob| to fp32, llama.cpp's own as limit",
            to_fp32,
            of_llama_cpp,
        );
        report.at_most(
            case,
            "mean |Δ log-prob| to llama.cpp",
            to_llama_cpp,
            limits.to_llama_cpp,
        );
        report.at_most(case, "|Δ mean log-prob| to fp32", shift.abs(), SHIFT);
        Ok(())
    }

    fn scores(&self, decoder: &mut Decoder) -> Result<Scores, BackendError> {
        let vocab_size = decoder.spec().vocab_size;
        let mut cache = decoder.new_cache();
        let mut found = Scores::default();
        let positions = self.ids.len() - 1;
        for start in (0..positions).step_by(CHUNK) {
            let end = (start + CHUNK).min(positions);
            let mut logits = Vec::new();
            decoder.forward(&mut [Segment {
                cache: &mut cache,
                tokens: &self.ids[start..end],
                logits: LogitsFor::All(&mut logits),
            }])?;
            let rows = logits.par_chunks(vocab_size).zip(&self.ids[start + 1..=end]);
            let scores: Vec<(u32, f32)> = rows
                .map(|(row, &next)| (follow::most_likely(row), follow::log_probability(row, next)))
                .collect();
            found.top1.extend(scores.iter().map(|score| score.0));
            found.logprob.extend(scores.iter().map(|score| score.1));
        }
        Ok(found)
    }
}

impl Scores {
    /// Share of other first tokens, mean distance of log-probabilities, distance of their means.
    fn against(&self, golden: &Self) -> (f64, f64, f64) {
        if self.top1.len() != golden.top1.len() || self.logprob.len() != golden.logprob.len() {
            return (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        }
        let count = self.top1.len() as f64;
        let others = self.top1.iter().zip(&golden.top1).filter(|(a, b)| a != b).count();
        let pairs = self.logprob.iter().zip(&golden.logprob);
        let (mut distance, mut shift) = (0.0, 0.0);
        for (a, b) in pairs {
            distance += f64::from((a - b).abs());
            shift += f64::from(a - b);
        }
        (others as f64 / count, distance / count, shift / count)
    }
}

impl Prompt {
    /// Goes on greedily and compares ids, up to the first near tie that falls elsewhere.
    fn check(
        &self,
        decoder: &mut Decoder,
        limits: &Limits,
        case: &str,
        report: &mut Report,
    ) -> Result<(), BackendError> {
        let choices = follow::choices(decoder, &self.prompt_ids, &self.greedy_ids)?;
        let golden = self.greedy_ids.iter().zip(&self.steps);
        let steps = choices.iter().zip(golden).enumerate();
        // A near tie may fall elsewhere, on one of the five likeliest.
        let is_wrong = |chosen: u32, golden: u32, step: &Step| {
            let likely = step.top5.iter().any(|&(id, _)| id == chosen);
            chosen != golden && (step.gap >= limits.gap || !likely)
        };
        let wrong: Vec<String> = steps
            .filter(|(_, (chosen, (golden, step)))| is_wrong(**chosen, **golden, step))
            .map(|(place, (chosen, (golden, step)))| {
                format!("step {place}: {chosen} and not {golden}, gap {}", step.gap)
            })
            .collect();
        report.none_differ(case, "greedy choices", choices.len(), &wrong);
        Ok(())
    }
}
