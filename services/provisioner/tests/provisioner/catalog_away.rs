//! A catalog that is not there yet, or not at all.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rbee_catalog::{Catalog, CatalogConfig};
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::provisioner::v1::{ImportModelRequest, Job, JobState, WatchJobRequest};
use rbee_provisioner::{Provisioner, ProvisionerConfig};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder, Target};

use crate::running::{DEADLINE, fixture};

fn target(address: SocketAddr) -> Target {
    Target {
        address: format!("http://{address}"),
        token: None,
        ..Target::default()
    }
}

/// An address where nobody listens.
async fn nobody_s_address() -> SocketAddr {
    Listener::tcp("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

async fn provisioner(
    store: &Path,
    catalog: SocketAddr,
    patience: Duration,
    lifecycle: &Lifecycle,
) -> ProvisionerServiceClient<ClientChannel> {
    let config = ProvisionerConfig {
        store: Some(store.display().to_string()),
        work_dir: Some(store.join("work")),
        catalog_patience: patience,
        ..ProvisionerConfig::default()
    };
    let provisioner = Provisioner::start(config, target(catalog), lifecycle)
        .await
        .unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    provisioner.mount(&mut server);
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let life = lifecycle.clone();
    tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });
    ProvisionerServiceClient::new(target(address).connect(DEADLINE).await.unwrap())
}

async fn begin(client: &mut ProvisionerServiceClient<ClientChannel>) -> String {
    let source_path = fixture("ok/plain.gguf").display().to_string();
    let request = ImportModelRequest {
        source_path,
        name: "m".into(),
        mode: 0,
    };
    let mut stream = client.import_model(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap().job.unwrap().id
}

async fn end(client: &mut ProvisionerServiceClient<ClientChannel>, id: String) -> Job {
    let mut stream = client
        .watch_job(WatchJobRequest { id })
        .await
        .unwrap()
        .into_inner();
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

#[tokio::test]
async fn a_job_waits_for_the_catalog_and_then_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::new();
    let address = nobody_s_address().await;
    let mut client = provisioner(folder.path(), address, DEADLINE, &lifecycle).await;
    let id = begin(&mut client).await;

    let config = CatalogConfig {
        store: Some(folder.path().display().to_string()),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::start(config, &lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    catalog.mount(&mut server);
    let listener = Listener::tcp(address).await.unwrap();
    let life = lifecycle.clone();
    tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });
    let job = end(&mut client, id).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
}

#[tokio::test]
async fn patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let address = nobody_s_address().await;
    let patience = Duration::from_millis(300);
    let mut client = provisioner(folder.path(), address, patience, &Lifecycle::new()).await;
    let id = begin(&mut client).await;
    let failure = end(&mut client, id).await.failure.unwrap();
    assert_eq!(failure.reason, "CATALOG_UNAVAILABLE", "{}", failure.message);
}
