//! A catalog on a free port, and what the tests put into it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use rbee_catalog::{Catalog, CatalogConfig};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::types::v1::model_type::Kind;
use rbee_proto::types::v1::{LlmModel, Model, ModelFile, ModelState, ModelType};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target};
use rbee_store::{Ingest, Store, StoredBlob};
use tokio::task::JoinHandle;

/// How long anything may take that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) lifecycle: Lifecycle,
    channel: ClientChannel,
    server: JoinHandle<()>,
}

impl Running {
    /// Starts a catalog over the store in `folder`.
    pub(crate) async fn start(folder: &Path, change: impl FnOnce(&mut CatalogConfig)) -> Self {
        let lifecycle = Lifecycle::new();
        let mut config = CatalogConfig {
            store: Some(folder.display().to_string()),
            ..CatalogConfig::default()
        };
        change(&mut config);
        let catalog = Catalog::start(config, &lifecycle).await.unwrap();
        let mut server = ServerBuilder::new(Auth::Open);
        catalog.mount(&mut server);
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let target = Target {
            address: format!("http://{}", listener.local_addr().unwrap()),
            token: None,
            ..Target::default()
        };
        let life = lifecycle.clone();
        let server = tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });
        let channel = target.connect(DEADLINE).await.unwrap();
        Self {
            lifecycle,
            channel,
            server,
        }
    }

    pub(crate) fn models(&self) -> ModelServiceClient<ClientChannel> {
        ModelServiceClient::new(self.channel.clone())
    }

    pub(crate) fn worker_binaries(&self) -> WorkerBinaryServiceClient<ClientChannel> {
        WorkerBinaryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn registry(&self) -> RegistryServiceClient<ClientChannel> {
        RegistryServiceClient::new(self.channel.clone())
    }

    /// Takes it away without a shutdown.
    pub(crate) async fn vanish(self) {
        self.server.abort();
        assert!(self.server.await.unwrap_err().is_cancelled());
    }
}

/// Puts bytes into the store as the provisioner does.
pub(crate) async fn blob(folder: &Path, content: &[u8]) -> StoredBlob {
    let source = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(source.path(), content).unwrap();
    let store = Store::open(&folder.display().to_string()).await.unwrap();
    let go_on = |_| ControlFlow::Continue(());
    store
        .put_file(source.path(), Ingest::Copy, None, go_on)
        .await
        .unwrap()
}

pub(crate) fn model(id: &str, blob: &StoredBlob) -> Model {
    Model {
        id: id.to_owned(),
        name: id.to_owned(),
        size_bytes: blob.size_bytes,
        state: ModelState::Available.into(),
        model_type: Some(ModelType {
            kind: Some(Kind::Llm(LlmModel {
                architecture: "qwen2".into(),
            })),
        }),
        quantization: Some("Q4_K_M".into()),
        metadata: BTreeMap::from([("general.name".to_owned(), "Qwen".to_owned())]),
        files: vec![ModelFile {
            name: "model.gguf".into(),
            size_bytes: blob.size_bytes,
            sha256: blob.sha256.to_string(),
        }],
        context_length: Some(32_768),
        parameter_count: Some(494_032_768),
        ..Model::default()
    }
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, tonic::Status>) -> String {
    RemoteFault::from(&result.unwrap_err()).reason.unwrap()
}
