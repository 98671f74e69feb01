//! Models, jobs and clusters for the pages' states.

use std::collections::BTreeMap;
use std::time::Duration;

use rbee_keeper::client::failure::Failure;
use rbee_keeper::model::cluster::{
    ClusterChange, ClusterView, Device, Hardware, Hive, Worker, WorkerKind, WorkerState, WorkerType,
};
use rbee_keeper::model::downloads::{DownloadsEvent, DownloadsView, Job, JobKind, JobPhase, JobState};
use rbee_keeper::model::models::{
    AddOnKind, DiffusionVersion, Model, ModelState, ModelType, ModelsChange, ModelsView, Vendor,
};

pub(super) const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";

pub(super) fn llm(architecture: &str) -> ModelType {
    ModelType::Llm {
        architecture: architecture.to_owned(),
    }
}

pub(super) fn model(id: &str, name: &str, mebibytes: u64, model_type: ModelType) -> Model {
    Model {
        id: id.into(),
        name: name.to_owned(),
        size_bytes: mebibytes << 20,
        state: ModelState::Available,
        added_at: None,
        model_type,
        vendor: Some(if id.starts_with("local:") {
            Vendor::Local
        } else if id.starts_with("civitai:") {
            Vendor::CivitAi
        } else {
            Vendor::HuggingFace
        }),
        quantization: None,
        metadata: BTreeMap::new(),
        files: Vec::new(),
        context_length: None,
        parameter_count: None,
        worker_types: Vec::new(),
    }
}

pub(super) fn models(all: Vec<Model>) -> ModelsView {
    let mut view = ModelsView::default();
    view.apply(ModelsChange::Reset);
    for model in all {
        view.apply(ModelsChange::Upserted(Box::new(model)));
    }
    view.apply(ModelsChange::Synced);
    view
}

/// Models of every kind.
pub(super) fn shelf() -> Vec<Model> {
    let quantized = |model: Model, quantization: &str| Model {
        quantization: Some(quantization.to_owned()),
        ..model
    };
    let xl = Some(DiffusionVersion::Xl);
    vec![
        quantized(
            model(
                "Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf",
                "Qwen3 4B",
                2_383,
                llm("qwen3"),
            ),
            "Q4_K_M",
        ),
        quantized(
            model(
                "bartowski/Llama-3.2-3B-Instruct-GGUF",
                "Llama 3.2 3B Instruct",
                1_926,
                llm("llama"),
            ),
            "Q4_K_M",
        ),
        quantized(
            model("local:gemma-3-1b", "gemma-3-1b", 769, llm("gemma3")),
            "Q8_0",
        ),
        model(
            "civitai:101055",
            "SD XL 1.0",
            6_617,
            ModelType::Diffusion { version: xl },
        ),
        model(
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "Stable Diffusion 1.5",
            4_066,
            ModelType::Diffusion {
                version: Some(DiffusionVersion::V1_5),
            },
        ),
        model(
            "civitai:135867",
            "Detail tweaker",
            218,
            ModelType::AddOn {
                kind: Some(AddOnKind::Lora),
                base: xl,
            },
        ),
        Model {
            state: ModelState::Failed("2 of 3 files are damaged".to_owned()),
            ..model(
                "mistralai/Mistral-7B-Instruct-v0.3",
                "Mistral 7B Instruct",
                4_372,
                llm("mistral"),
            )
        },
    ]
}

pub(super) fn worker(id: &str, model: &str, kind: WorkerKind, device: &str, state: WorkerState) -> Worker {
    Worker {
        id: id.into(),
        model: model.into(),
        worker_type: Some(WorkerType {
            hardware: Hardware::Cuda,
            kind,
        }),
        device: Some(device.into()),
        state,
        hive: "desk".into(),
        hive_address: String::new(),
        created_at: None,
        failure: None,
        load_fraction: None,
        context_length: None,
        process_id: None,
        memory: None,
        state_since: None,
        restart_count: 0,
        next_attempt_at: None,
        pinned: false,
        idle_ttl: None,
        unreachable: false,
    }
}

/// A host with a GPU of so much memory, and these workers.
pub(super) fn cluster(memory_gib: Option<u64>, workers: Vec<Worker>) -> ClusterView {
    let device = memory_gib.map(|gib| Device {
        id: "cuda:0".into(),
        hardware: Some(Hardware::Cuda),
        name: "NVIDIA GeForce RTX 4090".to_owned(),
        memory_total_bytes: Some(gib << 30),
        memory_free_bytes: None,
        memory_available_bytes: None,
        core_count: None,
        utilization_percent: None,
        temperature_celsius: None,
        compute_capability: String::new(),
        driver_version: String::new(),
        declared: false,
        uses: Vec::new(),
    });
    let hive = Hive {
        id: "desk".into(),
        name: "desk".to_owned(),
        address: String::new(),
        reachable: true,
        devices: device.into_iter().collect(),
        version: String::new(),
        platform: String::new(),
        last_seen_at: None,
        draining: false,
    };
    let mut view = ClusterView::default();
    view.apply(ClusterChange::Hive(Box::new(hive)));
    for worker in workers {
        view.apply(ClusterChange::Worker(Box::new(worker)));
    }
    view.apply(ClusterChange::Synced);
    view
}

pub(super) fn job(id: &str, subject: &str, state: JobState) -> Job {
    Job {
        id: id.into(),
        kind: JobKind::Download,
        subject: subject.to_owned(),
        phase: (state == JobState::Running).then_some(JobPhase::Downloading),
        state,
        done_bytes: 1_800 << 20,
        total_bytes: Some(4_372 << 20),
        bytes_per_second: Some(44.6 * 1024.0 * 1024.0),
        remaining: Some(Duration::from_secs(58)),
        file_name: String::new(),
        note: String::new(),
        created_at: None,
        brought: None,
    }
}

pub(super) fn told(job: Job, lines: &[&str]) -> DownloadsEvent<Failure> {
    DownloadsEvent::Progress(
        Box::new(job),
        lines.iter().map(|line| (*line).to_owned()).collect(),
    )
}

pub(super) fn downloads(events: Vec<DownloadsEvent<Failure>>) -> DownloadsView<Failure> {
    let mut view = DownloadsView::default();
    for event in events {
        view.apply(event);
    }
    view
}
