//! Installing workers from packages: the whole way from a PKGBUILD to the catalog.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rbee_proto::catalog::v1::ListWorkerBinariesRequest;
use rbee_proto::provisioner::v1::{
    CancelJobRequest, InstallWorkerRequest, InstallWorkerResponse, Job, JobPhase, JobState,
    ListWorkerPackagesRequest, job,
};
use rbee_proto::types::v1::WorkerType;
use rbee_provisioner::PackagesConfig;
use rbee_service_kit::RemoteFault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Streaming;

use crate::running::{DEADLINE, Running};

const NAME: &str = "llm-worker-rbee-cpu-git";
const HEAD: &str = "pkgname=llm-worker-rbee-cpu-git\npkgver=1.0\npkgrel=2\narch=(any)\nlicense=(MIT)\n";

/// What puts a worker of two lines into `$pkgdir`; `$answer` is its version.
const PACKAGE: &str = r#"
package() {
    install -d "$pkgdir/usr/bin"
    printf '#!/bin/sh\necho llm-worker-rbee-cpu %s\n' "$answer" > "$pkgdir/usr/bin/llm-worker-rbee-cpu"
    chmod 755 "$pkgdir/usr/bin/llm-worker-rbee-cpu"
}
"#;

/// A cluster with an index in which this is the one package.
async fn running(pkgbuild: &str) -> Running {
    Running::start_with(|folder, config| {
        write_package(folder, pkgbuild);
        config.packages.index = Some(folder.join("index").display().to_string());
    })
    .await
}

fn write_package(folder: &Path, pkgbuild: &str) {
    let package = folder.join("index").join(NAME);
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("PKGBUILD"), pkgbuild).unwrap();
}

async fn install(running: &Running) -> Streaming<InstallWorkerResponse> {
    let request = InstallWorkerRequest {
        worker_type: WorkerType::CpuLlm.into(),
        package: String::new(),
    };
    running
        .client()
        .install_worker(request)
        .await
        .unwrap()
        .into_inner()
}

/// Follows a job to its end; gives its last state, its phases and the lines that came.
async fn follow(stream: Streaming<InstallWorkerResponse>) -> (Job, Vec<JobPhase>, Vec<String>) {
    follow_within(DEADLINE, stream).await
}

/// Follows a job that may be silent for this long.
async fn follow_within(
    silence: Duration,
    mut stream: Streaming<InstallWorkerResponse>,
) -> (Job, Vec<JobPhase>, Vec<String>) {
    let (mut last, mut phases, mut lines) = (None, Vec::new(), Vec::new());
    while let Some(step) = tokio::time::timeout(silence, stream.message())
        .await
        .unwrap()
        .unwrap()
    {
        lines.extend(step.output_lines);
        let job = step.job.unwrap();
        if job.state() == JobState::Running && phases.last() != Some(&job.phase()) {
            phases.push(job.phase());
        }
        last = Some(job);
    }
    (last.unwrap(), phases, lines)
}

async fn failure(running: &Running) -> (String, String) {
    let (job, ..) = follow(install(running).await).await;
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let failure = job.failure.unwrap();
    assert_nothing_is_left(running);
    (failure.reason, failure.message)
}

fn assert_nothing_is_left(running: &Running) {
    let builds = running.folder.path().join("work/builds");
    let left: Vec<_> = fs::read_dir(&builds)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(running.stored_bytes(), 0);
}

#[tokio::test]
async fn a_worker_is_built_and_several_versions_live_side_by_side() {
    let running = running(&format!(
        "{HEAD}answer=1.0\nbuild() {{ echo building; }}\n{PACKAGE}"
    ))
    .await;
    let (job, phases, lines) = follow(install(&running).await).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    assert_eq!(job.subject, NAME);
    let Some(job::Result::WorkerBinary(first)) = job.result else {
        panic!("{:?}", job.result)
    };
    assert_eq!(
        (first.version.as_str(), first.source.as_str()),
        ("1.0", "pkgbuild:llm-worker-rbee-cpu-git 1.0-2")
    );
    assert_eq!(first.worker_type(), WorkerType::CpuLlm);
    assert!(
        phases.is_sorted_by_key(|phase| match phase {
            JobPhase::FetchingSources => 0,
            JobPhase::Building => 1,
            JobPhase::Inspecting => 2,
            JobPhase::Storing => 3,
            _ => 4,
        }),
        "{phases:?}"
    );
    assert!(
        lines.contains(&"building".to_owned()) && lines.contains(&"==> package()".to_owned()),
        "{lines:?}"
    );

    let next = format!("{HEAD}answer=2.0\n{PACKAGE}").replace("pkgver=1.0", "pkgver=2.0");
    write_package(running.folder.path(), &next);
    let (job, ..) = follow(install(&running).await).await;
    let Some(job::Result::WorkerBinary(second)) = job.result else {
        panic!("{:?}", job.result)
    };
    assert_eq!(
        (second.version.as_str(), second.source.as_str()),
        ("2.0", "pkgbuild:llm-worker-rbee-cpu-git 2.0-2")
    );
    let request = ListWorkerBinariesRequest::default();
    let listed = running
        .worker_binaries()
        .list_worker_binaries(request)
        .await
        .unwrap()
        .into_inner();
    let mut versions: Vec<_> = listed
        .worker_binaries
        .iter()
        .map(|binary| binary.version.as_str())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, ["1.0", "2.0"]);
}

#[tokio::test]
async fn every_way_to_fail_has_its_reason() {
    let sum = "0".repeat(64);
    let good = format!("{HEAD}answer=1.0\n{PACKAGE}");
    let running = running(&good).await;
    for (pkgbuild, reason, words) in [
        (
            format!("{good}source=(PKGBUILD)\nsha256sums=({sum})"),
            "PACKAGE_CHECKSUM_MISMATCH",
            "SHA-256",
        ),
        (
            format!("{good}source=(PKGBUILD)\nsha256sums=(SKIP)"),
            "PACKAGE_INVALID",
            "SKIP",
        ),
        (
            format!("{good}build() {{ echo 'error: no luck' >&2; exit 3; }}"),
            "PACKAGE_BUILD_FAILED",
            "error: no luck",
        ),
        (
            format!("{HEAD}package() {{ touch \"$pkgdir/../evil\"; }}"),
            "PACKAGE_BUILD_FAILED",
            "package() of llm-worker-rbee-cpu-git",
        ),
        (
            good.replace("(any)", "(pdp11)"),
            "PACKAGE_ARCH_UNSUPPORTED",
            "pdp11",
        ),
        (
            format!("{good}source=(https://127.0.0.1:9/x)\nsha256sums=({sum})"),
            "PACKAGE_SOURCE_UNAVAILABLE",
            "127.0.0.1",
        ),
        (
            good.replace("llm-worker-rbee-cpu %s", "other %s"),
            "WORKER_BINARY_INVALID",
            "llm-worker-rbee-cpu VERSION",
        ),
    ] {
        write_package(running.folder.path(), &pkgbuild);
        let (found, message) = failure(&running).await;
        assert_eq!(found, reason, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_cancelled() {
    let running = running(&format!(
        "{HEAD}build() {{ sleep 600 & echo hanging; wait; }}\n{PACKAGE}"
    ))
    .await;
    let mut stream = install(&running).await;
    let id = loop {
        let step = tokio::time::timeout(DEADLINE, stream.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if step.output_lines.contains(&"hanging".to_owned()) {
            break step.job.unwrap().id;
        }
    };
    let request = CancelJobRequest {
        id,
        ..CancelJobRequest::default()
    };
    running.client().cancel_job(request).await.unwrap();
    let (job, ..) = follow(stream).await;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    assert_nothing_is_left(&running);
}

#[tokio::test]
async fn packages_are_listed_and_wrong_names_refused() {
    let running = Running::start().await;
    let request = ListWorkerPackagesRequest {};
    let listed = running
        .client()
        .list_worker_packages(request)
        .await
        .unwrap()
        .into_inner()
        .packages;
    assert_eq!(listed.len(), 12);
    for package in &listed {
        assert!(
            package.problem.is_empty() && !package.version.is_empty(),
            "{package:?}"
        );
        assert_eq!(package.preferred, package.name.ends_with("-git"));
    }
    for (worker_type, package, reason) in [
        (WorkerType::CpuLlm, "no-such-package", "PACKAGE_NOT_FOUND"),
        (WorkerType::CpuSd, NAME, "INVALID_ARGUMENT"),
        (WorkerType::Unspecified, "", "INVALID_ARGUMENT"),
    ] {
        let request = InstallWorkerRequest {
            worker_type: worker_type.into(),
            package: package.to_owned(),
        };
        let refused = running.client().install_worker(request).await.err().unwrap();
        assert!(RemoteFault::from(&refused).is(reason), "{refused:?}");
    }
}

/// The worker itself, built from its source: ten minutes, so only where `RBEE_TEST_INSTALL_SOURCE` says from which,
/// such as `git+file:///home/me/rbee`. `RBEE_TEST_INSTALL_CACHE` may name a folder that makes it shorter next time.
#[tokio::test]
async fn the_real_worker_is_built_where_a_source_is_named() {
    let Ok(source) = std::env::var("RBEE_TEST_INSTALL_SOURCE") else {
        println!("RBEE_TEST_INSTALL_SOURCE is not set: the real worker is not built");
        return;
    };
    let running = Running::start_with(|_, config| {
        config.packages.variables = [("RBEE_SOURCE".to_owned(), source)].into();
        config.packages.cache = std::env::var_os("RBEE_TEST_INSTALL_CACHE").map(Into::into);
    })
    .await;
    let begun = std::time::Instant::now();
    let (job, phases, lines) = follow_within(20 * DEADLINE, install(&running).await).await;
    let Some(job::Result::WorkerBinary(binary)) = job.result else {
        panic!("{:?} {:?}", job.failure, job.result)
    };
    println!(
        "{binary:?}\n{phases:?}, {} lines, {:?}",
        lines.len(),
        begun.elapsed()
    );
    assert!(
        binary.source.starts_with("pkgbuild:llm-worker-rbee-cpu-git "),
        "{}",
        binary.source
    );
    assert_eq!(running.stored_bytes(), binary.size_bytes);
}

/// An index, and an archive that a package names, on a web server of a private network that the operator named.
#[tokio::test]
async fn an_index_and_a_source_can_be_on_a_web_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let note = b"1.7".to_vec();
    let digest = |bytes: &[u8]| rbee_artifacts::Sha256::digest(bytes).to_string();
    let pkgbuild = format!(
        "{HEAD}source=(\"$RBEE_RELEASE_URL/answer\")\nsha256sums=({})\nbuild() {{ :; }}\n{}",
        digest(&note),
        PACKAGE.replace("\"$answer\"", "\"$(cat answer)\"")
    );
    let index = format!(
        r#"{{"version": 1, "packages": [{{"name": "{NAME}", "files": [{{"path": "PKGBUILD", "sha256": "{}"}}]}}]}}"#,
        digest(pkgbuild.as_bytes())
    );
    let files = [
        ("/index.json".to_owned(), index.into_bytes()),
        (format!("/{NAME}/PKGBUILD"), pkgbuild.into_bytes()),
        ("/files/answer".to_owned(), note),
    ];
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let files = files.clone();
            tokio::spawn(async move { answer(&mut connection, &files).await });
        }
    });
    let running = Running::start_with(|_, config| {
        config.packages = PackagesConfig {
            index: Some(format!("{base}/index.json")),
            variables: [("RBEE_RELEASE_URL".to_owned(), format!("{base}/files"))].into(),
            fetch_timeout: Duration::from_secs(30),
            ..PackagesConfig::default()
        };
    })
    .await;
    let (job, ..) = follow(install(&running).await).await;
    let Some(job::Result::WorkerBinary(binary)) = job.result else {
        panic!("{:?} {:?}", job.failure, job.result)
    };
    assert_eq!(binary.version, "1.7");
}

/// HTTP as simple as it can be: every request is answered whole, and the connection closed.
async fn answer(connection: &mut tokio::net::TcpStream, files: &[(String, Vec<u8>)]) {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match connection.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => request.extend_from_slice(&buffer[..bytes]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, content) = match files.iter().find(|(name, _)| name == path) {
        Some((_, content)) => ("200 OK", content.as_slice()),
        None => ("404 Not Found", &b""[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n",
        content.len()
    );
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(content).await;
}
