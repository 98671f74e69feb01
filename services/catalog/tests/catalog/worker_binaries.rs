//! The worker binary service.

use crate::running::{Running, blob, reason};
use rbee_proto::catalog::v1::{
    CreateWorkerBinaryRequest, DeleteWorkerBinaryRequest, GetWorkerBinaryRequest, ListWorkerBinariesRequest,
};
use rbee_proto::types::v1::{Platform, WorkerBinary, WorkerType};
use rbee_store::StoredBlob;

fn linux() -> Platform {
    Platform {
        os: "linux".into(),
        arch: "x86_64".into(),
    }
}

fn binary(worker_type: WorkerType, version: &str, blob: &StoredBlob) -> WorkerBinary {
    WorkerBinary {
        worker_type: worker_type.into(),
        version: version.into(),
        platform: Some(linux()),
        size_bytes: blob.size_bytes,
        sha256: blob.sha256.to_string(),
        source: "bundled".into(),
        ..WorkerBinary::default()
    }
}

async fn create(running: &Running, binary: WorkerBinary) -> WorkerBinary {
    let request = CreateWorkerBinaryRequest {
        worker_binary: Some(binary),
        request_id: String::new(),
    };
    let response = running
        .worker_binaries()
        .create_worker_binary(request)
        .await
        .unwrap();
    response.into_inner().worker_binary.unwrap()
}

#[tokio::test]
async fn the_same_program_is_the_same_entry() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"program").await;
    let asked = binary(WorkerType::CpuLlm, "0.1.0", &blob);
    let created = create(&running, asked.clone()).await;
    assert!(
        created.id.starts_with("cpu-llm-0.1.0-linux-x86_64-"),
        "{}",
        created.id
    );
    assert_eq!(
        created,
        WorkerBinary {
            id: created.id.clone(),
            added_at: created.added_at,
            ..asked.clone()
        }
    );
    let again = create(
        &running,
        WorkerBinary {
            source: "a package".into(),
            ..asked.clone()
        },
    )
    .await;
    assert_eq!(again, created, "where it came from first stays");

    let mut client = running.worker_binaries();
    let get = GetWorkerBinaryRequest {
        id: created.id.clone(),
    };
    let found = client
        .get_worker_binary(get.clone())
        .await
        .unwrap()
        .into_inner()
        .worker_binary;
    assert_eq!(found, Some(created.clone()));
    let unstored = WorkerBinary {
        sha256: "0".repeat(64),
        ..asked
    };
    let request = CreateWorkerBinaryRequest {
        worker_binary: Some(unstored),
        request_id: String::new(),
    };
    assert_eq!(
        reason(client.create_worker_binary(request).await),
        "INVALID_ARGUMENT"
    );

    let delete = DeleteWorkerBinaryRequest { id: created.id };
    assert!(
        client
            .delete_worker_binary(delete.clone())
            .await
            .unwrap()
            .into_inner()
            .deleted
    );
    assert!(
        !client
            .delete_worker_binary(delete)
            .await
            .unwrap()
            .into_inner()
            .deleted
    );
    assert_eq!(
        reason(client.get_worker_binary(get).await),
        "WORKER_BINARY_NOT_FOUND"
    );
    let nonsense = GetWorkerBinaryRequest { id: "No Id!".into() };
    assert_eq!(
        reason(client.get_worker_binary(nonsense).await),
        "WORKER_BINARY_NOT_FOUND"
    );
}

#[tokio::test]
async fn the_list_is_newest_first_with_filters_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"program").await;
    let mut ids = Vec::new();
    for version in ["1", "2", "3", "4", "5"] {
        ids.push(
            create(&running, binary(WorkerType::CpuLlm, version, &blob))
                .await
                .id,
        );
    }
    create(&running, binary(WorkerType::CudaLlm, "9", &blob)).await;
    ids.reverse();

    let list = async |request: ListWorkerBinariesRequest| {
        let page = running
            .worker_binaries()
            .list_worker_binaries(request)
            .await?
            .into_inner();
        let ids: Vec<String> = page.worker_binaries.into_iter().map(|binary| binary.id).collect();
        Ok((ids, page.next_page_token))
    };
    let cpu = ListWorkerBinariesRequest {
        worker_type: WorkerType::CpuLlm.into(),
        platform: Some(linux()),
        ..ListWorkerBinariesRequest::default()
    };
    assert_eq!(list(cpu.clone()).await.unwrap(), (ids.clone(), String::new()));
    assert_eq!(
        list(ListWorkerBinariesRequest::default()).await.unwrap().0.len(),
        6
    );
    let elsewhere = Platform {
        os: "macos".into(),
        arch: "aarch64".into(),
    };
    let request = ListWorkerBinariesRequest {
        platform: Some(elsewhere),
        ..cpu.clone()
    };
    assert!(list(request).await.unwrap().0.is_empty());

    let mut request = ListWorkerBinariesRequest { page_size: 2, ..cpu };
    let mut seen = Vec::new();
    loop {
        let (page, token) = list(request.clone()).await.unwrap();
        seen.extend(page);
        if token.is_empty() {
            break;
        }
        request.page_token = token;
    }
    assert_eq!(seen, ids);
    request.worker_type = WorkerType::CudaLlm.into();
    assert_eq!(
        reason(list(request).await),
        "INVALID_ARGUMENT",
        "a token belongs to its filters"
    );
}
