//! How likely the engine says that tokens are, against what the references say of the same models.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::Path;

use candle_core::{Device, safetensors};
use llm_worker_rbee::engine::{
    Engine, EngineConfig, Event, Finish, GenerateRequest, Pushed, TokenDetails, TokenSink,
};
use llm_worker_rbee::model::{CpuBackend, LoadOptions, ModelFiles};
use llm_worker_rbee::sampling::SamplingParams;
use rbee_testkit::models;
use serde_json::Value;

/// Each token is a byte of text, so that its details come at once.
struct Bytes;

impl TokenSink for Bytes {
    fn push(&mut self, _token: u32) -> Pushed {
        Pushed {
            text: "x".to_owned(),
            ..Pushed::default()
        }
    }

    fn finish(&mut self) -> String {
        String::new()
    }
}

fn engine(path: &Path) -> Engine {
    let options = LoadOptions {
        context_length: Some(512),
        ..LoadOptions::default()
    };
    let backend = CpuBackend::load(&ModelFiles::open(path).unwrap(), &options, &mut |_| {}).unwrap();
    Engine::start(Box::new(backend), EngineConfig::default()).unwrap()
}

/// What is told of the prompt, and of the answer.
async fn ask(
    engine: &Engine,
    prompt: &[u32],
    max_tokens: usize,
    top: usize,
) -> (Vec<TokenDetails>, Vec<TokenDetails>, Finish) {
    let request = GenerateRequest {
        prompt: prompt.to_vec(),
        sampling: SamplingParams::greedy(),
        max_tokens: Some(max_tokens),
        log_probabilities: Some(top),
        prompt_log_probabilities: true,
        ..GenerateRequest::new(Box::new(Bytes))
    };
    let mut stream = engine.generate(request).unwrap();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    loop {
        match stream.next().await.unwrap().unwrap() {
            Event::Started => {}
            Event::Prompt(details) => before.extend(details),
            Event::Token(delta) => after.extend(delta.details),
            Event::Finished(finish) => return (before, after, finish),
        }
    }
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let peak = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
    let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - peak).exp()).sum();
    row.iter()
        .map(|&logit| f64::from(logit) - peak - sum.ln())
        .collect()
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn tiny_models_are_as_sure_as_their_references() {
    for name in ["qwen2", "gemma3", "llama", "phi3"] {
        let folder = models::fixture(&format!("llm/tiny/{name}"));
        let golden = json(&folder.join("golden.json"));
        let arrays = safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap();
        let rows: Vec<Vec<f32>> = arrays["llama_cpp.q8_0"].to_vec2().unwrap();
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| log_softmax(row)).collect();
        let (prompt, greedy) = (ids(&golden["prompt_ids"]), ids(&golden["greedy_ids"]));

        let engine = engine(&folder.join(format!("{name}-q8_0.gguf")));
        let (before, after, finish) = ask(&engine, &prompt, greedy.len(), 5).await;
        let told: Vec<u32> = before.iter().map(|details| details.token).collect();
        assert_eq!(told, prompt, "{name}");
        assert_eq!(before[0].log_probability, None);
        assert!(before[0].top.is_empty());
        let said: Vec<u32> = after.iter().map(|details| details.token).collect();
        assert_eq!(said, greedy, "{name}");
        assert!(finish.details.is_empty());

        let mut differences = Vec::new();
        for (details, row) in before[1..].iter().chain(&after).zip(&rows) {
            let own = f64::from(details.log_probability.unwrap());
            differences.push((own - row[details.token as usize]).abs());
            assert_eq!(details.top.len(), 5);
            assert!(details.top.is_sorted_by(|a, b| a.1 >= b.1));
            for &(token, log) in &details.top {
                differences.push((f64::from(log) - row[token as usize]).abs());
            }
        }
        for details in &after {
            assert_eq!(
                Some(details.top[0].1),
                details.log_probability,
                "it is the likeliest"
            );
        }
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        let largest = differences.iter().copied().fold(0.0, f64::max);
        println!("{name}: mean {mean:.4}, largest {largest:.4}");
        assert!(mean < 0.12 && largest < 1.5, "{name}: {mean} {largest}");

        // All of the prompt again: what is kept of it does not shorten the telling.
        let (again, _, finish) = ask(&engine, &prompt, 1, 0).await;
        assert_eq!((again.len(), finish.usage.cached_tokens), (prompt.len(), 0));
        for (first, second) in before.iter().zip(&again) {
            assert_eq!(first.log_probability, second.log_probability);
        }
    }
}

#[tokio::test]
async fn real_model_log_probabilities_are_those_of_the_reference() {
    for (name, limit) in [(models::QWEN, 0.06), (models::GEMMA, 0.12)] {
        let golden = json(&models::fixture(&format!(
            "llm/logits/{}.json",
            name.trim_end_matches(".gguf")
        )));
        let engine = engine(&models::path(name));
        // A text, told by its own prompt.
        let teacher = &golden["teacher"][0];
        let (told, _, _) = ask(&engine, &ids(&teacher["ids"]), 1, 0).await;
        let reference = teacher["fp32"]["logprob"].as_array().unwrap();
        assert_eq!(told.len(), reference.len() + 1);
        let differences: f64 = told[1..]
            .iter()
            .zip(reference)
            .map(|(own, other)| (f64::from(own.log_probability.unwrap()) - other.as_f64().unwrap()).abs())
            .sum();
        let mean = differences / reference.len() as f64;
        println!(
            "{name}: mean |Δ log-probability| {mean:.4} over {} tokens",
            reference.len()
        );
        assert!(mean < limit, "{name}: {mean}");

        // Answers, with the five likeliest at each step.
        let (mut sum, mut count) = (0.0, 0);
        for prompt in golden["prompts"].as_array().unwrap().iter().take(3) {
            let (_, after, _) = ask(&engine, &ids(&prompt["prompt_ids"]), 16, 5).await;
            for (details, step) in after.iter().zip(prompt["steps"].as_array().unwrap()) {
                if u64::from(details.token) != step["id"].as_u64().unwrap() {
                    break;
                }
                for other in step["fp32_top5"].as_array().unwrap() {
                    let (token, log) = (other[0].as_u64().unwrap(), other[1].as_f64().unwrap());
                    let own = details.top.iter().find(|(own, _)| u64::from(*own) == token);
                    if let Some((_, own)) = own {
                        sum += (f64::from(*own) - log).abs();
                        count += 1;
                    }
                }
            }
        }
        println!(
            "{name}: mean |Δ| {:.4} over {count} of the likeliest",
            sum / f64::from(count)
        );
        assert!(
            count > 60 && sum / f64::from(count) < 2.0 * limit,
            "{name}: {sum} {count}"
        );
    }
}
