//! The window's client against a real `rbee up`: what it is told, and that it comes back after the cluster was away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says no by panicking"
)]

use std::path::PathBuf;
use std::time::Duration;

use rbee_keeper::client::local::{self, LocalCluster};
use rbee_keeper::client::server::Server;
use rbee_keeper::client::watch::{self, Told};
use rbee_keeper::model::cluster::{ClusterChange, ClusterView};
use rbee_keeper::model::connection::ConnectionState;
use rbee_keeper::model::telemetry::TelemetryChange;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The program beside the tests: `cargo build -p rbee` makes it.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("rbee");
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

async fn start(folder: &tempfile::TempDir, listen: &str) -> LocalCluster {
    local::start(&program(), Some(&folder.path().join("data")), listen)
        .await
        .expect("it starts")
}

/// Reads until something is told that is waited for; answers it.
async fn until<T>(
    heard: &mut mpsc::Receiver<Told>,
    what: &str,
    mut wanted: impl FnMut(Told) -> Option<T>,
) -> T {
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            told = heard.recv() => {
                let told = told.unwrap_or_else(|| panic!("the watches ended before {what}"));
                if let Some(found) = wanted(told) {
                    return found;
                }
            }
            () = &mut deadline => panic!("no sign of {what}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_and_told_again_after_the_cluster_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&folder, "127.0.0.1:0").await;
    let server = Server::at(&cluster.address, None);
    let (told, mut heard) = mpsc::channel(watch::WAITING);
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch::run(server, told, stop.clone()));

    let mut view = ClusterView::default();
    let mut measured = false;
    let (mut connected, mut narrated) = (false, false);
    until(
        &mut heard,
        "a cluster with a device, a line and a measurement",
        |told| {
            match told {
                Told::Cluster(change) => view.apply(change),
                Told::Connection(state) => connected = state.is_connected(),
                Told::Narration(_) => narrated = true,
                Told::Telemetry(TelemetryChange::Measured(sample)) => measured |= !sample.devices.is_empty(),
                Told::Client(_) | Told::Models(_) | Told::Telemetry(_) => {}
            }
            (connected && narrated && measured).then_some(())
        },
    )
    .await;
    let hive = view.hives.values().next().expect("there is a hive").clone();
    assert!(
        hive.reachable && hive.devices.iter().any(|device| device.id.as_str() == "cpu:0"),
        "{hive:?}"
    );

    let address = cluster.address.clone();
    drop(cluster);
    until(&mut heard, "a lost connection", |told| {
        matches!(told, Told::Connection(ConnectionState::Lost { .. })).then_some(())
    })
    .await;
    // The port is free again when the cluster has left.
    let listen = address.strip_prefix("http://").unwrap().to_owned();
    let again = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Ok(cluster) = local::start(&program(), Some(&folder.path().join("data")), &listen).await {
                return cluster;
            }
        }
    });
    let _cluster = again.await.expect("it starts again at the same address");
    until(&mut heard, "a new connection", |told| {
        if let Told::Cluster(change) = &told {
            view.apply(change.clone());
        }
        matches!(told, Told::Connection(ConnectionState::Connected)).then_some(())
    })
    .await;
    until(&mut heard, "the same hive", |told| match told {
        Told::Cluster(ClusterChange::Hive(known)) => (known.id == hive.id).then_some(()),
        _ => view.hives.contains_key(&hive.id).then_some(()),
    })
    .await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_address_is_a_lost_connection_that_is_tried_again() {
    let (told, mut heard) = mpsc::channel(watch::WAITING);
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch::run(Server::at("127.0.0.1:1", None), told, stop.clone()));
    until(&mut heard, "the third attempt", |told| {
        matches!(told, Told::Connection(ConnectionState::Lost { attempts: 2, .. })).then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_token_refuses_and_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-of-thirty-two-characters").unwrap();
    let mut up = tokio::process::Command::new(program());
    up.args(["up", "--json", "--until-stdin-closes", "--listen", "127.0.0.1:0"]);
    up.arg("--data-dir")
        .arg(folder.path().join("data"))
        .env("RBEE_TOKEN_FILE", &token);
    up.stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut up = up.kill_on_drop(true).spawn().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(up.stdout.take().unwrap()));
    let line = lines.next_line().await.unwrap().expect("it becomes ready");
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = ready["address"].as_str().unwrap();

    let (told, mut heard) = mpsc::channel(watch::WAITING);
    let running = tokio::spawn(watch::run(
        Server::at(address, None),
        told,
        CancellationToken::new(),
    ));
    until(&mut heard, "a refusal", |told| {
        matches!(told, Told::Connection(ConnectionState::Refused { .. })).then_some(())
    })
    .await;
    running.abort();

    let (told, mut heard) = mpsc::channel(watch::WAITING);
    let server = Server::at(address, Some("a-token-of-thirty-two-characters".into()));
    let running = tokio::spawn(watch::run(server, told, CancellationToken::new()));
    until(&mut heard, "a connection", |told| {
        matches!(told, Told::Connection(ConnectionState::Connected)).then_some(())
    })
    .await;
    running.abort();
}
