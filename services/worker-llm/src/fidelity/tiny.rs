//! Tiny models with random weights, where every feature of an architecture moves the logits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::golden::{Arrays, json};
use super::{FidelityError, Report, follow, tokens};
use crate::engine::BackendError;
use crate::kernels::{Arithmetic, KvType};
use crate::model::Decoder;

/// What f32 arithmetic on the same weights may differ by.
const EXACT: f64 = 0.002;
/// What the same tokens in other portions may differ by in f32 arithmetic.
const CHUNKED: f64 = 2e-5;
/// What llama.cpp on a file of 16-bit floats may differ by.
const FLOATS: (f64, f64) = (0.05, 0.02);
/// The same on blocks, where activations are rounded: largest and mean.
const BLOCKS: (f64, f64) = (1.0, 0.12);
/// The same where a rounding may send a token to another expert.
const EXPERTS: (f64, f64) = (2.0, 0.12);
/// A choice between tokens closer than this may fall either way.
const NEAR_TIE: f32 = 0.2;

#[derive(Deserialize)]
pub(super) struct Golden {
    prompt_ids: Vec<u32>,
    /// Of the folder.
    #[serde(flatten)]
    greedy: Greedy,
    gguf: BTreeMap<String, File>,
    #[serde(flatten)]
    pub(super) texts: tokens::TinyTexts,
}

#[derive(Deserialize)]
struct File {
    file: String,
    #[serde(flatten)]
    greedy: Greedy,
}

/// The likeliest tokens one after the other, and how much likelier each is than the next.
#[derive(Deserialize)]
struct Greedy {
    greedy_ids: Vec<u32>,
    gaps: Vec<f32>,
}

/// A file or a folder with the model in one format.
struct Format<'a> {
    /// How it is called: `q8_0`, or `hf` for the folder.
    kind: &'a str,
    path: PathBuf,
    greedy: &'a Greedy,
    /// What the golden data call its logits, by f32 arithmetic and by llama.cpp.
    arrays: [String; 2],
}

impl Golden {
    /// The prompt and all but the last of the greedy tokens.
    fn ids(&self) -> Vec<u32> {
        let greedy = &self.greedy.greedy_ids;
        let all_but_last = &greedy[..greedy.len().saturating_sub(1)];
        [&self.prompt_ids, all_but_last].concat()
    }

    fn formats<'a>(&'a self, folder: &Path) -> Vec<Format<'a>> {
        let files = self.gguf.iter().map(|(kind, file)| Format {
            kind,
            path: folder.join(&file.file),
            greedy: &file.greedy,
            arrays: [format!("exact.{kind}"), format!("llama_cpp.{kind}")],
        });
        let checkpoint = Format {
            kind: "hf",
            path: folder.join("hf"),
            greedy: &self.greedy,
            arrays: ["hf".to_owned(), "hf".to_owned()],
        };
        files.chain([checkpoint]).collect()
    }
}

/// Compares every file of a model's folder.
pub(super) fn check(folder: &Path, name: &str, report: &mut Report) -> Result<(), FidelityError> {
    let prefix = format!("tiny {name}");
    let golden: Golden = json(&folder.join("golden.json"))?;
    let arrays_path = folder.join("golden.safetensors");
    let mut arrays = None;
    let mut vocabulary = None;
    for format in golden.formats(folder) {
        let Format { kind, path, .. } = &format;
        let case = format!("{prefix} {kind}");
        if !path.exists() {
            report.absent.push(case);
            continue;
        }
        if path.is_file() {
            vocabulary = Some(path.clone());
        }
        if !report.wants(&case) {
            continue;
        }
        if !arrays_path.is_file() {
            report.absent.push(format!("{case}: logits"));
            continue;
        }
        if arrays.is_none() {
            arrays = Some(Arrays::read(&arrays_path)?);
        }
        let take = |array: &str| {
            let rows = arrays.as_ref().and_then(|arrays: &Arrays| arrays.rows(array));
            rows.ok_or_else(|| FidelityError::new(&arrays_path, format!("it has no array {array}")))
        };
        let expected = Expected {
            ids: golden.ids(),
            prompt: golden.prompt_ids.len(),
            exact: take(&format.arrays[0])?,
            by_llama_cpp: take(&format.arrays[1])?,
            floats: matches!(*kind, "f32" | "f16" | "bf16" | "hf"),
            greedy: format.greedy,
        };
        expected.check(path, &case, report);
    }
    let case = format!("{prefix} tokens");
    if let Some(path) = vocabulary
        && report.wants(&case)
    {
        tokens::check_tiny(folder, &path, &golden.texts, &case, report)?;
    }
    let case = format!("{prefix} hf tokens");
    if folder.join("hf/tokenizer.json").is_file() && report.wants(&case) {
        tokens::check_folder(folder, &golden.texts, &case, report)?;
    }
    Ok(())
}

/// What is known of one file.
struct Expected<'a> {
    ids: Vec<u32>,
    /// How many of them are the prompt.
    prompt: usize,
    exact: Vec<Vec<f32>>,
    by_llama_cpp: Vec<Vec<f32>>,
    /// The weights are floats, so nothing is rounded.
    floats: bool,
    greedy: &'a Greedy,
}

impl Expected<'_> {
    fn check(&self, path: &Path, case: &str, report: &mut Report) {
        let kinds = [
            (Arithmetic::Reference, KvType::F32),
            (Arithmetic::Fast, KvType::F16),
            (Arithmetic::Reference, KvType::Q8_0),
        ];
        for (arithmetic, kv_type) in kinds {
            let mut decoder = match follow::decoder(path, arithmetic, kv_type) {
                Ok(decoder) => decoder,
                Err(error) => return report.failed(case, "the model loads", &error),
            };
            let done = match (arithmetic, kv_type) {
                (_, KvType::Q8_0) => self.short_cache(&mut decoder, case, report),
                (Arithmetic::Reference, _) => self.exact(&mut decoder, case, report),
                (Arithmetic::Fast, _) => self.fast(&mut decoder, case, report),
            };
            if let Err(error) = done {
                report.failed(case, "the model computes", &error);
            }
        }
    }

    /// Exact arithmetic must be exact, however the tokens are portioned.
    fn exact(&self, decoder: &mut Decoder, case: &str, report: &mut Report) -> Result<(), BackendError> {
        let whole = follow::logits(decoder, &self.ids, self.ids.len())?;
        let (largest, _) = follow::difference(&whole, &self.exact);
        report.at_most(
            case,
            "exact arithmetic: largest difference of logits",
            largest,
            EXACT,
        );
        let mut apart = 0.0f64;
        for chunk in [1, 7] {
            let (largest, _) = follow::difference(&follow::logits(decoder, &self.ids, chunk)?, &whole);
            apart = apart.max(largest);
        }
        let half = self.ids.len() / 2;
        let shared = follow::logits_after_shared_beginning(decoder, &self.ids, half)?;
        let (forked, _) = follow::difference(&shared, &whole[half..]);
        report.at_most(
            case,
            "exact arithmetic: after a shared beginning, not at once",
            forked,
            CHUNKED,
        );
        report.at_most(
            case,
            "exact arithmetic: in portions of 1 and 7, not at once",
            apart,
            CHUNKED,
        );
        Ok(())
    }

    /// Keys and values in 8 bits are rounded as weights in blocks are.
    fn short_cache(
        &self,
        decoder: &mut Decoder,
        case: &str,
        report: &mut Report,
    ) -> Result<(), BackendError> {
        let rows = follow::logits(decoder, &self.ids, 5)?;
        let (largest, mean) = follow::difference(&rows, &self.exact);
        report.at_most(
            case,
            "8-bit cache: largest difference of logits",
            largest,
            BLOCKS.0,
        );
        report.at_most(case, "8-bit cache: mean difference of logits", mean, BLOCKS.1);
        Ok(())
    }

    /// The kernels in use must be as near to llama.cpp's and to the truth as these are to each other.
    fn fast(&self, decoder: &mut Decoder, case: &str, report: &mut Report) -> Result<(), BackendError> {
        let limits = match (self.floats, decoder.spec().experts) {
            (true, _) => FLOATS,
            (false, None) => BLOCKS,
            (false, Some(_)) => EXPERTS,
        };
        let (mut largest, mut mean) = (0.0f64, 0.0f64);
        for chunk in [1, 5, self.ids.len()] {
            let rows = follow::logits(decoder, &self.ids, chunk)?;
            for golden in [&self.exact, &self.by_llama_cpp] {
                let (one_largest, one_mean) = follow::difference(&rows, golden);
                largest = largest.max(one_largest);
                mean = mean.max(one_mean);
            }
        }
        report.at_most(case, "kernels: largest difference of logits", largest, limits.0);
        report.at_most(case, "kernels: mean difference of logits", mean, limits.1);
        let alone = follow::logits(decoder, &self.ids, 1)?;
        let (apart, _) = follow::difference(&follow::logits_in_company(decoder, &self.ids)?, &alone);
        report.at_most(case, "kernels: in a batch, not alone", apart, 0.0);
        let Greedy { greedy_ids, gaps, .. } = self.greedy;
        let choices = follow::choices(decoder, &self.ids[..self.prompt], greedy_ids)?;
        let steps = choices.iter().zip(greedy_ids).zip(gaps).enumerate();
        let wrong: Vec<String> = steps
            .filter(|(_, ((chosen, golden), gap))| chosen != golden && **gap > NEAR_TIE)
            .map(|(step, ((chosen, golden), gap))| {
                format!("step {step}: {chosen} and not {golden}, gap {gap}")
            })
            .collect();
        report.none_differ(case, "kernels: greedy choices", choices.len(), &wrong);
        Ok(())
    }
}
