//! Models on scripted hubs.

use std::time::Duration;

use rbee_provisioner::ProvisionerConfig;
use rbee_testkit::hub::civitai::CivitaiHub;
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};

use crate::running::{Running, fixture};

/// Enough to be stopped on its way when it drips.
pub(crate) const LARGE_BYTES: usize = 1 << 20;

/// A sound model in GGUF with zeros behind it, up to `size_bytes`, that differs from others by `salt`.
pub(crate) fn gguf(size_bytes: usize, salt: u8) -> FileBody {
    let mut bytes = std::fs::read(fixture("ok/plain.gguf")).unwrap();
    bytes.resize(size_bytes.max(bytes.len() + 1), 0);
    *bytes.last_mut().unwrap() = salt;
    FileBody::bytes(bytes)
}

/// A textual-inversion embedding for Stable Diffusion 1.5 in safetensors.
pub(crate) fn embedding() -> FileBody {
    let header = br#"{"emb_params":{"dtype":"F32","shape":[2,768],"data_offsets":[0,6144]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.resize(bytes.len() + 6144, 0);
    FileBody::bytes(bytes)
}

pub(crate) fn repo(id: &str, name: &str, body: FileBody) -> Repo {
    Repo::new(id)
        .tags(&["gguf"])
        .license("apache-2.0")
        .fact("gguf", serde_json::json!({ "architecture": "llama" }))
        .lfs(name, body)
}

pub(crate) async fn hugging_face(repos: impl IntoIterator<Item = Repo>) -> HuggingFaceHub {
    HuggingFaceHub::start(HuggingFaceConfig::of(repos)).await
}

/// A cluster whose hub is this one.
pub(crate) async fn on(hub: &HuggingFaceHub) -> Running {
    let endpoint = hub.endpoint();
    Running::start_with(|_, config| use_hub(config, endpoint)).await
}

pub(crate) async fn on_civitai(hub: &CivitaiHub) -> Running {
    let base_url = hub.base_url();
    Running::start_with(|_, config| config.civitai.base_url = base_url).await
}

pub(crate) fn use_hub(config: &mut ProvisionerConfig, endpoint: String) {
    config.huggingface.endpoint = endpoint;
    config.flush_every = Duration::from_millis(50);
}

/// Files come slowly from now on: a second or two for a large one.
pub(crate) fn drip(hub: &HuggingFaceHub) {
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().method("GET").with(Fault::Drip {
            bytes: 16 << 10,
            pause: Duration::from_millis(20),
        }));
}

/// How often a file's bytes were asked for.
pub(crate) fn downloads(hub: &HuggingFaceHub) -> usize {
    let requests = hub.hosts().requests_to(Host::Cdn);
    requests.iter().filter(|request| request.method == "GET").count()
}
