//! Installing worker programs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rbee_proto::catalog::v1::ListWorkerBinariesRequest;
use rbee_proto::provisioner::v1::{ImportWorkerBinaryRequest, Job, JobState, job};
use rbee_proto::types::v1::{WorkerBinary, WorkerType};

use crate::running::{DEADLINE, Running, reason};

fn program(folder: &Path, name: &str, answer: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{answer}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn install(running: &Running, path: &Path, worker_type: WorkerType) -> Job {
    let request = ImportWorkerBinaryRequest {
        source_path: path.display().to_string(),
        worker_type: worker_type.into(),
    };
    let mut stream = running
        .client()
        .import_worker_binary(request)
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

async fn installed(running: &Running) -> Vec<WorkerBinary> {
    let request = ListWorkerBinariesRequest::default();
    running
        .worker_binaries()
        .list_worker_binaries(request)
        .await
        .unwrap()
        .into_inner()
        .worker_binaries
}

#[tokio::test]
async fn a_worker_is_installed_once() {
    let running = Running::start().await;
    let path = program(running.folder.path(), "worker", "echo llm-worker-rbee-cpu 0.1.0");
    let job = install(&running, &path, WorkerType::CpuLlm).await;
    assert_eq!(
        (job.state(), job.subject.as_str()),
        (JobState::Succeeded, "cpu-llm")
    );
    let Some(job::Result::WorkerBinary(binary)) = job.result else {
        panic!("{:?}", job.result)
    };
    assert_eq!(
        (binary.version.as_str(), binary.source.as_str()),
        ("0.1.0", "file")
    );
    assert_eq!(binary.platform.clone().unwrap().os, std::env::consts::OS);
    assert_eq!(installed(&running).await, std::slice::from_ref(&binary));
    let stored = running.stored_bytes();
    assert_eq!(stored, binary.size_bytes);

    let again = install(&running, &path, WorkerType::CpuLlm).await;
    assert_eq!(again.result, Some(job::Result::WorkerBinary(binary)));
    assert_eq!(running.stored_bytes(), stored);

    // A new build lies beside the old one, whose blob does not change with the file.
    program(running.folder.path(), "worker", "echo llm-worker-rbee-cpu 0.2.0");
    install(&running, &path, WorkerType::CpuLlm).await;
    let versions: Vec<_> = installed(&running)
        .await
        .into_iter()
        .map(|binary| binary.version)
        .collect();
    assert_eq!(versions, ["0.2.0", "0.1.0"]);
}

#[tokio::test]
async fn who_is_not_the_worker_is_not_installed() {
    let running = Running::start().await;
    let other = program(running.folder.path(), "other", "echo llm-worker-rbee-cuda 0.1.0");
    let job = install(&running, &other, WorkerType::CpuLlm).await;
    let failure = job.failure.unwrap();
    assert_eq!(failure.reason, "WORKER_BINARY_INVALID");
    assert!(
        failure.message.contains("llm-worker-rbee-cuda 0.1.0"),
        "{}",
        failure.message
    );
    let missing = install(&running, &running.folder.path().join("none"), WorkerType::CpuLlm).await;
    assert_eq!(missing.failure.unwrap().reason, "FILE_NOT_FOUND");
    let request = ImportWorkerBinaryRequest {
        source_path: other.display().to_string(),
        worker_type: 0,
    };
    assert_eq!(
        reason(running.client().import_worker_binary(request).await),
        "INVALID_ARGUMENT"
    );
    assert_eq!((running.stored_bytes(), installed(&running).await), (0, vec![]));
}

#[tokio::test]
async fn the_workers_beside_rbee_are_installed() {
    let running = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    program(
        folder.path(),
        "llm-worker-rbee-cpu",
        "echo llm-worker-rbee-cpu 0.1.0",
    );
    // One that can't run here keeps no other from being installed.
    program(
        folder.path(),
        "llm-worker-rbee-cuda",
        "echo libcuda.so is missing >&2; exit 127",
    );
    program(folder.path(), "rbee", "echo rbee 0.1.0");
    for _ in 0..2 {
        running.provisioner.import_bundled_workers(folder.path()).await;
        let binaries = installed(&running).await;
        assert_eq!(binaries.len(), 1, "{binaries:?}");
        assert_eq!(
            (binaries[0].worker_type(), binaries[0].source.as_str()),
            (WorkerType::CpuLlm, "bundled")
        );
    }
    running
        .provisioner
        .import_bundled_workers(&folder.path().join("none"))
        .await;
}
