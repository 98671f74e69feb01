//! A catalog of its own that passes calls on to a provisioner of its own: two processes' worth, one address for clients.

use std::time::Duration;

use rbee_catalog::{Catalog, CatalogConfig, Front};
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::provisioner::v1::{ImportModelRequest, JobState, ListJobsRequest};
use rbee_provisioner::{Provisioner, ProvisionerConfig};
use rbee_service_kit::probe::{self, NotReady};
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target};
use secrecy::SecretString;
use tempfile::TempDir;
use tonic::Code;

use crate::running::{DEADLINE, fixture};

fn token() -> SecretString {
    SecretString::from("for all of them".to_owned())
}

async fn listener() -> (Listener, Target) {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let target = Target {
        address: format!("http://{}", listener.local_addr().unwrap()),
        token: Some(token()),
        ..Target::default()
    };
    (listener, target)
}

fn serve(server: ServerBuilder, listener: Listener, lifecycle: &Lifecycle) {
    let life = lifecycle.clone();
    tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });
}

/// A catalog in `folder` that passes on to `provisioner`; its address.
async fn catalog(folder: &TempDir, provisioner: &Target, lifecycle: &Lifecycle) -> Target {
    let config = CatalogConfig {
        store: Some(folder.path().join("store").display().to_string()),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::start(config, lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Token(token()));
    catalog.mount(&mut server);
    let untold = Target {
        token: None,
        ..provisioner.clone()
    };
    Front::to(&untold).unwrap().mount(&mut server);
    let (listener, target) = listener().await;
    serve(server, listener, lifecycle);
    target
}

async fn client(target: &Target) -> ProvisionerServiceClient<rbee_service_kit::client::ClientChannel> {
    ProvisionerServiceClient::new(target.connect(DEADLINE).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_address_is_enough_for_the_provisioner_too() {
    let folder = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::new();
    let (own, provisioner_target) = listener().await;
    let catalog_target = catalog(&folder, &provisioner_target, &lifecycle).await;
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let config = ProvisionerConfig {
        store: Some(folder.path().join("store").display().to_string()),
        work_dir: Some(folder.path().join("work")),
        import_roots: vec![open.clone()],
        ..ProvisionerConfig::default()
    };
    let provisioner = Provisioner::start(config, catalog_target.clone(), &lifecycle)
        .await
        .unwrap();
    let mut server = ServerBuilder::new(Auth::Token(token()));
    provisioner.mount(&mut server);
    serve(server, own, &lifecycle);

    // A stream through the catalog, to its end, from a folder that everybody may import from.
    let model = open.join("tiny.gguf");
    std::fs::copy(fixture("ok/plain.gguf"), &model).unwrap();
    let import = |path: &std::path::Path| ImportModelRequest {
        source_path: path.display().to_string(),
        name: "tiny".into(),
        mode: 0,
    };
    let mut client = client(&catalog_target).await;
    let mut stream = client.import_model(import(&model)).await.unwrap().into_inner();
    let mut last = None;
    while let Some(message) = stream.message().await.unwrap() {
        last = message.job;
    }
    assert_eq!(last.unwrap().state(), JobState::Succeeded);

    // The provisioner sees the catalog, on loopback, as its peer; the caller is somebody else.
    let elsewhere = folder.path().join("elsewhere.gguf");
    std::fs::copy(&model, &elsewhere).unwrap();
    let refused = client.import_model(import(&elsewhere)).await.unwrap_err();
    assert!(
        RemoteFault::from(&refused).is("IMPORT_NOT_ALLOWED"),
        "{refused:?}"
    );

    // Nobody gets past the catalog without a token.
    let mut stranger = ProvisionerServiceClient::new(
        Target {
            token: None,
            ..catalog_target.clone()
        }
        .connect(DEADLINE)
        .await
        .unwrap(),
    );
    let refused = stranger.list_jobs(ListJobsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(lifecycle.finish(DEADLINE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioner_that_is_away_is_named_and_one_that_comes_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::new();
    // An address that nobody has now: its listener is closed again.
    let (free, away) = listener().await;
    drop(free);
    let catalog_target = catalog(&folder, &away, &lifecycle).await;
    let mut client = client(&catalog_target).await;
    let refused = client.list_jobs(ListJobsRequest::default()).await.unwrap_err();
    let fault = RemoteFault::from(&refused);
    assert_eq!(fault.code, Code::Unavailable);
    assert!(fault.is("PROVISIONER_UNAVAILABLE"), "{refused:?}");
    assert!(fault.retry_after.is_some());

    let not_ready = probe::ready(&away, "", Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(not_ready, NotReady::Target(_)), "{not_ready}");

    let config = ProvisionerConfig {
        store: Some(folder.path().join("store").display().to_string()),
        work_dir: Some(folder.path().join("work")),
        ..ProvisionerConfig::default()
    };
    let provisioner = Provisioner::start(config, catalog_target.clone(), &lifecycle)
        .await
        .unwrap();
    let mut server = ServerBuilder::new(Auth::Token(token()));
    provisioner.mount(&mut server);
    let address = away.address.trim_start_matches("http://").parse().unwrap();
    serve(server, Listener::tcp(address).await.unwrap(), &lifecycle);
    let jobs = client.list_jobs(ListJobsRequest::default()).await.unwrap();
    assert!(jobs.into_inner().jobs.is_empty());
    probe::ready(&away, "rbee.provisioner.v1.ProvisionerService", DEADLINE)
        .await
        .unwrap();
    let unknown = probe::ready(&away, "rbee.hive.v1.HiveService", DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(unknown, NotReady::UnknownService { .. }), "{unknown}");
    assert!(lifecycle.finish(DEADLINE).await);
}
