//! Tokenizers on files and texts that mean harm. (Against llama.cpp's ids: `tests/fidelity.rs`.)

#![allow(clippy::unwrap_used, reason = "a test that panics says no")]

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_worker_rbee::text::{StreamDecoder, TokenKind, Tokenizer, TokenizerError};
use proptest::prelude::*;
use rbee_artifacts::gguf::GgufHeader;
use rbee_testkit::models;

fn header(path: &Path) -> GgufHeader {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    GgufHeader::read(file, size).unwrap()
}

fn tokenizer(path: &Path) -> Tokenizer {
    Tokenizer::from_gguf(&header(path)).unwrap()
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
