//! The page of metrics over HTTP, as Prometheus reads it.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use rbee_service_kit::Lifecycle;
use rbee_service_kit::config::MetricsConfig;
use rbee_service_kit::metrics::{Collect, Kind, Metric, MetricsError, MetricsServer, Page, Process};
use rbee_testkit::exposition::{get, scrape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DEADLINE: Duration = Duration::from_secs(30);

const BEES: Metric = Metric {
    name: "bees",
    kind: Kind::Gauge,
    labels: &["hive"],
    help: "Bees.",
};

struct Bees;

#[tonic::async_trait]
impl Collect for Bees {
    async fn collect(&self, page: &mut Page) {
        page.family(&BEES, [(["a"], 3.0), (["b \"c\"\\\n"], 4.0)]);
    }
}

fn config(address: &str) -> MetricsConfig {
    MetricsConfig {
        address: Some(address.parse().unwrap()),
        ..MetricsConfig::default()
    }
}

async fn start(lifecycle: &Lifecycle) -> std::net::SocketAddr {
    let server = MetricsServer::bind(&config("127.0.0.1:0"))
        .await
        .unwrap()
        .unwrap();
    let address = server.address();
    let collectors: Vec<Arc<dyn Collect>> = vec![Arc::new(Process::new("bee", "1.2.3")), Arc::new(Bees)];
    lifecycle.spawn(server.serve(collectors, lifecycle.token()));
    address
}

#[tokio::test]
async fn a_scrape_has_what_everybody_wrote() {
    let lifecycle = Lifecycle::new();
    let address = start(&lifecycle).await;
    for _ in 0..2 {
        let page = scrape(address).await;
        assert_eq!(page["bees"].value(&[("hive", "b \"c\"\\\n")]), Some(4.0));
        assert_eq!(page["bees"].help, "Bees.");
        let build = [("program", "bee"), ("version", "1.2.3")];
        assert_eq!(page["rbee_build_info"].value(&build), Some(1.0));
        if cfg!(target_os = "linux") {
            assert!(page["process_resident_memory_bytes"].value(&[]).unwrap() > 1e6);
            assert!(page["process_open_fds"].value(&[]).unwrap() > 3.0);
            assert!(page.contains_key("process_cpu_seconds_total"));
        }
    }
    assert!(lifecycle.finish(DEADLINE).await);
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "the port is closed"
    );
}

#[tokio::test]
async fn only_metrics_are_there_and_only_to_be_read() {
    let lifecycle = Lifecycle::new();
    let address = start(&lifecycle).await;
    let (head, _) = get(address, "GET /secrets").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let (head, _) = get(address, "POST /metrics").await;
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    let (head, body) = get(address, "HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");
}

#[tokio::test]
async fn clients_that_say_nothing_or_nonsense_hold_nobody_up() {
    let lifecycle = Lifecycle::new();
    let address = start(&lifecycle).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let mut nonsense = tokio::net::TcpStream::connect(address).await.unwrap();
    nonsense
        .write_all(b"\x16\x03\x01 nonsense\r\n\r\n")
        .await
        .unwrap();
    let page = tokio::time::timeout(DEADLINE, scrape(address)).await.unwrap();
    assert!(page.contains_key("bees"));
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, silent[0].read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "who says nothing is cut off");
}

#[tokio::test]
async fn beyond_loopback_is_refused_unless_allowed_and_off_is_off() {
    assert!(
        MetricsServer::bind(&MetricsConfig::default())
            .await
            .unwrap()
            .is_none()
    );
    let open = config("0.0.0.0:0");
    let error = MetricsServer::bind(&open).await.unwrap_err();
    assert!(matches!(error, MetricsError::Insecure { .. }), "{error}");
    let allowed = MetricsConfig {
        allow_insecure: true,
        ..open
    };
    assert!(MetricsServer::bind(&allowed).await.unwrap().is_some());
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = MetricsServer::bind(&config(&taken.local_addr().unwrap().to_string()))
        .await
        .unwrap_err();
    assert!(matches!(error, MetricsError::Listen { .. }), "{error}");
}
