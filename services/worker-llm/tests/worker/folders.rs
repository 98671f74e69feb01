//! Folders of safetensors, served as files of GGUF are.

use rbee_proto::worker::v1 as proto;
use rbee_testkit::models::fixture;

use super::harness::{Worker, complete, likeliest, message, stop};

fn golden(model: &str) -> serde_json::Value {
    let path = fixture(&format!("llm/tiny/{model}/golden.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Llama in two shards, with its rope scaling as numbers in `config.json`.
#[tokio::test]
async fn a_continuation_is_the_references() {
    let worker = Worker::ready(&fixture("llm/tiny/llama/hf"), &[]);
    let golden = &golden("llama")["text"];
    let request = proto::CompleteRequest {
        prompt: golden["text"].as_str().unwrap().into(),
        sampling: Some(likeliest()),
        stop: stop(12),
        ..proto::CompleteRequest::default()
    };
    let answer = complete(&worker, request).await.unwrap();
    assert_eq!(answer.text, golden["decoded"].as_str().unwrap());
    let prompt_tokens = golden["ids"].as_array().unwrap().len();
    assert_eq!(answer.started.prompt_tokens as usize, prompt_tokens);
}

/// Mistral, with a window in every layer and its template beside the tokenizer.
#[tokio::test]
async fn a_conversation_is_written_by_the_folders_template() {
    let worker = Worker::ready(&fixture("llm/tiny/mistral/hf"), &["--kv-format", "q8_0"]);
    let golden = &golden("mistral")["chat"];
    let said = golden["context"]["messages"].as_array().unwrap();
    let messages = said.iter().map(|said| {
        let role = match said["role"].as_str().unwrap() {
            "user" => proto::Role::User,
            "assistant" => proto::Role::Assistant,
            other => panic!("{other}"),
        };
        message(role, said["content"].as_str().unwrap())
    });
    let request = proto::CountTokensRequest {
        messages: messages.collect(),
        ..Default::default()
    };
    let counted = worker.text().count_tokens(request).await.unwrap().into_inner();
    let expected = golden["ids"].as_array().unwrap().len();
    assert_eq!(counted.prompt_tokens as usize, expected);
}

/// The second turn of a chat finds the first in the cache, and says so.
#[tokio::test]
async fn the_next_turn_says_what_was_there() {
    let worker = Worker::ready(&fixture("llm/tiny/llama/hf"), &[]);
    let ask = async |prompt: String| {
        let request = proto::CompleteRequest {
            prompt,
            sampling: Some(proto::SamplingParameters {
                seed: None,
                ..likeliest()
            }),
            stop: stop(3),
            ..proto::CompleteRequest::default()
        };
        complete(&worker, request).await.unwrap()
    };
    let text = "The server reads a request, checks its fields, puts it in a queue";
    let first = ask(text.to_owned()).await;
    assert_eq!(first.usage().cached_prompt_tokens, 0);
    let again = ask(text.to_owned()).await;
    assert_eq!(again.text, first.text);
    assert_eq!(
        again.usage().cached_prompt_tokens,
        first.usage().prompt_tokens - 1
    );
}
