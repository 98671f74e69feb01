//! Models that can't be served: the reason, the words, the exit code, and nothing left behind.

use std::path::Path;

use rbee_service_kit::reason;
use rbee_testkit::models::fixture;

use super::harness::{Worker, tiny};

/// The reason and the words of a worker that can't serve this.
async fn refusal(model: &Path, more: &[&str]) -> (String, String) {
    let mut worker = Worker::start(model, more);
    let status = worker.until("failed");
    assert_eq!(worker.left().await.0, Some(1));
    assert!(worker.rest().is_empty(), "it is the last word");
    assert!(!worker.socket.exists(), "the socket is gone with it");
    let text = |field: &str| status[field].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn a_damaged_file_is_told_with_its_name_and_field() {
    for (file, words) in [
        ("magic-wrong.gguf", "magic"),
        ("cut-in-tokens.gguf", "tokenizer.ggml.tokens"),
        ("cut-in-tensor-infos.gguf", "tensor"),
        ("cut-data.gguf", "tensor"),
        ("tokens-numbers.gguf", "tokenizer.ggml.tokens"),
    ] {
        let (reason, message) = refusal(&fixture(&format!("llm/bad/{file}")), &[]).await;
        assert_eq!(reason, reason::MODEL_CORRUPT, "{file}: {message}");
        assert!(
            message.contains(file) && message.contains(words),
            "{file}: {message}"
        );
    }
}

#[tokio::test]
async fn a_model_that_is_not_known_is_not_called_damaged() {
    for (file, field) in [
        ("arch-unknown.gguf", "general.architecture"),
        ("tokenizer-model-unknown.gguf", "tokenizer.ggml.model"),
    ] {
        let (reason, message) = refusal(&fixture(&format!("llm/bad/{file}")), &[]).await;
        assert_eq!(reason, reason::MODEL_UNSUPPORTED, "{file}: {message}");
        assert!(
            message.contains(file) && message.contains(field),
            "{file}: {message}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_with_its_path() {
    let (reason, message) = refusal(Path::new("/nowhere/model.gguf"), &[]).await;
    assert_eq!(reason, reason::MODEL_FILES_MISSING);
    assert!(message.contains("/nowhere/model.gguf"), "{message}");
}

#[tokio::test]
async fn a_device_that_this_build_has_not_is_refused() {
    for device in ["cuda:0", "metal:0"] {
        let (reason, message) = refusal(&tiny(), &["--device", device]).await;
        assert_eq!(reason, reason::DEVICE_NOT_FOUND);
        assert!(message.contains(device), "{message}");
    }
}

#[tokio::test]
async fn a_context_that_the_model_was_not_made_for_is_refused() {
    let (reason, message) = refusal(&tiny(), &["--context-length", "100000"]).await;
    assert_eq!(reason, reason::INVALID_ARGUMENT);
    assert!(message.contains("100000") && message.contains("512"), "{message}");
}
