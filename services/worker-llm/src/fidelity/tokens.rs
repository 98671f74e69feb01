//! Tokenizers: ids, text, the bytes of tokens, and the pieces that a stream sends.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rbee_artifacts::gguf::GgufHeader;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::golden::{json, json_if_there, json_names};
use super::{FidelityError, Report};
use crate::model::ModelFile;
use crate::text::{Prompt, StreamDecoder, TokenKind, Tokenizer};

#[derive(Deserialize)]
struct Golden {
    vocab: Vocab,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Vocab {
    n_vocab: u32,
    bos: i64,
    eos: i64,
    add_bos: bool,
    end_of_generation: Vec<u32>,
    /// Ordinary tokens that llama.cpp takes for control tokens by their text, which is not followed.
    control_by_text: HashMap<u32, String>,
    n_control: usize,
    n_user_defined: usize,
    all_pieces_sha256: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    /// By `addA_parseP`.
    ids: HashMap<String, Vec<u32>>,
    /// By `addA_parseP.removeR_unparseU`.
    detokenize: HashMap<String, String>,
    #[serde(rename = "add0_parse0.pieces_hex")]
    pieces_hex: Vec<String>,
    #[serde(rename = "add0_parse0.stream")]
    stream: Vec<String>,
    /// Depends on llama.cpp's promotion of ordinary tokens, see [`Vocab::control_by_text`].
    #[serde(default)]
    depends_on_control_by_text: bool,
}

/// What a tiny model's `golden.json` says of its tokenizer.
#[derive(Deserialize)]
pub(super) struct TinyTexts {
    vocab_size: u32,
    gguf_vocab: Vocab,
    text: TinyText,
    chat: Option<TinyChat>,
}

#[derive(Deserialize)]
struct TinyText {
    text: String,
    /// By the folder.
    ids: Vec<u32>,
    gguf_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct TinyChat {
    rendered: String,
    ids: Vec<u32>,
    gguf_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct TinyCases {
    hf: Vec<FolderCase>,
    gguf: Vec<Case>,
}

/// What transformers makes of a text by `tokenizer.json`.
#[derive(Deserialize)]
struct FolderCase {
    name: String,
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
    /// The text of the latter, and that without control tokens.
    decoded: String,
    decoded_skip_special: String,
}

/// How many comparisons were made, and which differ.
#[derive(Default)]
struct Tally {
    compared: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn expect(&mut self, same: bool, what: impl FnOnce() -> String) {
        self.compared += 1;
        if !same {
            self.wrong.push(what());
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        self.expect(found == expected, || {
            format!("{what}: {found:?} and not {expected:?}")
        });
    }
}

/// Compares the tokenizers of the real models whose files lie in `models`.
pub(super) fn check_real(folder: &Path, models: &Path, report: &mut Report) -> Result<(), FidelityError> {
    for model in json_names(folder)? {
        let case = format!("tokenizer {model}");
        let path = models.join(format!("{model}.gguf"));
        if !path.is_file() {
            report.absent.push(case);
        } else if report.wants(&case) {
            let golden: Golden = json(&folder.join(format!("{model}.json")))?;
            with_tokenizer(&path, &case, report, |tokenizer, tally| {
                golden.vocab.compare(tokenizer, tally);
                golden.cases.iter().for_each(|one| one.compare(tokenizer, tally));
            });
        }
    }
    Ok(())
}

/// Compares the tokenizer of a tiny model's file.
pub(super) fn check_tiny(
    folder: &Path,
    file: &Path,
    texts: &TinyTexts,
    case: &str,
    report: &mut Report,
) -> Result<(), FidelityError> {
    let cases: Option<TinyCases> = json_if_there(&folder.join("tokens.json"))?;
    with_tokenizer(file, case, report, |tokenizer, tally| {
        texts.gguf_vocab.compare(tokenizer, tally);
        let ids = tokenizer.encode(&texts.text.text, true, true);
        tally.equal("text", &ids, &texts.text.gguf_ids);
        if let Some(chat) = &texts.chat {
            let ids = tokenizer.encode_prompt(&Prompt::trusted(chat.rendered.clone()));
            tally.equal("chat", &ids, &chat.gguf_ids);
        }
        let cases = cases.iter().flat_map(|cases| &cases.gguf);
        cases.for_each(|one| one.compare(tokenizer, tally));
    });
    Ok(())
}

/// Compares the tokenizer of a tiny model's folder of safetensors.
pub(super) fn check_folder(
    folder: &Path,
    texts: &TinyTexts,
    case: &str,
    report: &mut Report,
) -> Result<(), FidelityError> {
    const MEASURE: &str = "ids and text, as transformers has them";
    let cases: Option<TinyCases> = json_if_there(&folder.join("tokens.json"))?;
    let tokenizer = match Tokenizer::from_folder(&folder.join("hf"), texts.vocab_size) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            report.failed(case, MEASURE, &error);
            return Ok(());
        }
    };
    let mut tally = Tally::default();
    tally.equal(
        "text",
        &tokenizer.encode(&texts.text.text, true, true),
        &texts.text.ids,
    );
    if let Some(chat) = &texts.chat {
        let ids = tokenizer.encode_prompt(&Prompt::trusted(chat.rendered.clone()));
        tally.equal("chat", &ids, &chat.ids);
    }
    for one in cases.iter().flat_map(|cases| &cases.hf) {
        let name = &one.name;
        let plain = &one.ids_without_special;
        tally.equal(name, &tokenizer.encode(&one.text, true, true), &one.ids);
        tally.equal(name, &tokenizer.encode(&one.text, false, true), plain);
        tally.equal(name, &tokenizer.decode(plain, true), &one.decoded);
        tally.equal(name, &tokenizer.decode(plain, false), &one.decoded_skip_special);
    }
    report.none_differ(case, MEASURE, tally.compared, &tally.wrong);
    Ok(())
}

fn with_tokenizer(
    path: &Path,
    case: &str,
    report: &mut Report,
    compare: impl FnOnce(&Arc<Tokenizer>, &mut Tally),
) {
    const MEASURE: &str = "ids, text, bytes and stream deltas";
    let file = match ModelFile::open(path) {
        Ok(file) => file,
        Err(error) => return report.failed(case, MEASURE, &error),
    };
    let header: &GgufHeader = file.header();
    match Tokenizer::from_gguf(header) {
        Ok(tokenizer) => {
            let mut tally = Tally::default();
            compare(&Arc::new(tokenizer), &mut tally);
            report.none_differ(case, MEASURE, tally.compared, &tally.wrong);
        }
        Err(error) => report.failed(case, MEASURE, &error),
    }
}

impl Case {
    fn compare(&self, tokenizer: &Arc<Tokenizer>, tally: &mut Tally) {
        let name = &self.name;
        for (key, ids) in &self.ids {
            if !self.depends_on_control_by_text {
                let found = tokenizer.encode(&self.text, key.contains("add1"), key.contains("parse1"));
                tally.equal(&format!("{name} {key}"), &found, ids);
            }
        }
        for (key, text) in &self.detokenize {
            let Some((ids, how)) = key.split_once('.') else {
                tally.expect(false, || format!("{name}: {key} is no key"));
                continue;
            };
            if !(self.depends_on_control_by_text && how.contains("unparse0")) {
                let found = tokenizer.decode(&self.ids[ids], how.contains("unparse1"));
                tally.equal(&format!("{name} {key}"), &found, text);
            }
        }
        let ids = &self.ids["add0_parse0"];
        let pieces = ids.iter().map(|&id| hex::encode(tokenizer.token_bytes(id)));
        tally.equal(&format!("{name} pieces"), &pieces.collect(), &self.pieces_hex);

        let mut decoder = StreamDecoder::new(Arc::clone(tokenizer), true);
        let mut stream: Vec<String> = ids.iter().map(|&id| decoder.push(id)).collect();
        stream.push(decoder.finish());
        tally.equal(&format!("{name} stream"), &stream, &self.stream);
    }
}

impl Vocab {
    fn compare(&self, tokenizer: &Tokenizer, tally: &mut Tally) {
        let id = |id: Option<u32>| id.map_or(-1, i64::from);
        tally.equal("tokens", &tokenizer.vocab_size(), &self.n_vocab);
        tally.equal("bos", &id(tokenizer.bos()), &self.bos);
        tally.equal("eos", &id(tokenizer.eos()), &self.eos);
        tally.equal("add_bos", &tokenizer.adds_bos(), &self.add_bos);

        let promoted = |id: &u32| self.control_by_text.contains_key(id);
        let mut ends = self.end_of_generation.clone();
        ends.retain(|id| !promoted(id));
        tally.equal(
            "end of generation",
            &tokenizer.end_of_generation().to_vec(),
            &ends,
        );
        let all = || 0..self.n_vocab;
        let by_question: Vec<u32> = all().filter(|&id| tokenizer.is_end_of_generation(id)).collect();
        tally.equal("end of generation, one by one", &by_question, &ends);

        let kind = |id: u32| tokenizer.token_kind(id);
        let user_defined = all().filter(|&id| kind(id) == Some(TokenKind::UserDefined));
        tally.equal("user-defined tokens", &user_defined.count(), &self.n_user_defined);
        // llama.cpp counts what it promoted among the control tokens.
        let control = all().filter(|id| kind(*id).is_some_and(TokenKind::is_control) || promoted(id));
        tally.equal("control tokens", &control.count(), &self.n_control);

        let mut hash = Sha256::new();
        for id in all() {
            let piece = tokenizer.token_bytes(id);
            hash.update((piece.len() as u32).to_le_bytes());
            hash.update(piece);
        }
        let digest = hex::encode(hash.finalize());
        tally.equal("bytes of all tokens", &digest, &self.all_pieces_sha256);
    }
}
