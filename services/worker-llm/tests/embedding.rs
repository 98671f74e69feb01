//! Vectors of texts, against the reference's logits: with the output matrix multiplied, they are these.

#![allow(clippy::unwrap_used, reason = "a test that panics says no")]

use std::path::Path;

use candle_core::{Device, Tensor};
use llm_worker_rbee::engine::{EmbedRequest, Engine, EngineConfig, EngineError};
use llm_worker_rbee::model::{CpuBackend, LoadOptions, ModelFiles, Pooling};
use rbee_testkit::models::fixture;
use tempfile::TempDir;

/// The tiny model's folder, with a pooling declared.
fn folder(pooling: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(fixture("llm/tiny/llama/hf")).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    let declared = format!("{{\"{pooling}\": true}}");
    std::fs::write(folder.path().join("1_Pooling/config.json"), declared).unwrap();
    folder
}

fn engine(folder: &Path, chunk: usize) -> Engine {
    let files = ModelFiles::open(folder).unwrap();
    let options = LoadOptions {
        threads: Some(1),
        kv_type: llm_worker_rbee::kernels::KvType::F32,
        arithmetic: llm_worker_rbee::kernels::Arithmetic::Reference,
        ..LoadOptions::default()
    };
    let backend = CpuBackend::load(&files, &options, &mut |_| ()).unwrap();
    let config = EngineConfig {
        prefill_chunk: chunk,
        ..EngineConfig::default()
    };
    Engine::start(Box::new(backend), config).unwrap()
}

fn golden() -> (Vec<u32>, Vec<Vec<f32>>) {
    let path = fixture("llm/tiny/llama/golden.json");
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let ids = golden["prompt_ids"].as_array().unwrap();
    let arrays = candle_core::safetensors::load(fixture("llm/tiny/llama/golden.safetensors"), &Device::Cpu);
    (
        ids.iter().map(|id| id.as_u64().unwrap() as u32).collect(),
        arrays.unwrap()["hf"].to_vec2().unwrap(),
    )
}

/// The output matrix times a vector.
fn logits(folder: &Path, vector: &[f32]) -> Vec<f32> {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let matrix = files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "safetensors")
        })
        .find_map(|path| {
            let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
            tensors.remove("lm_head.weight")
        });
    let vector = Tensor::from_slice(vector, (vector.len(), 1), &Device::Cpu).unwrap();
    let product = matrix.unwrap().matmul(&vector).unwrap();
    product.flatten_all().unwrap().to_vec1().unwrap()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[tokio::test]
async fn vectors_are_those_of_the_reference() {
    let (ids, rows) = golden();
    let rows = &rows[..ids.len()];
    let mean: Vec<f32> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column]).sum::<f32>() / rows.len() as f32)
        .collect();
    for (declared, pooling, expected) in [
        ("pooling_mode_lasttoken", Pooling::Last, &rows[ids.len() - 1]),
        ("pooling_mode_cls_token", Pooling::First, &rows[0]),
        ("pooling_mode_mean_tokens", Pooling::Mean, &mean),
    ] {
        let folder = folder(declared);
        // In portions of seven tokens, and in one.
        for chunk in [7, 128] {
            let engine = engine(folder.path(), chunk);
            assert_eq!(engine.info().pooling, Some(pooling));
            let request = EmbedRequest {
                inputs: vec![ids.clone()],
                pooling,
            };
            let vectors = engine.embed(request).await.unwrap();
            assert_eq!(vectors[0].len(), engine.info().embedding_length);
            let distance = farthest(&logits(folder.path(), &vectors[0]), expected);
            println!("{pooling:?} in portions of {chunk}: {distance}");
            assert!(distance < 0.002, "{pooling:?} in portions of {chunk}: {distance}");
        }
    }
}

#[tokio::test]
async fn a_batch_gives_what_each_gives_alone() {
    let (ids, _) = golden();
    let folder = folder("pooling_mode_mean_tokens");
    let engine = engine(folder.path(), 16);
    // Shorter and longer than a portion.
    let inputs: Vec<Vec<u32>> = [1, 3, 24, 5, 16, 17, 2]
        .map(|length| ids[ids.len() - length..].to_vec())
        .to_vec();
    let request = |inputs: Vec<Vec<u32>>| EmbedRequest {
        inputs,
        pooling: Pooling::Mean,
    };
    let together = engine.embed(request(inputs.clone())).await.unwrap();
    assert_eq!(together.len(), inputs.len());
    for (input, vector) in inputs.into_iter().zip(&together) {
        let alone = engine.embed(request(vec![input])).await.unwrap();
        let distance = farthest(&alone[0], vector);
        assert!(distance < 1e-4, "{distance}");
    }
    let stats = engine.stats();
    assert_eq!((stats.waiting, stats.running, stats.sequence_bytes), (0, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_computed_is_refused_and_a_client_that_leaves_is_forgotten() {
    let folder = folder("pooling_mode_lasttoken");
    let engine = engine(folder.path(), 16);
    let request = |input: Vec<u32>| EmbedRequest {
        inputs: vec![vec![1, 2, 3], input],
        pooling: Pooling::Last,
    };
    assert_eq!(engine.embed(request(vec![])).await, Err(EngineError::EmptyPrompt));
    assert!(matches!(
        engine.embed(request(vec![1_000_000])).await,
        Err(EngineError::UnknownToken { .. })
    ));
    let long = vec![1; engine.info().context_length + 1];
    assert!(matches!(
        engine.embed(request(long)).await,
        Err(EngineError::ContextOverflow { over_by: 1, .. })
    ));
    let whole = vec![1; engine.info().context_length];
    let left = tokio::time::timeout(
        std::time::Duration::from_micros(1),
        engine.embed(EmbedRequest {
            inputs: vec![whole; 200],
            pooling: Pooling::Last,
        }),
    );
    assert!(left.await.is_err(), "200 long texts take longer than that");
    // The next is not behind them.
    engine.embed(request(vec![5])).await.unwrap();
    let stats = engine.stats();
    assert_eq!((stats.cancelled, stats.waiting), (1, 0));
}
