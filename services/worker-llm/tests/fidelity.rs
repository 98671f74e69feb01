//! The worker against the references, by the same checks as `cargo xtask fidelity llm`.
//!
//! The repository has the smallest golden data that prove each architecture and block format.
//! `RBEE_LLM_FIXTURES` names a folder with more of them.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::PathBuf;

use llm_worker_rbee::fidelity::{self, Report, Selection};
use rbee_testkit::models;

fn folder() -> PathBuf {
    let given = std::env::var_os("RBEE_LLM_FIXTURES").filter(|folder| !folder.is_empty());
    given.map_or_else(|| models::fixture("llm"), PathBuf::from)
}

/// Runs the cases whose name holds `filter`, which must all agree.
fn check(filter: &str, selection: Selection) -> Report {
    let filter = Some(filter.to_owned());
    let report = fidelity::run(&folder(), &Selection { filter, ..selection }).unwrap();
    for check in &report.checks {
        println!("{check:?}");
    }
    let failures: Vec<_> = report.failures().collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(report.passed(), "nothing was compared");
    report
}

/// A tiny model in some formats (`hf` is the folder of safetensors): none of them may be left out, nor may
/// their tokenizer.
fn check_tiny(name: &str, kinds: &[&str]) {
    let report = check(&format!("tiny {name} "), Selection::default());
    for kind in kinds {
        let case = format!("tiny {name} {kind}");
        let compared = report.checks.iter().filter(|check| check.case == case).count();
        assert_eq!(compared, 9, "{case}");
    }
    let mut tokens = vec![format!("tiny {name} tokens")];
    if kinds.contains(&"hf") {
        tokens.push(format!("tiny {name} hf tokens"));
    }
    for tokens in tokens {
        assert!(report.checks.iter().any(|check| check.case == tokens), "{tokens}");
    }
}

#[test]
fn tiny_llama_with_its_rope_scaling_is_right() {
    check_tiny("llama", &["hf", "q8_0"]);
}

#[test]
fn tiny_llama_of_the_k_formats_is_right() {
    check_tiny("llama-256", &["q2_k", "q4_k_m"]);
}

#[test]
fn tiny_mistral_is_right() {
    check_tiny("mistral", &["hf", "q8_0"]);
}

#[test]
fn tiny_mixtral_is_right() {
    check_tiny("mixtral", &["q8_0"]);
}

#[test]
fn tiny_qwen2_is_right() {
    check_tiny("qwen2", &["f16", "q8_0"]);
}

#[test]
fn tiny_qwen3_is_right() {
    check_tiny("qwen3", &["f16", "q8_0"]);
}

#[test]
fn tiny_qwen3moe_is_right() {
    check_tiny("qwen3moe", &["hf", "q8_0"]);
}

#[test]
fn tiny_gemma2_is_right_past_its_window() {
    check_tiny("gemma2", &["q8_0"]);
}

#[test]
fn tiny_gemma3_is_right_past_its_window() {
    check_tiny("gemma3", &["f16", "hf", "q8_0"]);
}

#[test]
fn tiny_phi3_is_right() {
    check_tiny("phi3", &["hf", "q8_0"]);
}

#[test]
fn block_formats_mean_what_they_mean_to_ggml() {
    let report = check("quants ", Selection::default());
    assert!(report.checks.len() >= 13, "three float and ten block formats");
}

#[test]
fn chat_templates_render_as_in_python() {
    let report = check("chat ", Selection::default());
    assert!(report.checks.len() >= 14, "13 templates and the snippets");
}

/// One of the real models; some cases of it, for each takes seconds.
fn check_real(file: &str, cases: &[&str]) {
    let path = models::path(file);
    let models = path.parent().map(PathBuf::from);
    let model = file.strip_suffix(".gguf").unwrap();
    for case in cases {
        let models = models.clone();
        let report = check(&format!("{model} {case}"), Selection { models, filter: None });
        assert!(report.checks.iter().any(|check| check.case.ends_with(case)));
    }
}

#[test]
fn qwen_thinks_as_the_reference() {
    check_real(models::QWEN, &["capital", "chinese", "chat", "prose"]);
}

#[test]
fn gemma_thinks_as_the_reference_past_its_window() {
    check_real(
        models::GEMMA,
        &["capital", "emoji", "rust", "prose", "ledger-long"],
    );
}

#[test]
fn tokenizers_of_the_real_models_are_equal_to_llama_cpp() {
    let models = models::path(models::QWEN).parent().map(PathBuf::from);
    let report = check("tokenizer ", Selection { models, filter: None });
    assert_eq!(report.checks.len(), 2);
}
