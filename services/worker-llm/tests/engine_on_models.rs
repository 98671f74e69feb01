//! The engine over real decoders: tiny models with random weights.

// Helpers of tests say no by panicking, as tests do.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use llm_worker_rbee::engine::{
    Engine, EngineConfig, Event, Finish, FinishReason, GenerateRequest, Pushed, TokenSink, TokenStream,
};
use llm_worker_rbee::model::{CpuBackend, LoadError, LoadOptions, ModelFile, ModelFiles};
use llm_worker_rbee::sampling::{RULED_OUT, SamplingParams};
use llm_worker_rbee::text::Tokenizer;
use rbee_artifacts::gguf::GgufError;
use rbee_testkit::models;

/// Token ids are all that counts here.
struct NoText;

impl TokenSink for NoText {
    fn push(&mut self, _token: u32) -> Pushed {
        Pushed::default()
    }

    fn finish(&mut self) -> String {
        String::new()
    }
}

fn load(name: &str, options: &LoadOptions) -> Result<CpuBackend, LoadError> {
    let file = ModelFiles::open(&models::fixture(&format!("llm/tiny/{name}/{name}-q8_0.gguf")))?;
    let mut fractions = Vec::new();
    let backend = CpuBackend::load(&file, options, &mut |fraction| fractions.push(fraction))?;
    assert!(
        fractions.is_sorted() && fractions.last() == Some(&1.0),
        "{fractions:?}"
    );
    Ok(backend)
}

fn engine(slots: usize) -> Engine {
    let backend = load(
        "gemma3",
        &LoadOptions {
            threads: Some(2),
            ..LoadOptions::default()
        },
    )
    .unwrap();
    Engine::start(
        Box::new(backend),
        EngineConfig {
            slots,
            queue: 8,
            prefill_chunk: 8,
            kv_limit_bytes: None,
        },
    )
    .unwrap()
}

fn request(first: u32, sampling: SamplingParams, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt: (0..20).map(|index| (first + index * 13) % 600).collect(),
        max_tokens: Some(max_tokens),
        reproducible: sampling.seed.is_some(),
        sampling,
        ..GenerateRequest::new(Box::new(NoText))
    }
}

async fn collect(mut stream: TokenStream) -> (Vec<u32>, Finish) {
    let mut tokens = Vec::new();
    loop {
        match stream.next().await.unwrap().unwrap() {
            Event::Token(delta) => tokens.push(delta.token),
            Event::Finished(finish) => return (tokens, finish),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_seed_gives_the_same_answer_alone_and_in_company() {
    let engine = engine(4);
    // Each with settings of its own, so that all of them are in one batch.
    let sampling = |seed| {
        let plain = SamplingParams {
            seed: Some(seed),
            top_p: 0.95,
            ..SamplingParams::default()
        };
        match seed {
            0 => plain,
            1 => SamplingParams {
                typical_p: 0.7,
                frequency_penalty: 0.5,
                ..plain
            },
            2 => SamplingParams {
                logit_bias: vec![(3, 2.0), (4, RULED_OUT)],
                presence_penalty: -0.5,
                penalty_window: 7,
                ..plain
            },
            _ => SamplingParams {
                top_k: 40,
                repetition_penalty: 1.3,
                min_p: 0.05,
                ..plain
            },
        }
    };
    let ask = |seed: u64| {
        engine
            .generate(request(seed as u32 * 50, sampling(seed), 30))
            .unwrap()
    };
    let mut alone = Vec::new();
    for seed in 0..4 {
        let (tokens, finish) = collect(ask(seed)).await;
        assert_eq!((tokens.len(), finish.reason), (30, FinishReason::Length));
        alone.push(tokens);
    }
    let streams: Vec<TokenStream> = (0..4).map(ask).collect();
    for (stream, alone) in streams.into_iter().zip(&alone) {
        assert_eq!(&collect(stream).await.0, alone);
    }
    assert_ne!(alone[0], alone[1]);
}

#[tokio::test]
async fn a_dropped_stream_gives_its_memory_back() {
    let engine = engine(1);
    let mut stream = engine
        .generate(request(7, SamplingParams::greedy(), 400))
        .unwrap();
    while !matches!(stream.next().await.unwrap().unwrap(), Event::Token(_)) {}
    assert!(engine.stats().sequence_bytes > 0);
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(10);
    while engine.stats().running > 0 {
        assert!(Instant::now() < deadline, "the sequence still runs");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stats = engine.stats();
    assert_eq!((stats.cancelled, stats.sequence_bytes), (1, 0));
    assert!(stats.generated_tokens < 400, "it was not run to its end");
    let (tokens, _) = collect(engine.generate(request(7, SamplingParams::greedy(), 5)).unwrap()).await;
    assert_eq!(tokens.len(), 5);
}

#[tokio::test]
async fn timings_are_measured() {
    let engine = engine(1);
    let (_, finish) = collect(engine.generate(request(3, SamplingParams::greedy(), 10)).unwrap()).await;
    assert_eq!(
        (finish.usage.prompt_tokens, finish.usage.completion_tokens),
        (20, 10)
    );
    assert!(finish.timings.time_to_first_token.unwrap() > finish.timings.queue);
    assert!(finish.timings.prefill_tokens_per_second.unwrap() > 0.0);
    assert!(finish.timings.decode_tokens_per_second.unwrap() > 0.0);
}

#[tokio::test]
async fn the_next_turn_of_a_chat_computes_only_what_is_new() {
    let engine = engine(2);
    let turn = request(3, SamplingParams::greedy(), 30);
    let (prompt, sampling) = (turn.prompt.clone(), turn.sampling.clone());
    let (answer, finish) = collect(engine.generate(turn).unwrap()).await;
    assert_eq!(finish.usage.cached_tokens, 0);

    // What the client sends then: all that was said, and something new.
    let next: Vec<u32> = [&prompt, &answer, &[5, 6, 7][..]].concat();
    let ask = |reproducible| GenerateRequest {
        prompt: next.clone(),
        reproducible,
        ..request(3, sampling.clone(), 20)
    };
    let (warm, finish) = collect(engine.generate(ask(false)).unwrap()).await;
    // The last token of the answer was said and never computed with.
    assert_eq!(finish.usage.cached_tokens, 49);
    assert_eq!(engine.stats().cached_tokens, 49);
    // Whole chunks of 8 only: the answer was computed token by token.
    let (careful, finish) = collect(engine.generate(ask(true)).unwrap()).await;
    assert_eq!(finish.usage.cached_tokens, 16);

    let cold = self::engine(2);
    let (fresh, _) = collect(cold.generate(ask(true)).unwrap()).await;
    assert_eq!(careful, fresh);
    assert_eq!(warm, fresh, "there is no near tie in this text");
    assert!(engine.stats().kept_bytes > 0 && engine.stats().sequence_bytes == 0);
}

#[test]
fn the_facts_of_a_model_are_those_of_its_file() {
    let options = LoadOptions {
        context_length: Some(100),
        threads: Some(1),
        ..LoadOptions::default()
    };
    let backend = load("qwen2", &options).unwrap();
    let info = llm_worker_rbee::engine::Backend::info(&backend);
    assert_eq!(
        (info.architecture.as_str(), info.vocab_size, info.layer_count),
        ("qwen2", 640, 3)
    );
    assert_eq!((info.context_length, info.trained_context_length), (100, 512));
    assert_eq!(info.quantization.as_deref(), Some("Q8_0"));
    // 3 layers, 2 heads of 16, keys and values, 2 bytes each.
    assert_eq!(info.kv_bytes_per_token, 3 * 2 * 16 * 2 * 2);
}

#[test]
fn what_cannot_be_loaded_is_refused_by_name() {
    for context_length in [0, 513] {
        let options = LoadOptions {
            context_length: Some(context_length),
            ..LoadOptions::default()
        };
        let error = load("qwen2", &options).unwrap_err();
        assert!(
            matches!(error, LoadError::ContextLength { longest: 512, .. }),
            "{error}"
        );
    }
    let missing = ModelFiles::open("/nowhere/model.gguf".as_ref()).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/model.gguf"), "{missing}");
    let folder = models::fixture("llm/tiny");
    assert!(matches!(ModelFile::open(&folder), Err(LoadError::Read { .. })));
}

/// Loads a copy of the tiny Qwen2 file in which one name is replaced by another of the same length.
fn load_with(old: &str, new: &str) -> GgufError {
    assert_eq!(old.len(), new.len());
    let mut bytes = std::fs::read(models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).unwrap();
    let places: Vec<usize> = (0..bytes.len() - old.len())
        .filter(|&place| bytes[place..].starts_with(old.as_bytes()))
        .collect();
    assert_eq!(places.len(), 1, "{old} is in the file once");
    bytes[places[0]..][..new.len()].copy_from_slice(new.as_bytes());
    load_bytes(&bytes)
}

/// The tiny Qwen3 file under the name of another architecture.
fn qwen3_called(name: &[u8; 5]) -> Vec<u8> {
    let mut bytes = std::fs::read(models::fixture("llm/tiny/qwen3/qwen3-q8_0.gguf")).unwrap();
    for place in 0..bytes.len() - name.len() {
        if bytes[place..].starts_with(b"qwen3") {
            bytes[place..][..name.len()].copy_from_slice(name);
        }
    }
    bytes
}

fn load_bytes(bytes: &[u8]) -> GgufError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.gguf");
    std::fs::write(&path, bytes).unwrap();
    let loaded = ModelFiles::open(&path)
        .and_then(|file| CpuBackend::load(&file, &LoadOptions::default(), &mut |_| {}).map(|_| ()));
    let error = loaded.unwrap_err();
    assert!(error.to_string().contains("broken.gguf"), "{error}");
    match error {
        LoadError::File { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn a_broken_file_is_refused_with_the_field_that_is_wrong() {
    let missing = load_with("blk.1.attn_q.bias", "blk.1.attn_q.BIAS");
    assert!(matches!(missing, GgufError::Missing { .. }), "{missing}");
    assert!(missing.field().contains("blk.1.attn_q.bias"), "{missing}");

    // A tensor of a layer that the decoder has no place for must not be left out silently.
    let other = load_bytes(&qwen3_called(b"qwen2"));
    assert!(other.field().starts_with("tensor blk.0.attn_"), "{other}");

    let unsupported = load_bytes(&qwen3_called(b"mamba"));
    assert!(
        matches!(unsupported, GgufError::Unsupported { .. }),
        "{unsupported}"
    );
    assert_eq!(unsupported.field(), "general.architecture");

    let bytes = std::fs::read(models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).unwrap();
    let truncated = load_bytes(&bytes[..bytes.len() - 1]);
    assert!(truncated.to_string().contains("cut short"), "{truncated}");
}

/// Loads a folder and its tokenizer; gives all that is said of what is wrong.
fn load_folder(name: &str) -> Result<(), String> {
    let words = |error: &dyn std::error::Error| {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    let path = models::fixture(&format!("llm/{name}"));
    let files = ModelFiles::open(&path).map_err(|error| words(&error))?;
    let (spec, _) = files.decoder().map_err(|error| words(&error))?;
    let rows = u32::try_from(spec.vocab_size).unwrap();
    Tokenizer::from_folder(&path, rows).map_err(|error| words(&error))?;
    Ok(())
}

#[test]
fn a_broken_folder_is_refused_with_the_file_and_field_that_are_wrong() {
    let list = std::fs::read(models::fixture("llm/bad/bad.json")).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let mut folders = 0;
    for expected in list["files"].as_array().unwrap() {
        let path = expected["path"].as_str().unwrap();
        if expected["format"] != "folder" {
            continue;
        }
        folders += 1;
        let words = load_folder(&format!("bad/{path}")).expect_err(path);
        let field = expected["field"].as_str().unwrap();
        assert!(words.contains(field), "{path}: {words}");
    }
    assert!(folders > 20, "{folders} folders");
    for name in ["ok/dir-plain", "ok/dir-sharded"] {
        load_folder(name).unwrap();
    }
}
