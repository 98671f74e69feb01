//! The GGUF parser against the broken and the unusual files of `fixtures/llm`, and against chance.
//!
//! Memory is counted by the allocator of this test binary, for the thread under test.

#[path = "support/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memory::peak_bytes;
use proptest::prelude::*;
use rbee_artifacts::gguf::{
    DecoderFacts, GgufError, GgufHeader, TokenizerFacts, require_architecture, summary,
};
use serde::Deserialize;

/// What the fixtures ask of every file.
const LIMIT: Duration = Duration::from_secs(1);
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
struct Expectations {
    files: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    path: String,
    format: String,
    stage: Stage,
    field: Option<String>,
    why: String,
}

#[derive(Deserialize, PartialEq, Clone, Copy, Debug)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Parse,
    Model,
    Use,
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/llm")
        .join(folder)
}

/// The GGUF files that the list in `folder` describes.
fn expectations(folder: &str) -> Vec<Expectation> {
    let text =
        std::fs::read_to_string(fixtures(folder).join(format!("{folder}.json"))).expect("the list is there");
    let all: Expectations = serde_json::from_str(&text).expect("the list is valid");
    all.files
        .into_iter()
        .filter(|file| file.format == "gguf")
        .collect()
}

fn parse(bytes: &[u8]) -> Result<GgufHeader, GgufError> {
    GgufHeader::read(bytes, bytes.len() as u64)
}

/// All that a worker checks before it loads weights.
fn check_model(header: &GgufHeader) -> Result<(), GgufError> {
    require_architecture(header)?;
    let decoder = DecoderFacts::read(header)?;
    decoder.check_tensors(header)?;
    TokenizerFacts::read(header, decoder.vocab_size)?;
    Ok(())
}

#[test]
fn every_broken_file_is_refused_by_name_in_time_and_in_bounds() {
    let files = expectations("bad");
    assert!(files.len() > 70, "the list of broken files is there");
    for Expectation {
        path,
        stage,
        field,
        why,
        ..
    } in files
    {
        let bytes = std::fs::read(fixtures("bad").join(&path)).unwrap();
        let started = Instant::now();
        let (outcome, peak) = peak_bytes(|| {
            let header = parse(&bytes).map_err(|error| (Stage::Parse, error))?;
            check_model(&header).map_err(|error| (Stage::Model, error))
        });
        assert!(started.elapsed() < LIMIT, "{path} took {:?}", started.elapsed());
        assert!(peak < MEMORY_LIMIT_BYTES, "{path} took {peak} bytes");
        match outcome {
            Ok(()) => assert_eq!(stage, Stage::Use, "{path} ({why}) was accepted"),
            Err((found, error)) => {
                assert_eq!(found, stage, "{path} ({why}): {error}");
                let field = field.expect("every broken GGUF has a field at fault");
                assert!(
                    error.to_string().contains(&field),
                    "{path}: \"{error}\" does not say {field}"
                );
                assert!(
                    error.field().contains(&field),
                    "{path}: {} is not {field}",
                    error.field()
                );
            }
        }
    }
}

#[test]
fn every_unusual_file_is_accepted() {
    for Expectation { path, why, .. } in expectations("ok") {
        let bytes = std::fs::read(fixtures("ok").join(&path)).unwrap();
        let header = parse(&bytes).unwrap_or_else(|error| panic!("{path} ({why}): {error}"));
        check_model(&header).unwrap_or_else(|error| panic!("{path} ({why}): {error}"));
        summary(&header).unwrap_or_else(|error| panic!("{path} ({why}): {error}"));
    }
}

fn plain() -> Vec<u8> {
    std::fs::read(fixtures("ok").join("plain.gguf")).expect("plain.gguf is there")
}

#[test]
fn the_facts_of_a_file_are_what_was_written() {
    let bytes = plain();
    let header = parse(&bytes).unwrap();
    assert_eq!(
        (
            header.version,
            header.tensors.len(),
            header.data_offset_bytes % 32
        ),
        (3, 12, 0)
    );
    let last = header.tensor("output.weight").unwrap();
    assert_eq!(last.offset_bytes + last.size_bytes, bytes.len() as u64);
    assert_eq!(
        header
            .metadata
            .strings("tokenizer.ggml.tokens")
            .unwrap()
            .unwrap()
            .get(2),
        Some("</s>")
    );

    let facts = summary(&header).unwrap();
    assert_eq!(facts.architecture, "llama");
    assert_eq!(facts.name.as_deref(), Some("mini"));
    assert_eq!(facts.quantization.as_deref(), Some("F16"));
    assert_eq!(facts.context_length, Some(64));
    assert_eq!(
        facts.parameter_count,
        2 * 32 * 32 + 5 * 32 * 32 + 2 * 16 * 32 + 3 * 32
    );
    assert_eq!(facts.tokenizer.as_deref(), Some("llama"));
    assert!(!facts.has_chat_template);

    let decoder = DecoderFacts::read(&header).unwrap();
    assert_eq!(
        (decoder.head_count, decoder.head_count_kv, decoder.head_dim),
        (2, 1, 16)
    );
    assert_eq!((decoder.vocab_size, decoder.rope_scaling), (32, None));
}

#[test]
fn a_file_shorter_than_it_was_said_to_be_is_a_read_error() {
    let bytes = plain();
    for length in [2, 20, 500, 1500] {
        let error = GgufHeader::read(&bytes[..length], bytes.len() as u64).unwrap_err();
        assert!(
            matches!(error, GgufError::Read { .. } | GgufError::Truncated { .. }),
            "{error}"
        );
    }
}

/// Everything that can be asked of a header, none of which may panic.
fn ask_everything(bytes: &[u8]) {
    if let Ok(header) = parse(bytes) {
        let _ = summary(&header);
        let _ = check_model(&header);
        if let Ok(decoder) = DecoderFacts::read(&header) {
            let _ = decoder.check_tensors(&header);
            let _ = TokenizerFacts::read(&header, decoder.vocab_size);
        }
        for tensor in &header.tensors {
            assert!(tensor.offset_bytes + tensor.size_bytes <= bytes.len() as u64);
            assert!(tensor.element_count() > 0);
        }
    }
}

/// What a header may cost: what it holds, some of it twice while a list grows, and a read buffer.
fn expect_bounded(bytes: &[u8]) {
    let ((), peak) = peak_bytes(|| ask_everything(bytes));
    assert!(
        peak < 64 * 1024 + 16 * bytes.len(),
        "{peak} bytes for a file of {}",
        bytes.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_after_the_magic_never_panic(tail in prop::collection::vec(any::<u8>(), 0..2048), version in 2_u32..=3) {
        let bytes = [b"GGUF".as_slice(), &version.to_le_bytes(), &tail].concat();
        expect_bounded(&bytes);
    }

    #[test]
    fn random_changes_to_a_valid_file_never_panic(
        changes in prop::collection::vec((0_usize..2200, prop_oneof![any::<u8>(), Just(0), Just(1), Just(255), Just(128)]), 1..8),
        cut in prop::option::of(0_usize..2300),
    ) {
        let mut bytes = plain();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        expect_bounded(&bytes);
    }

    #[test]
    fn random_numbers_in_a_valid_file_never_panic(
        place in 0_usize..2200,
        number in prop_oneof![any::<u64>(), (0_u32..64).prop_map(|shift| 1 << shift), (0_u32..64).prop_map(|shift| u64::MAX >> shift)],
    ) {
        let mut bytes = plain();
        bytes[place..place + 8].copy_from_slice(&number.to_le_bytes());
        expect_bounded(&bytes);
    }
}
