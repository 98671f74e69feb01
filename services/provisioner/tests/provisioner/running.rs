//! Catalog and provisioner in one process on one free port, as in `rbee up`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rbee_catalog::{Catalog, CatalogConfig};
use rbee_proto::catalog::v1::ListModelsRequest;
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::provisioner::v1::{
    ImportMode, ImportModelRequest, ImportModelResponse, Job, JobState, ProvisionModelRequest,
    ProvisionModelResponse, WatchJobRequest, job,
};
use rbee_proto::types::v1::Model;
use rbee_provisioner::{CivitAiConfig, HuggingFaceConfig, Provisioner, ProvisionerConfig};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target};
use tempfile::TempDir;
use tonic::Streaming;

/// How long anything may take that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) provisioner: Provisioner,
    pub(crate) lifecycle: Lifecycle,
    channel: ClientChannel,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// With a configuration of its own, whose paths may lie below the folder.
    pub(crate) async fn start_with(configure: impl FnOnce(&Path, &mut ProvisionerConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), configure).await
    }

    /// On what an earlier one left.
    pub(crate) async fn start_in(
        folder: TempDir,
        configure: impl FnOnce(&Path, &mut ProvisionerConfig),
    ) -> Self {
        let lifecycle = Lifecycle::new();
        let store = Some(folder.path().join("store").display().to_string());
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let target = Target {
            address: format!("http://{}", listener.local_addr().unwrap()),
            token: None,
            ..Target::default()
        };
        let config = CatalogConfig {
            store: store.clone(),
            ..CatalogConfig::default()
        };
        let catalog = Catalog::start(config, &lifecycle).await.unwrap();
        let mut config = ProvisionerConfig {
            store,
            work_dir: Some(folder.path().join("work")),
            // Nobody listens there: no test reaches a hub by mistake.
            huggingface: HuggingFaceConfig {
                endpoint: "http://127.0.0.1:9".into(),
            },
            civitai: CivitAiConfig {
                base_url: "http://127.0.0.1:9".into(),
            },
            ..ProvisionerConfig::default()
        };
        configure(folder.path(), &mut config);
        let provisioner = Provisioner::start(config, target.clone(), &lifecycle)
            .await
            .unwrap();
        let mut server = ServerBuilder::new(Auth::Open);
        catalog.mount(&mut server);
        provisioner.mount(&mut server);
        let life = lifecycle.clone();
        tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });
        let channel = target.connect(DEADLINE).await.unwrap();
        Self {
            folder,
            provisioner,
            lifecycle,
            channel,
        }
    }

    pub(crate) fn client(&self) -> ProvisionerServiceClient<ClientChannel> {
        ProvisionerServiceClient::new(self.channel.clone())
    }

    pub(crate) fn models(&self) -> ModelServiceClient<ClientChannel> {
        ModelServiceClient::new(self.channel.clone())
    }

    pub(crate) fn worker_binaries(&self) -> WorkerBinaryServiceClient<ClientChannel> {
        WorkerBinaryServiceClient::new(self.channel.clone())
    }

    /// All models in the catalog.
    pub(crate) async fn catalog(&self) -> Vec<Model> {
        self.models()
            .list_models(ListModelsRequest::default())
            .await
            .unwrap()
            .into_inner()
            .models
    }

    /// Ends all of it, and gives back what it left.
    pub(crate) async fn stop(self) -> TempDir {
        let Self {
            folder,
            provisioner,
            lifecycle,
            channel,
        } = self;
        drop((provisioner, channel));
        assert!(lifecycle.finish(DEADLINE).await, "everything ends");
        drop(lifecycle);
        folder
    }

    /// One model of the catalog.
    pub(crate) async fn model(&self, id: &str) -> Option<Model> {
        self.catalog().await.into_iter().find(|model| model.id == id)
    }

    /// Begins a download.
    pub(crate) async fn provision(
        &self,
        id: &str,
    ) -> Result<Streaming<ProvisionModelResponse>, tonic::Status> {
        let request = ProvisionModelRequest {
            model_id: id.to_owned(),
        };
        Ok(self.client().provision_model(request).await?.into_inner())
    }

    /// Downloads to the end; answers with every step.
    pub(crate) async fn provision_to_end(&self, id: &str) -> Vec<Job> {
        provision_steps(self.provision(id).await.unwrap()).await
    }

    /// Downloads, and answers with the failure's reason and message.
    pub(crate) async fn provision_fails(&self, id: &str) -> (String, String) {
        let last = self.provision_to_end(id).await.pop().unwrap();
        assert_eq!(last.state(), JobState::Failed, "{last:?}");
        let failure = last.failure.unwrap();
        (failure.reason, failure.message)
    }

    /// Waits until a job has ended.
    pub(crate) async fn ended(&self, id: &str) -> Job {
        let request = WatchJobRequest { id: id.to_owned() };
        let mut stream = self.client().watch_job(request).await.unwrap().into_inner();
        let mut last = None;
        while let Some(step) = tokio::time::timeout(DEADLINE, stream.message())
            .await
            .unwrap()
            .unwrap()
        {
            last = step.job;
        }
        last.unwrap()
    }

    /// The files of parts, by name, that are there.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut names = Vec::new();
        for model in std::fs::read_dir(self.folder.path().join("work/parts")).unwrap() {
            for file in std::fs::read_dir(model.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names.sort();
        names
    }

    /// Begins an import.
    pub(crate) async fn import(
        &self,
        path: &Path,
        name: &str,
        mode: ImportMode,
    ) -> Result<Streaming<ImportModelResponse>, tonic::Status> {
        let request = ImportModelRequest {
            source_path: path.display().to_string(),
            name: name.to_owned(),
            mode: mode.into(),
        };
        Ok(self.client().import_model(request).await?.into_inner())
    }

    /// Imports to the end; answers with every step.
    pub(crate) async fn import_to_end(&self, path: &Path, name: &str, mode: ImportMode) -> Vec<Job> {
        steps(self.import(path, name, mode).await.unwrap()).await
    }

    /// Imports, and answers with the failure's reason and message.
    pub(crate) async fn import_fails(&self, path: &Path, name: &str, mode: ImportMode) -> (String, String) {
        let last = self.import_to_end(path, name, mode).await.pop().unwrap();
        assert_eq!(last.state(), JobState::Failed, "{last:?}");
        let failure = last.failure.unwrap();
        (failure.reason, failure.message)
    }

    /// A file of its own with a valid header and zeros behind it, up to `size_bytes`. Sparse, so that it
    /// takes no room until it is copied.
    pub(crate) fn large_model(&self, name: &str, size_bytes: u64) -> PathBuf {
        let path = self.copy_of(&fixture("ok/plain.gguf"), name);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(size_bytes).unwrap();
        path
    }

    /// A copy beside the store, on its file system.
    pub(crate) fn copy_of(&self, path: &Path, name: &str) -> PathBuf {
        let copy = self.folder.path().join(name);
        std::fs::copy(path, &copy).unwrap();
        copy
    }

    /// Bytes of all files in the store but the documents.
    pub(crate) fn stored_bytes(&self) -> u64 {
        ["blobs", "staging"]
            .iter()
            .map(|folder| bytes_below(&self.folder.path().join("store").join(folder)))
            .sum()
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            // It may go while it is looked at.
            let Ok(metadata) = entry.metadata() else { return 0 };
            if metadata.is_dir() {
                bytes_below(&entry.path())
            } else {
                metadata.len()
            }
        })
        .sum()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/llm")
        .join(name)
}

/// All steps of a download, to its end.
pub(crate) async fn provision_steps(mut stream: Streaming<ProvisionModelResponse>) -> Vec<Job> {
    let mut steps = Vec::new();
    while let Some(step) = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap()
    {
        steps.push(step.job.unwrap());
    }
    steps
}

/// The model that a job brought in.
pub(crate) fn brought(job: &Job) -> Model {
    match &job.result {
        Some(job::Result::Model(model)) => model.clone(),
        other => panic!("{:?} {:?} {other:?}", job.state(), job.failure),
    }
}

/// All steps of a job, to its end.
pub(crate) async fn steps(mut stream: Streaming<ImportModelResponse>) -> Vec<Job> {
    let mut steps = Vec::new();
    while let Some(step) = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap()
    {
        steps.push(step.job.unwrap());
    }
    steps
}

/// The next step of a job.
pub(crate) async fn next(stream: &mut Streaming<ImportModelResponse>) -> Job {
    let step = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap();
    step.unwrap().job.unwrap()
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, tonic::Status>) -> String {
    RemoteFault::from(&result.unwrap_err()).reason.unwrap()
}
