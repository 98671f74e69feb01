//! The real program, killed at half a download.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rbee_proto::catalog::v1::GetModelRequest;
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::provisioner::v1::{JobState, ListJobsRequest, ProvisionModelRequest};
use rbee_proto::types::v1::ModelState;
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder, Target};
use rbee_testkit::hub::{FileBody, Host};

use crate::pull::until_under_way;
use crate::running::DEADLINE;
use crate::scripted::{LARGE_BYTES, drip, gguf, hugging_face, repo};

const ID: &str = "org/tiny:tiny-Q8_0.gguf";

struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(folder: &Path, hub: &str, catalog: &str) -> Self {
        let config = folder.join("provisioner.toml");
        std::fs::write(&config, "[provisioner]\nflush_every = \"50ms\"\n").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rbee-provisioner"))
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--store")
            .arg(folder.join("store"))
            .arg("--work-dir")
            .arg(folder.join("work"))
            .args(["--catalog", catalog])
            .env("HF_ENDPOINT", hub)
            .env("RBEE_LOG", "info")
            .env("HOME", folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let before = seen.len();
            assert_ne!(lines.read_line(&mut seen).unwrap(), 0, "{seen}");
            let line = &seen[before..];
            if let Some((_, rest)) = line.split_once("address=") {
                let text: String = rest
                    .chars()
                    .skip_while(|letter| !letter.is_ascii_digit())
                    .take_while(|letter| letter.is_ascii_digit() || matches!(letter, '.' | ':'))
                    .collect();
                break text.parse().unwrap_or_else(|_| panic!("{line}"));
            }
        };
        // A full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, address }
    }

    async fn client(&self) -> ProvisionerServiceClient<ClientChannel> {
        let target = Target {
            address: format!("http://{}", self.address),
            token: None,
            ..Target::default()
        };
        ProvisionerServiceClient::new(target.connect(DEADLINE).await.unwrap())
    }

    /// The most memory it had resident so far, in bytes.
    #[cfg(target_os = "linux")]
    fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kibibytes = line.split_ascii_whitespace().nth(1).unwrap();
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Size of the file: what `RBEE_TEST_DOWNLOAD_BYTES` says, or little enough for every day.
fn size_bytes() -> usize {
    match std::env::var("RBEE_TEST_DOWNLOAD_BYTES") {
        Ok(text) => text
            .parse()
            .expect("RBEE_TEST_DOWNLOAD_BYTES is a number of bytes"),
        Err(_) => LARGE_BYTES,
    }
}

/// A program that resolves, downloads and hashes needs no more than this, however large the file.
#[cfg(target_os = "linux")]
const MOST_RESIDENT_BYTES: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_half_it_resumes_by_itself_and_ends_right() {
    let folder = tempfile::tempdir().unwrap();
    let size_bytes = size_bytes();
    let body = gguf(size_bytes, 1);
    let sha256 = body.sha256();
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body.clone())]).await;
    // A large one takes long enough by itself.
    if size_bytes <= LARGE_BYTES {
        drip(&hub);
    }
    let lifecycle = Lifecycle::new();
    let config = rbee_catalog::CatalogConfig {
        store: Some(folder.path().join("store").display().to_string()),
        ..Default::default()
    };
    let catalog = rbee_catalog::Catalog::start(config, &lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    catalog.mount(&mut server);
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let target = Target {
        address: format!("http://{}", listener.local_addr().unwrap()),
        token: None,
        ..Target::default()
    };
    let life = lifecycle.clone();
    tokio::spawn(async move { server.serve(listener, &life, DEADLINE).await.unwrap() });

    let program = Program::start(folder.path(), &hub.endpoint(), &target.address);
    let request = ProvisionModelRequest { model_id: ID.into() };
    let mut stream = program
        .client()
        .await
        .provision_model(request)
        .await
        .unwrap()
        .into_inner();
    let id = until_under_way(&mut stream, size_bytes as u64 / 2).await;
    // The state that it resumes from is written a little behind.
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.kill();
    hub.hosts().faults().clear();
    hub.hosts().expire_signed_urls();
    let before = hub.hosts().body_bytes(Host::Cdn);
    assert!(before < body.len(), "it was on its way");

    let program = Program::start(folder.path(), &hub.endpoint(), &target.address);
    let mut client = program.client().await;
    let job = tokio::time::timeout(DEADLINE, async {
        loop {
            let jobs = client
                .list_jobs(ListJobsRequest::default())
                .await
                .unwrap()
                .into_inner()
                .jobs;
            assert_eq!(jobs.len(), 1);
            if jobs[0].ended_at.is_some() {
                break jobs[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    #[cfg(target_os = "linux")]
    {
        let peak_bytes = program.peak_bytes();
        println!("{size_bytes} bytes, {peak_bytes} bytes resident at most");
        assert!(peak_bytes < MOST_RESIDENT_BYTES, "{peak_bytes} bytes resident");
    }
    assert_eq!(
        (job.id.as_str(), job.state()),
        (id.as_str(), JobState::Succeeded),
        "{job:?}"
    );
    let mut models = ModelServiceClient::new(target.connect(DEADLINE).await.unwrap());
    let model = models
        .get_model(GetModelRequest { id: ID.into() })
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap();
    assert_eq!(
        (model.state(), model.files[0].sha256.as_str()),
        (ModelState::Available, sha256.as_str())
    );
    let after = hub.hosts().body_bytes(Host::Cdn) - before;
    assert!(
        after < body.len(),
        "{after} bytes came in the second life: not all again"
    );
    let blob = folder
        .path()
        .join("store/blobs/sha256")
        .join(&sha256[..2])
        .join(&sha256);
    let FileBody::Bytes(bytes) = body else {
        panic!("the body is made of bytes")
    };
    assert!(std::fs::read(blob).unwrap() == bytes, "the blob is the file");
}
