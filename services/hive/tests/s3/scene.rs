//! A catalog, a bucket, and the hive's program between them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbee_artifacts::{Platform, Sha256};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{CreateModelRequest, CreateWorkerBinaryRequest, ListHivesRequest};
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{GetHiveRequest, ListWorkersRequest, SpawnWorkerResponse, StopWorkerRequest};
use rbee_proto::types::v1 as types;
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;
use rbee_store::{Ingest, Store};
use rbee_testkit::s3::S3Server;
use rbee_testkit::scripted_worker;
use tempfile::TempDir;
use tonic::Streaming;

use crate::harness::{DEADLINE, Served, Spawned, any_port, request, start_catalog};

pub(crate) const MIB: usize = 1 << 20;

/// The most that is read of a file to know what its model needs; these have no header.
const HEADER_BYTES: u64 = 256 << 10;

/// Where the store is in the server.
const PREFIX: &str = "models/some/prefix";

/// The hive's program, killed when a test fails.
pub(crate) struct HiveProcess(pub(crate) Child);

impl Drop for HiveProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Scene {
    pub(crate) data: TempDir,
    pub(crate) s3: S3Server,
    store: Store,
    catalog: Served,
    pub(crate) hive: HiveProcess,
    pub(crate) address: String,
    flags: Vec<String>,
}

impl Scene {
    /// A hive with these flags besides the usual ones, and the scripted worker installed as `cpu-llm`.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let s3 = S3Server::start().await;
        let catalog = start_catalog(data.path(), any_port().await).await;
        let store = Store::open(data.path().join("store").to_str().unwrap())
            .await
            .unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let hive = start_hive(&data, &s3, &catalog, &flags);
        let mut scene = Self {
            data,
            s3,
            store,
            catalog,
            hive,
            address: String::new(),
            flags,
        };
        scene.address = scene.registered_but("").await;
        scene.install().await;
        scene
    }

    /// Kills the hive and starts another in its place.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.hive.0.kill().unwrap();
        self.hive.0.wait().unwrap();
        self.hive = start_hive(&self.data, &self.s3, &self.catalog, &self.flags);
        self.address = self.registered_but(&self.address).await;
    }

    /// The address at which a hive is registered, if it is not this one.
    async fn registered_but(&self, known: &str) -> String {
        let mut registry = RegistryServiceClient::new(self.catalog.channel());
        let begun = Instant::now();
        loop {
            let hives = registry.list_hives(ListHivesRequest {}).await.unwrap();
            let mut hives = hives.into_inner().hives.into_iter();
            if let Some(hive) = hives.find(|hive| hive.address != known) {
                return hive.address;
            }
            assert!(begun.elapsed() < DEADLINE, "the hive does not register");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn channel(&self) -> ClientChannel {
        let address = self.address.clone();
        let target = Target {
            address,
            ..Target::default()
        };
        target.connect_lazy().unwrap()
    }

    pub(crate) fn client(&self) -> HiveServiceClient<ClientChannel> {
        HiveServiceClient::new(self.channel())
    }

    /// Where the server has a blob.
    pub(crate) fn path(&self, content: &[u8]) -> String {
        let digest = Sha256::digest(content).to_string();
        format!("{PREFIX}/blobs/sha256/{}/{digest}", &digest[..2])
    }

    /// Puts a blob into the bucket, and into the catalog's own store, which wants to see it.
    async fn put(&self, content: &[u8]) -> String {
        self.s3.put(&self.path(content), content.to_vec());
        let source = tempfile::NamedTempFile::new_in(self.data.path()).unwrap();
        std::fs::write(source.path(), content).unwrap();
        let stored = self
            .store
            .put_file(source.path(), Ingest::Copy, None, |_| ControlFlow::Continue(()))
            .await;
        stored.unwrap().sha256.to_string()
    }

    /// A small program that becomes the scripted worker, so that it takes no room worth mention.
    async fn install(&self) {
        let program = format!(
            "#!/bin/sh\nexec {} \"$@\"\n",
            scripted_worker::program().display()
        );
        let platform = Platform::current();
        let binary = types::WorkerBinary {
            worker_type: types::WorkerType::CpuLlm.into(),
            version: "0.1.0-scripted".into(),
            platform: Some(types::Platform {
                os: platform.os().into(),
                arch: platform.arch().into(),
            }),
            size_bytes: program.len() as u64,
            sha256: self.put(program.as_bytes()).await,
            source: "bundled".into(),
            ..types::WorkerBinary::default()
        };
        let request = CreateWorkerBinaryRequest {
            worker_binary: Some(binary),
            request_id: String::new(),
        };
        let mut client = WorkerBinaryServiceClient::new(self.catalog.channel());
        client.create_worker_binary(request).await.unwrap();
    }

    /// Adds `local:<name>` with these files, and answers its id. A worker that finds no script in them behaves.
    pub(crate) async fn model(&self, name: &str, files: &[&[u8]]) -> String {
        let several = files.len() > 1;
        let mut listed = Vec::new();
        for (number, content) in files.iter().enumerate() {
            listed.push(types::ModelFile {
                name: match several {
                    true => format!("{name}-{number}.safetensors"),
                    false => format!("{name}.gguf"),
                },
                size_bytes: content.len() as u64,
                sha256: self.put(content).await,
            });
        }
        let files = listed;
        let llm = types::LlmModel {
            architecture: "scripted".into(),
        };
        let model = types::Model {
            id: format!("local:{name}"),
            name: name.into(),
            size_bytes: files.iter().map(|file| file.size_bytes).sum(),
            state: types::ModelState::Available.into(),
            model_type: Some(types::ModelType {
                kind: Some(types::model_type::Kind::Llm(llm)),
            }),
            vendor: types::Vendor::Local.into(),
            files,
            ..types::Model::default()
        };
        let request = CreateModelRequest {
            model: Some(model),
            request_id: String::new(),
        };
        let mut client = ModelServiceClient::new(self.catalog.channel());
        let created = client.create_model(request).await.unwrap();
        created.into_inner().model.unwrap().id
    }

    pub(crate) async fn begin(&self, model: &str) -> Streaming<SpawnWorkerResponse> {
        let spawned = self.client().spawn_worker(request(model)).await;
        spawned.unwrap().into_inner()
    }

    pub(crate) async fn spawn(&self, model: &str) -> Spawned {
        Spawned::read(self.begin(model).await).await
    }

    pub(crate) async fn stop(&self, worker_id: &str) {
        let request = StopWorkerRequest {
            worker_id: worker_id.into(),
            drain_grace: None,
        };
        self.client().stop_worker(request).await.unwrap();
    }

    pub(crate) async fn cache(&self) -> types::CacheUse {
        let hive = self.client().get_hive(GetHiveRequest {}).await.unwrap();
        hive.into_inner().hive.unwrap().cache.unwrap()
    }

    /// Waits until a worker of a model is ready, and answers its id.
    pub(crate) async fn ready(&self, model: &str) -> String {
        let begun = Instant::now();
        loop {
            let workers = self.client().list_workers(ListWorkersRequest {}).await.unwrap();
            let mut workers = workers.into_inner().workers.into_iter();
            let found = workers
                .find(|worker| worker.model_id == model && worker.state() == types::WorkerState::Ready);
            if let Some(worker) = found {
                return worker.id;
            }
            assert!(begun.elapsed() < DEADLINE, "no worker of {model} is ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn cache_folder(&self) -> PathBuf {
        self.data.path().join("second/cache")
    }

    /// Bytes of a blob that the server sent, over all reads but those of its header.
    pub(crate) fn sent(&self, content: &[u8]) -> u64 {
        let path = self.path(content);
        let reads = self.s3.gets().into_iter();
        reads
            .filter(|get| path.ends_with(&get.key) && (get.start > 0 || get.sent_bytes > HEADER_BYTES))
            .map(|get| get.sent_bytes)
            .sum()
    }
}

fn start_hive(data: &TempDir, s3: &S3Server, catalog: &Served, flags: &[String]) -> HiveProcess {
    let child = Command::new(env!("CARGO_BIN_EXE_rbee-hive"))
        .args(["--listen", "127.0.0.1:0", "--catalog", &catalog.address])
        .arg("--folder")
        .arg(data.path().join("second"))
        .args(["--store", &format!("s3://{PREFIX}")])
        .args(flags)
        .envs(s3.environment())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    HiveProcess(child.unwrap())
}

/// Bytes of which no two pieces are alike.
pub(crate) fn content(seed: u32, size: usize) -> Vec<u8> {
    let words = (0..size as u32 / 4).map(|at| (at ^ seed.rotate_left(20)).wrapping_mul(2_654_435_761));
    words.flat_map(u32::to_le_bytes).collect()
}

/// What a spawn said of bytes that were fetched: here, and of all.
pub(crate) fn fetched(events: &[Event]) -> Vec<(u64, u64)> {
    let told = events.iter().filter_map(|event| match event {
        Event::Fetching(fetching) => Some((fetching.done_bytes, fetching.total_bytes)),
        _ => None,
    });
    told.collect()
}

/// Reads a spawn until so many bytes are here.
pub(crate) async fn until_fetched(spawn: &mut Streaming<SpawnWorkerResponse>, bytes: u64) {
    while let Some(message) = spawn.message().await.unwrap() {
        if matches!(message.event, Some(Event::Fetching(fetching)) if fetching.done_bytes >= bytes) {
            return;
        }
    }
    panic!("the spawn ended before {bytes} bytes were here");
}
