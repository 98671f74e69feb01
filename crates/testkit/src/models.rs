//! The two real models that tests run on.

use std::path::{Path, PathBuf};

/// The instruct model: Qwen2.5-Coder-0.5B, with a chat template.
pub const QWEN: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";
/// The base model: Gemma 3 270M, without a chat template.
pub const GEMMA: &str = "gemma-3-270m-q4_k_m.gguf";

/// The path of a real model's file: in `$RBEE_MODELS_DIR` if that is set, else in the user's cache folder
/// (`$XDG_CACHE_HOME/rbee/models` or `~/.cache/rbee/models`), where `cargo xtask fixtures` puts it.
///
/// # Panics
/// When the file is not there, with the command that fetches it: a test on a real model never passes
/// without one.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "the model file {} is missing: run cargo xtask fixtures (or set RBEE_MODELS_DIR)",
        path.display()
    );
    path
}

fn folder() -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable("RBEE_MODELS_DIR") {
        return folder;
    }
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".cache")))
        .expect("HOME says where the cache folder is");
    cache.join("rbee/models")
}

/// A file under the repository's `fixtures` folder, such as `llm/chat/cases.json`.
///
/// # Panics
/// When the file is not there.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name);
    assert!(
        path.exists(),
        "the fixture {} is missing from the checkout",
        path.display()
    );
    path
}
