//! Tokenizers against llama.cpp's ids, text, bytes and stream deltas.

#![allow(clippy::unwrap_used, reason = "a test that panics says no")]

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_worker_rbee::text::{Prompt, StreamDecoder, TokenKind, Tokenizer, TokenizerError};
use proptest::prelude::*;
use rbee_artifacts::gguf::GgufHeader;
use rbee_testkit::models;
use serde::Deserialize;
use sha2::{Digest, Sha256};

fn header(path: &Path) -> GgufHeader {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    GgufHeader::read(file, size).unwrap()
}

fn tokenizer(path: &Path) -> Tokenizer {
    Tokenizer::from_gguf(&header(path)).unwrap()
}

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
    control_by_text: HashMap<String, String>,
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
    /// Depends on llama.cpp's promotion of ordinary tokens to control tokens, which is not followed.
    #[serde(default)]
    depends_on_control_by_text: bool,
}

/// How many comparisons were made; panics with all differences.
fn compare(tokenizer: &Arc<Tokenizer>, cases: &[Case]) -> usize {
    let mut compared = 0;
    let mut wrong = Vec::new();
    let mut expect = |what: String, same: bool| {
        compared += 1;
        if !same {
            wrong.push(what);
        }
    };
    for case in cases {
        for (key, ids) in &case.ids {
            let (add, parse) = (key.contains("add1"), key.contains("parse1"));
            if !case.depends_on_control_by_text {
                let got = tokenizer.encode(&case.text, add, parse);
                expect(
                    format!("{} {key}: {got:?} and not {ids:?}", case.name),
                    got == *ids,
                );
            }
        }
        for (key, text) in &case.detokenize {
            let (ids, how) = key.split_once('.').unwrap();
            if case.depends_on_control_by_text && how.contains("unparse0") {
                continue;
            }
            let got = tokenizer.decode(&case.ids[ids], how.contains("unparse1"));
            expect(
                format!("{} {key}: {got:?} and not {text:?}", case.name),
                got == *text,
            );
        }
        let ids = &case.ids["add0_parse0"];
        let pieces: Vec<String> = ids
            .iter()
            .map(|&id| hex::encode(tokenizer.token_bytes(id)))
            .collect();
        expect(
            format!("{} pieces: {pieces:?}", case.name),
            pieces == case.pieces_hex,
        );

        let mut decoder = StreamDecoder::new(Arc::clone(tokenizer), true);
        let mut stream: Vec<String> = ids.iter().map(|&id| decoder.push(id)).collect();
        stream.push(decoder.finish());
        expect(format!("{} stream: {stream:?}", case.name), stream == case.stream);
    }
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    compared
}

fn compare_vocab(tokenizer: &Tokenizer, vocab: &Vocab) {
    assert_eq!(tokenizer.vocab_size(), vocab.n_vocab);
    assert_eq!(tokenizer.bos().map_or(-1, i64::from), vocab.bos);
    assert_eq!(tokenizer.eos().map_or(-1, i64::from), vocab.eos);
    assert_eq!(tokenizer.adds_bos(), vocab.add_bos);

    let promoted: Vec<u32> = vocab
        .control_by_text
        .keys()
        .map(|id| id.parse().unwrap())
        .collect();
    let mut end_of_generation = vocab.end_of_generation.clone();
    end_of_generation.retain(|id| !promoted.contains(id));
    assert_eq!(tokenizer.end_of_generation(), end_of_generation);
    assert!(
        end_of_generation
            .iter()
            .all(|&id| tokenizer.is_end_of_generation(id))
    );
    assert!(promoted.iter().all(|&id| !tokenizer.is_end_of_generation(id)));

    let count = |wanted: fn(TokenKind) -> bool| {
        (0..vocab.n_vocab)
            .filter(|&id| tokenizer.token_kind(id).is_some_and(wanted))
            .count()
    };
    // llama.cpp counts what it promoted among the control tokens.
    let user_defined = count(|kind| kind == TokenKind::UserDefined);
    assert_eq!(user_defined, vocab.n_user_defined);
    let ordinary = promoted
        .iter()
        .filter(|&&id| !tokenizer.token_kind(id).is_some_and(TokenKind::is_control));
    assert_eq!(count(TokenKind::is_control) + ordinary.count(), vocab.n_control);

    let mut hash = Sha256::new();
    for id in 0..vocab.n_vocab {
        let piece = tokenizer.token_bytes(id);
        hash.update((piece.len() as u32).to_le_bytes());
        hash.update(piece);
    }
    assert_eq!(hex::encode(hash.finalize()), vocab.all_pieces_sha256);
}

fn real_model(file: &str) {
    let path = models::path(file);
    let header = header(&path);
    let begin = Instant::now();
    let tokenizer = Arc::new(Tokenizer::from_gguf(&header).unwrap());
    let load = begin.elapsed();
    println!("{file}: tokenizer loaded in {load:?}");
    // The aim is half a second in a release build; this leaves room for a busy machine.
    assert!(load < Duration::from_secs(5), "loading took {load:?}");

    let golden = models::fixture(&format!("llm/tokenizer/{}", file.replace(".gguf", ".json")));
    let golden: Golden = serde_json::from_reader(File::open(golden).unwrap()).unwrap();
    compare_vocab(&tokenizer, &golden.vocab);
    let compared = compare(&tokenizer, &golden.cases);
    println!(
        "{file}: {compared} comparisons of {} texts are equal",
        golden.cases.len()
    );
}

#[test]
fn qwen_is_equal_to_llama_cpp() {
    real_model(models::QWEN);
}

#[test]
fn gemma_is_equal_to_llama_cpp() {
    real_model(models::GEMMA);
}

#[derive(Deserialize)]
struct Tiny {
    gguf: Vec<Case>,
}

#[derive(Deserialize)]
struct TinyGolden {
    gguf_vocab: Vocab,
    text: TinyText,
    chat: Option<TinyChat>,
}

#[derive(Deserialize)]
struct TinyText {
    text: String,
    gguf_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct TinyChat {
    rendered: String,
    gguf_ids: Vec<u32>,
}

fn tiny(name: &str) {
    let folder = models::fixture(&format!("llm/tiny/{name}"));
    let tokenizer = Arc::new(tokenizer(&folder.join(format!("{name}-q8_0.gguf"))));
    let golden: TinyGolden =
        serde_json::from_reader(File::open(folder.join("golden.json")).unwrap()).unwrap();
    compare_vocab(&tokenizer, &golden.gguf_vocab);
    assert_eq!(
        tokenizer.encode(&golden.text.text, true, true),
        golden.text.gguf_ids
    );
    if let Some(chat) = golden.chat {
        assert_eq!(
            tokenizer.encode_prompt(&Prompt::trusted(chat.rendered)),
            chat.gguf_ids
        );
    }
    let cases: Tiny = serde_json::from_reader(File::open(folder.join("tokens.json")).unwrap()).unwrap();
    println!(
        "{name}: {} comparisons are equal",
        compare(&tokenizer, &cases.gguf)
    );
}

#[test]
fn tiny_llama_is_equal_to_llama_cpp() {
    tiny("llama");
}

#[test]
fn tiny_mistral_is_equal_to_llama_cpp() {
    tiny("mistral");
}

#[test]
fn tiny_qwen2_is_equal_to_llama_cpp() {
    tiny("qwen2");
}

#[test]
fn tiny_qwen3_is_equal_to_llama_cpp() {
    tiny("qwen3");
}

#[test]
fn tiny_gemma3_is_equal_to_llama_cpp() {
    tiny("gemma3");
}

#[test]
fn tiny_phi3_is_equal_to_llama_cpp() {
    tiny("phi3");
}

#[test]
fn broken_vocabularies_are_refused_by_the_field() {
    let cases = [
        ("tokens-missing", "tokenizer.ggml.tokens"),
        ("tokens-numbers", "tokenizer.ggml.tokens"),
        ("tokenizer-model-missing", "tokenizer.ggml.model"),
        ("tokenizer-model-unknown", "tokenizer.ggml.model"),
        ("merges-missing", "tokenizer.ggml.merges"),
        ("scores-short", "tokenizer.ggml.scores"),
        ("types-short", "tokenizer.ggml.token_type"),
        ("bos-out-of-range", "tokenizer.ggml.bos_token_id"),
    ];
    for (file, field) in cases {
        let header = header(&models::fixture(&format!("llm/bad/{file}.gguf")));
        let error = Tokenizer::from_gguf(&header).unwrap_err();
        assert_eq!(error.field(), field, "{file}: {error}");
        assert!(error.to_string().contains(field), "{file}: {error}");
        assert!(matches!(error, TokenizerError::Metadata(_)));
    }
}

#[test]
fn unusual_but_valid_vocabularies_load() {
    for file in ["plain", "unknown-keys", "empty-values", "version-2"] {
        let tokenizer = tokenizer(&models::fixture(&format!("llm/ok/{file}.gguf")));
        // It has no byte tokens: what it cannot write is unknown, and nothing is lost in silence.
        let ids = tokenizer.encode("ab é", true, false);
        assert_eq!(tokenizer.decode(&ids, true), "<s> ab <unk>", "{file}");
    }
}

#[test]
fn a_long_text_takes_no_long_time() {
    let tokenizer = tokenizer(&models::fixture("llm/tiny/gemma3/gemma3-q8_0.gguf"));
    let pairs = self::tokenizer(&models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf"));
    for text in [
        " ".repeat(400_000),
        "a".repeat(400_000),
        "\n \n".repeat(100_000),
        "<|im_end|>".repeat(40_000),
    ] {
        for tokenizer in [&tokenizer, &pairs] {
            let begin = Instant::now();
            let ids = tokenizer.encode(&text, false, true);
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
            assert_eq!(tokenizer.decode(&ids, true), text);
        }
    }
}

fn tiny_tokenizer(name: &str) -> Arc<Tokenizer> {
    Arc::new(tokenizer(&models::fixture(&format!(
        "llm/tiny/{name}/{name}-q8_0.gguf"
    ))))
}

/// Text with what tokenizers trip over.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,8}",
        "[ \\t\\r\\n]{0,6}",
        "[a-zA-Z0-9'.,]{0,12}",
        prop::sample::select(vec![
            "<|im_end|>",
            "</s>",
            "<0x0A>",
            "[INST]",
            "<bos>",
            "e\u{301}",
            "\u{0}",
            "👩\u{200d}👧"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

#[test]
fn any_text_comes_back() {
    let tokenizers = ["qwen2", "llama", "gemma3", "mistral"].map(tiny_tokenizer);
    // To SentencePiece U+2581 is a space.
    let text = any_text().prop_map(|text| text.replace('▁', "_"));
    proptest!(ProptestConfig::with_cases(300), |(text in text)| {
        for tokenizer in &tokenizers {
            let ids = tokenizer.encode(&text, false, false);
            prop_assert!(ids.iter().all(|&id| !tokenizer.token_kind(id).is_some_and(TokenKind::is_control)));
            prop_assert_eq!(&tokenizer.decode(&ids, false), &text);

            let mut decoder = StreamDecoder::new(Arc::clone(tokenizer), false);
            let mut streamed: String = ids.iter().map(|&id| decoder.push(id)).collect();
            streamed.push_str(&decoder.finish());
            prop_assert_eq!(streamed.trim_start(), text.trim_start());
        }
    });
}

#[test]
fn a_vocabulary_with_random_damage_never_panics() {
    let files = ["qwen2", "mistral"]
        .map(|name| std::fs::read(models::fixture(&format!("llm/tiny/{name}/{name}-q8_0.gguf"))).unwrap());
    let read = Cell::new(0);
    proptest!(ProptestConfig::with_cases(2_000), |(
        file in 0..2_usize,
        damage in prop::collection::vec((0..24_000_usize, any::<u8>()), 1..12),
        text in any_text(),
    )| {
        let mut bytes = files[file].clone();
        for (place, byte) in damage {
            bytes[place] = byte;
        }
        let Ok(header) = GgufHeader::read(bytes.as_slice(), bytes.len() as u64) else { return Ok(()) };
        match Tokenizer::from_gguf(&header) {
            Ok(tokenizer) => {
                read.set(read.get() + 1);
                let ids = tokenizer.encode(&text, true, true);
                prop_assert!(ids.iter().all(|&id| id < tokenizer.vocab_size()));
                prop_assert!(ids.is_empty() || tokenizer.decode(&ids, true).len() <= 1 << 20);
            }
            Err(error) => prop_assert!(error.to_string().contains("tokenizer.") || error.to_string().contains("general."), "{}", error),
        }
    });
    let read = read.get();
    // About one in sixteen can: 125 of these, give or take 11.
    assert!(read > 40, "only {read} damaged files could be read");
    println!("{read} damaged files could be read");
}
