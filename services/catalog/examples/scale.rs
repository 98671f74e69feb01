//! A catalog of many models, measured from outside: `cargo xtask bench catalog` builds and runs this.
//!
//! Starts the program `rbee-catalog` on loopback over a new store, creates the models over gRPC, kills it,
//! starts it again and measures. What absolute times are worth depends on the machine; so beside the
//! start-up stands a plain read of the same documents, and beside the calls a health check on the same
//! connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::watch_models_response::Event;
use rbee_proto::catalog::v1::{
    CreateModelRequest, DeleteModelRequest, GetModelRequest, ListModelsRequest, ModelFilter,
    WatchModelsRequest, WatchModelsResponse,
};
use rbee_proto::types::v1::model_type::Kind;
use rbee_proto::types::v1::{LlmModel, Model, ModelFile, ModelState, ModelType};
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;
use rbee_store::{Ingest, Store, StoredBlob};
use serde::Serialize;
use tonic::Streaming;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// How long the catalog may take for anything.
const DEADLINE: Duration = Duration::from_secs(120);
/// Creating calls at the same time.
const CREATORS: usize = 16;

#[derive(Parser)]
struct Arguments {
    /// The program `rbee-catalog`.
    #[arg(long)]
    program: PathBuf,
    /// Where the store is made; removed at the end.
    #[arg(long)]
    folder: PathBuf,
    /// Number of models.
    #[arg(long, default_value_t = 10_000)]
    models: usize,
    /// Number of calls of each kind.
    #[arg(long, default_value_t = 500)]
    calls: usize,
}

#[derive(Serialize)]
struct Report {
    models: usize,
    calls: usize,
    /// All creates together, at 16 at a time.
    create_seconds: f64,
    /// From starting the process to the first answer, three times.
    start_seconds: Vec<f64>,
    /// Reading the same documents one after the other.
    plain_read_seconds: f64,
    resident_bytes: Option<u64>,
    latencies: BTreeMap<&'static str, Latency>,
}

#[derive(Serialize)]
struct Latency {
    p50_ms: f64,
    p99_ms: f64,
    /// p50 by that of a health check.
    by_health_check: f64,
}

/// The program, running.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(program: &Path, store: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn,rbee_catalog=info,rbee_service_kit=info",
                "--store",
            ])
            .arg(store)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let address = lines
            .by_ref()
            .find_map(|line| Some(line.split_once("address=")?.1.trim().to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("the catalog ended without saying where it listens");
        };
        Ok(Self { child, address })
    }

    async fn channel(&self) -> anyhow::Result<ClientChannel> {
        let target = Target {
            address: format!("http://{}", self.address),
            token: None,
            ..Target::default()
        };
        Ok(target.connect(DEADLINE).await?)
    }

    /// `VmRSS`, where the system tells.
    fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // With SIGKILL: what was acknowledged is on disk.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn id(number: usize) -> String {
    format!("org-{:03}/model-{number:06}", number % 250)
}

fn model(number: usize, blob: &StoredBlob) -> Model {
    let fact = |index: usize| {
        (
            format!("general.fact_{index:02}"),
            "a value of common length".to_owned(),
        )
    };
    Model {
        id: id(number),
        name: format!("Model number {number}"),
        size_bytes: blob.size_bytes,
        state: ModelState::Available.into(),
        model_type: Some(ModelType {
            kind: Some(Kind::Llm(LlmModel {
                architecture: ["qwen2", "qwen3", "gemma3", "llama"][number % 4].to_owned(),
            })),
        }),
        quantization: Some(["Q4_K_M", "Q8_0", "F16"][number % 3].to_owned()),
        metadata: (0..12).map(fact).collect(),
        files: vec![ModelFile {
            name: "model.gguf".to_owned(),
            size_bytes: blob.size_bytes,
            sha256: blob.sha256.to_string(),
        }],
        context_length: Some(32_768),
        parameter_count: Some(494_032_768),
        ..Model::default()
    }
}

fn create(model: Model) -> CreateModelRequest {
    CreateModelRequest {
        model: Some(model),
        request_id: String::new(),
    }
}

/// The same call again and again; each answer is looked at by `call` itself.
async fn measure(
    calls: usize,
    mut call: impl AsyncFnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(calls);
    for number in 0..calls {
        let begin = Instant::now();
        call(number).await?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index].as_secs_f64() * 1e3
}

async fn until_synced(watch: &mut Streaming<WatchModelsResponse>) -> anyhow::Result<usize> {
    let mut models = 0;
    while let Some(step) = watch.message().await? {
        match step.event {
            Some(Event::Upserted(_)) => models += 1,
            Some(Event::Synced(_)) => return Ok(models),
            _ => {}
        }
    }
    anyhow::bail!("the watch ended before its snapshot did")
}

/// Reads every file below a folder, one after the other; gives how many.
fn read_all(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += read_all(&path)?;
        } else {
            std::hint::black_box(std::fs::read(&path)?);
            count += 1;
        }
    }
    Ok(count)
}

async fn fill(arguments: &Arguments, blob: &StoredBlob) -> anyhow::Result<f64> {
    let process = Process::start(&arguments.program, &arguments.folder)?;
    let models = ModelServiceClient::new(process.channel().await?);
    let begin = Instant::now();
    stream::iter(0..arguments.models)
        .map(|number| {
            let (mut models, request) = (models.clone(), create(model(number, blob)));
            async move { models.create_model(request).await }
        })
        .buffer_unordered(CREATORS)
        .try_for_each(async |_| Ok(()))
        .await?;
    Ok(begin.elapsed().as_secs_f64())
}

async fn start_up(arguments: &Arguments) -> anyhow::Result<(Process, f64)> {
    let begin = Instant::now();
    let process = Process::start(&arguments.program, &arguments.folder)?;
    let mut models = ModelServiceClient::new(process.channel().await?);
    models.get_model(GetModelRequest { id: id(0) }).await?;
    Ok((process, begin.elapsed().as_secs_f64()))
}

async fn latencies(
    arguments: &Arguments,
    process: &Process,
    blob: &StoredBlob,
) -> anyhow::Result<BTreeMap<&'static str, Vec<Duration>>> {
    let channel = process.channel().await?;
    let models = ModelServiceClient::new(channel.clone());
    let calls = arguments.calls;
    let mut all = BTreeMap::new();

    let mut health = HealthClient::new(channel);
    let check = async |_| {
        health.check(HealthCheckRequest::default()).await?;
        Ok(())
    };
    all.insert("health check", measure(calls, check).await?);

    let get = async |call: usize| {
        let id = id(call * 7919 % arguments.models);
        models.clone().get_model(GetModelRequest { id }).await?;
        Ok(())
    };
    all.insert("get", measure(calls, get).await?);

    let page = async |request: ListModelsRequest| {
        let answer = models.clone().list_models(request).await?.into_inner();
        ensure!(!answer.models.is_empty(), "an empty page");
        anyhow::Ok(answer)
    };
    let first = ListModelsRequest {
        page_size: 100,
        ..Default::default()
    };
    all.insert(
        "list, first page of 100",
        measure(calls, async |_| page(first.clone()).await.map(drop)).await?,
    );

    let half = ListModelsRequest {
        page_size: 1000,
        ..Default::default()
    };
    let mut middle = first.clone();
    for _ in 0..arguments.models / 2000 {
        let request = ListModelsRequest {
            page_token: middle.page_token.clone(),
            ..half.clone()
        };
        middle.page_token = page(request).await?.next_page_token;
    }
    all.insert(
        "list, page of 100 in the middle",
        measure(calls, async |_| page(middle.clone()).await.map(drop)).await?,
    );

    let filtered = ListModelsRequest {
        page_size: 100,
        filter: Some(ModelFilter {
            text: "gemma3 q8_0 model".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    all.insert(
        "list, filtered by text",
        measure(calls, async |_| page(filtered.clone()).await.map(drop)).await?,
    );

    let mut watch = models
        .clone()
        .watch_models(WatchModelsRequest::default())
        .await?
        .into_inner();
    let begin = Instant::now();
    let seen = until_synced(&mut watch).await?;
    ensure!(
        seen == arguments.models,
        "a snapshot of {seen} models, not {}",
        arguments.models
    );
    all.insert("watch, whole snapshot", vec![begin.elapsed()]);
    let mut deltas = Vec::new();
    for number in 0..calls {
        let begin = Instant::now();
        let wanted = id(arguments.models + number);
        let request = create(model(arguments.models + number, blob));
        let mut creator = models.clone();
        let (created, delta) = tokio::join!(creator.create_model(request), watch.message());
        created?;
        match delta?.and_then(|step| step.event) {
            Some(Event::Upserted(model)) if model.id == wanted => deltas.push(begin.elapsed()),
            other => anyhow::bail!("another step than the creation of {wanted}: {other:?}"),
        }
    }
    deltas.sort_unstable();
    all.insert("create until the watch tells", deltas);
    for number in 0..calls {
        let id = id(arguments.models + number);
        models.clone().delete_model(DeleteModelRequest { id }).await?;
    }
    Ok(all)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    ensure!(
        arguments.models >= 2000 && arguments.calls > 0,
        "at least 2000 models and one call"
    );
    let weights = tempfile::NamedTempFile::new()?;
    std::fs::write(weights.path(), b"weights")?;
    let store = Store::open(&arguments.folder.display().to_string()).await?;
    let go_on = |_| ControlFlow::Continue(());
    let blob = store.put_file(weights.path(), Ingest::Copy, None, go_on).await?;
    drop(store);

    let create_seconds = fill(&arguments, &blob).await?;
    let mut start_seconds = Vec::new();
    for _ in 0..2 {
        start_seconds.push(start_up(&arguments).await?.1);
    }
    let begin = Instant::now();
    let documents = read_all(&arguments.folder.join("models"))?;
    let plain_read_seconds = begin.elapsed().as_secs_f64();
    ensure!(documents >= arguments.models, "{documents} documents on disk");
    let (process, seconds) = start_up(&arguments).await?;
    start_seconds.push(seconds);

    let times = latencies(&arguments, &process, &blob).await?;
    let peer = quantile(&times["health check"], 0.5);
    let latency = |times: &Vec<Duration>| Latency {
        p50_ms: quantile(times, 0.5),
        p99_ms: quantile(times, 0.99),
        by_health_check: quantile(times, 0.5) / peer,
    };
    let report = Report {
        models: arguments.models,
        calls: arguments.calls,
        create_seconds,
        start_seconds,
        plain_read_seconds,
        resident_bytes: process.resident_bytes(),
        latencies: times
            .iter()
            .map(|(name, times)| (*name, latency(times)))
            .collect(),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
