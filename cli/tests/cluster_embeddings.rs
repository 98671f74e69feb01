//! Vectors of texts at the command line.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Cluster, assert_worker_is_built};
use rbee_testkit::models::fixture;
use serde_json::Value;

/// The tiny model as a file that declares the pooling by its last token: two values of 32 bits more, 64 bytes together,
/// so that the tensors stay where alignment wants them.
fn declaring(folder: &Path) -> PathBuf {
    const HEADER: usize = 24;
    const UINT32: u32 = 4;
    let mut file = std::fs::read(fixture("llm/tiny/qwen3/qwen3-q8_0.gguf")).unwrap();
    let count = u64::from_le_bytes(file[16..HEADER].try_into().unwrap());
    file[16..HEADER].copy_from_slice(&(count + 2).to_le_bytes());
    let mut more = Vec::new();
    for (key, value) in [("qwen3.pooling_type", 3_u32), ("general.padded", 0)] {
        more.extend((key.len() as u64).to_le_bytes());
        more.extend(key.as_bytes());
        more.extend(UINT32.to_le_bytes());
        more.extend(value.to_le_bytes());
    }
    assert_eq!(more.len(), 64);
    file.splice(HEADER..HEADER, more);
    let path = folder.join("embedding.gguf");
    std::fs::write(&path, file).unwrap();
    path
}

fn vectors(document: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(document["embeddings"].clone()).unwrap()
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

/// The numbers of each line.
fn lines(text: &str) -> Vec<Vec<f32>> {
    let numbers = |line: &str| line.split(' ').map(|number| number.parse().unwrap()).collect();
    text.lines().map(numbers).collect()
}

#[test]
fn vectors_come_as_json_as_lines_and_of_lines() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&declaring(cluster.folder()), "embedding");
    let worker = cluster.spawn(&model);

    let document = cluster
        .rbee(&["embed", &model, "a cat", "a dog", "a cat", "--json"])
        .ok()
        .json();
    let given = vectors(&document);
    assert_eq!(given.len(), 3);
    assert!((length(&given[0]) - 1.0).abs() < 1e-4);
    assert!(given[0] == given[2] && given[0] != given[1]);
    assert_eq!(document["worker_id"], worker.as_str());
    assert_eq!(document["pooling"], "last");
    assert!(document["prompt_tokens"].as_u64().unwrap() >= 6, "{document}");

    let said = cluster
        .rbee(&["embed", &model, "a cat", "a dog", "--raw"])
        .ok()
        .stdout;
    let raw = lines(&said);
    assert_eq!((raw.len(), raw[0].len()), (2, given[0].len()));
    assert!((length(&raw[0]) - 1.0).abs() > 1e-3, "it was left as it is");
    let scaled: Vec<f32> = raw[0].iter().map(|number| number / length(&raw[0])).collect();
    let apart = scaled.iter().zip(&given[0]).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-4);

    // More than one request takes, piped in.
    let mut command = cluster.command(&["embed", &model, "--json"]);
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let texts: String = (0..70).map(|index| format!("text {}\n", index % 7)).collect();
    process.stdin.take().unwrap().write_all(texts.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let piped = vectors(&serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!(piped.len(), 70);
    assert_eq!(piped[3], piped[66], "the same text in another request");
    cluster.stop();
}

#[test]
fn a_model_that_declares_no_pooling_says_so() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&fixture("llm/tiny/qwen3/qwen3-q8_0.gguf"), "plain");
    cluster.spawn(&model);
    let refused = cluster.rbee(&["embed", &model, "a cat", "--json"]);
    assert_eq!(refused.reason(), "EMBEDDING_UNSUPPORTED");
    cluster.stop();
}
