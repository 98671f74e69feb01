//! Vectors of texts, as clients get them.

use std::path::Path;

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::get_info_response::ModelInfo;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models::fixture;
use tonic::Code;

use super::harness::{Worker, tiny};

/// The tiny model as a file that declares the pooling by its last token.
fn declaring(folder: &Path) -> std::path::PathBuf {
    const HEADER: usize = 24;
    const UINT32: u32 = 4;
    let mut file = std::fs::read(fixture("llm/tiny/qwen3/qwen3-q8_0.gguf")).unwrap();
    let count = u64::from_le_bytes(file[16..HEADER].try_into().unwrap());
    file[16..HEADER].copy_from_slice(&(count + 2).to_le_bytes());
    let mut more = Vec::new();
    // 64 bytes together, so that the tensors stay where alignment wants them.
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

async fn embed(worker: &Worker, inputs: &[&str], raw: bool) -> Result<proto::EmbedResponse, RemoteFault> {
    let request = proto::EmbedRequest {
        inputs: inputs.iter().map(|text| (*text).to_owned()).collect(),
        raw,
    };
    match worker.text().embed(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(RemoteFault::from(&status)),
    }
}

async fn embeds(worker: &Worker) -> bool {
    match worker.info().await.model_info {
        Some(ModelInfo::Llm(model)) => model.embeds,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn vectors_have_the_length_one_unless_raw() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::ready(&declaring(folder.path()), &[]);
    assert!(embeds(&worker).await);
    let texts = ["a cat", "a dog that barks", "a cat"];
    let answer = embed(&worker, &texts, false).await.unwrap();
    assert_eq!(answer.pooling(), proto::Pooling::Last);
    assert!(answer.prompt_tokens > 3);
    let vectors: Vec<&[f32]> = answer.embeddings.iter().map(|one| &one.values[..]).collect();
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_ne!(vectors[0], vectors[1]);
    let raw = embed(&worker, &texts[..1], true).await.unwrap();
    let raw = &raw.embeddings[0].values;
    let length = raw.iter().map(|number| number * number).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() > 1e-3, "{length}");
    for (number, raw) in vectors[0].iter().zip(raw) {
        assert!((number - raw / length).abs() < 2e-3, "{number} and {raw}");
    }
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::ready(&declaring(folder.path()), &["--context-length", "100"]);
    let many = vec!["x"; 257];
    let large = "x".repeat((4 << 20) + 1);
    for (inputs, field) in [
        (&[] as &[&str], "inputs"),
        (&many, "inputs"),
        (&[large.as_str()], "inputs"),
        (&["x", ""], "inputs[1]"),
    ] {
        let fault = embed(&worker, inputs, false).await.unwrap_err();
        assert_eq!(fault.code, Code::InvalidArgument);
        assert_eq!(fault.violations[0].0, field, "{fault:?}");
    }
    let fault = embed(&worker, &["x", &"x ".repeat(200)], false)
        .await
        .unwrap_err();
    assert!(fault.is(reason::CONTEXT_OVERFLOW), "{fault:?}");
    assert_eq!(fault.metadata["input"], "1");
    assert_eq!(fault.metadata["context_length"], "100");

    let writer = Worker::ready(&tiny(), &[]);
    assert!(!embeds(&writer).await);
    let fault = embed(&writer, &["x"], false).await.unwrap_err();
    assert!(fault.is(reason::EMBEDDING_UNSUPPORTED), "{fault:?}");
    assert_eq!(fault.code, Code::FailedPrecondition);
}
