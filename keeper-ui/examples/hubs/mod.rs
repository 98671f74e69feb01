//! Hubs on loopback with names that one knows; what would be downloaded is a pattern of bytes.

use std::time::Duration;

use rbee_testkit::hub::civitai::{CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiVersion};
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody};
use rbee_testkit::models::fixture;
use serde_json::json;
use tokio::runtime::Runtime;

/// A model whose download takes its time.
pub const SLOW: &str = "bartowski/Llama-3.2-3B-Instruct-GGUF";

/// Running hubs; they end with this.
#[derive(Debug)]
pub struct Hubs {
    hugging_face: HuggingFaceHub,
    civitai: CivitaiHub,
    _runtime: Runtime,
}

/// Id, architecture, file, parameters, licence, downloads and likes.
type Known = (
    &'static str,
    &'static str,
    &'static str,
    u64,
    &'static str,
    u64,
    u64,
);

const MODELS: [Known; 9] = [
    (
        "Qwen/Qwen3-8B-GGUF",
        "qwen3",
        "Qwen3-8B-Q4_K_M.gguf",
        8_190_735_360,
        "apache-2.0",
        1_240_518,
        412,
    ),
    (
        SLOW,
        "llama",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        3_212_749_888,
        "llama3.2",
        861_204,
        189,
    ),
    (
        "Qwen/Qwen3-4B-GGUF",
        "qwen3",
        "Qwen3-4B-Q4_K_M.gguf",
        4_022_468_096,
        "apache-2.0",
        640_872,
        233,
    ),
    (
        "ggml-org/gemma-3-4b-it-GGUF",
        "gemma3",
        "gemma-3-4b-it-Q4_K_M.gguf",
        3_880_099_328,
        "gemma",
        512_330,
        164,
    ),
    (
        "microsoft/Phi-3-mini-4k-instruct-gguf",
        "phi3",
        "Phi-3-mini-4k-instruct-q4.gguf",
        3_821_079_552,
        "mit",
        402_117,
        521,
    ),
    (
        "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        "qwen2",
        "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        7_615_616_512,
        "apache-2.0",
        355_904,
        148,
    ),
    (
        "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
        "llama",
        "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf",
        7_248_023_552,
        "apache-2.0",
        208_411,
        96,
    ),
    (
        "unsloth/Qwen3-30B-A3B-GGUF",
        "qwen3moe",
        "Qwen3-30B-A3B-Q4_K_M.gguf",
        30_532_122_624,
        "apache-2.0",
        190_066,
        271,
    ),
    (
        "google/gemma-3-27b-it-qat-q4_0-gguf",
        "gemma3",
        "gemma-3-27b-it-q4_0.gguf",
        27_009_002_240,
        "gemma",
        150_249,
        355,
    ),
];

impl Hubs {
    /// Starts both.
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let tiny = FileBody::bytes(std::fs::read(fixture("llm/ok/plain.gguf")).expect("a fixture"));
        let repos = MODELS.map(
            |(id, architecture, file, parameters, licence, downloads, likes)| {
                // What is downloaded for a picture is long enough to be seen on its way.
                let body = if id == SLOW {
                    FileBody::pattern(512 << 20, 7)
                } else {
                    tiny.clone()
                };
                let repo = Repo::new(id)
                    .lfs(file, body)
                    .license(licence)
                    .tags(&["gguf", "text-generation", "conversational"])
                    .popularity(downloads, likes)
                    .fact("pipeline_tag", json!("text-generation"))
                    .fact(
                        "gguf",
                        json!({"total": parameters, "architecture": architecture, "context_length": 32768}),
                    );
                if licence == "gemma" {
                    repo.gated(Gated::Manual)
                } else {
                    repo
                }
            },
        );
        let lora = std::fs::read(fixture("llm/ok/plain.safetensors")).expect("a fixture");
        let version = CivitaiVersion::new(128_713).file(CivitaiFile::new(
            1,
            "dreamshaper_8.safetensors",
            FileBody::bytes(lora),
        ));
        let civitai = CivitaiConfig::of([CivitaiModel::new(4_384, "DreamShaper").version(version)]);
        let (hugging_face, civitai) = runtime.block_on(async {
            (
                HuggingFaceHub::start(HuggingFaceConfig::of(repos)).await,
                CivitaiHub::start(civitai).await,
            )
        });
        let slowly = Fault::Drip {
            bytes: 256 << 10,
            pause: Duration::from_millis(60),
        };
        hugging_face.hosts().faults().add(FaultRule::cdn().with(slowly));
        Self {
            hugging_face,
            civitai,
            _runtime: runtime,
        }
    }

    /// Where Hugging Face and CivitAI are.
    pub fn addresses(&self) -> (String, String) {
        (self.hugging_face.endpoint(), self.civitai.base_url())
    }
}
