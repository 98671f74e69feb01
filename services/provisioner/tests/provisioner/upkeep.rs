//! Verification and garbage.

use std::path::PathBuf;
use std::time::Duration;

use rbee_proto::catalog::v1::DeleteModelRequest;
use rbee_proto::provisioner::v1::{
    CollectGarbageRequest, CollectGarbageResponse, FileProblemKind, ImportMode, JobState, Verification,
    VerifyModelsRequest, job,
};
use rbee_proto::types::v1::{Model, ModelState};

use crate::running::{DEADLINE, Running, brought, fixture, reason};

async fn import(running: &Running, name: &str, source: &str) -> Model {
    let source = fixture(source);
    brought(
        running
            .import_to_end(&source, name, ImportMode::Copy)
            .await
            .last()
            .unwrap(),
    )
}

async fn verify(running: &Running, ids: &[&str]) -> Verification {
    let request = VerifyModelsRequest {
        model_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let mut stream = running
        .client()
        .verify_models(request)
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
    match last.unwrap() {
        job if job.state() == JobState::Succeeded => match job.result {
            Some(job::Result::Verification(found)) => found,
            other => panic!("{other:?}"),
        },
        job => panic!("{job:?}"),
    }
}

fn blob(running: &Running, model: &Model) -> PathBuf {
    let sha256 = &model.files[0].sha256;
    running
        .folder
        .path()
        .join("store/blobs/sha256")
        .join(&sha256[..2])
        .join(sha256)
}

#[tokio::test]
async fn damaged_and_missing_files_are_found_marked_and_healed() {
    let running = Running::start().await;
    let sound = import(&running, "sound", "ok/plain.gguf").await;
    let damaged = import(&running, "damaged", "ok/tied.gguf").await;
    let missing = import(&running, "missing", "ok/version-2.gguf").await;
    let found = verify(&running, &[]).await;
    assert_eq!(
        (found.model_count, found.file_count, found.problems.len()),
        (3, 3, 0)
    );
    let all = sound.size_bytes + damaged.size_bytes + missing.size_bytes;
    assert_eq!(found.size_bytes, all);

    let path = blob(&running, &damaged);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_file(blob(&running, &missing)).unwrap();
    let found = verify(&running, &[]).await;
    let problems: Vec<_> = found
        .problems
        .iter()
        .map(|problem| (problem.model_id.as_str(), problem.kind()))
        .collect();
    assert_eq!(
        problems,
        [
            ("local:damaged", FileProblemKind::Damaged),
            ("local:missing", FileProblemKind::Missing)
        ]
    );
    for id in ["local:damaged", "local:missing"] {
        let model = running.model(id).await.unwrap();
        assert_eq!(model.state(), ModelState::Failed);
        assert!(model.failure.contains(".gguf"), "{}", model.failure);
    }
    assert_eq!(
        running.model("local:sound").await.unwrap().state(),
        ModelState::Available
    );
    assert!(!path.exists(), "a damaged blob is set aside");

    // Brought in again, they are whole, and said to be.
    for (id, source) in [("again", "ok/tied.gguf"), ("anew", "ok/version-2.gguf")] {
        import(&running, id, source).await;
    }
    let found = verify(&running, &["local:damaged", "local:missing"]).await;
    assert_eq!((found.model_count, found.problems.len()), (2, 0));
    assert_eq!(
        running.model("local:damaged").await.unwrap().state(),
        ModelState::Available
    );

    let request = |id: &str| VerifyModelsRequest {
        model_ids: vec![id.to_owned()],
    };
    assert_eq!(
        reason(running.client().verify_models(request("local:none")).await),
        "MODEL_NOT_FOUND"
    );
    assert_eq!(
        reason(running.client().verify_models(request("?")).await),
        "INVALID_MODEL_ID"
    );
}

async fn collect(running: &Running, dry_run: bool, minimum_age: Option<Duration>) -> CollectGarbageResponse {
    let request = CollectGarbageRequest {
        dry_run,
        minimum_age: minimum_age.map(|age| age.try_into().unwrap()),
    };
    running
        .client()
        .collect_garbage(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn what_nothing_refers_to_goes() {
    let running = Running::start().await;
    let kept = import(&running, "kept", "ok/plain.gguf").await;
    let gone = import(&running, "gone", "ok/tied.gguf").await;
    let nothing = CollectGarbageResponse::default();
    assert_eq!(collect(&running, false, Some(Duration::ZERO)).await, nothing);
    let request = DeleteModelRequest {
        id: "local:gone".into(),
    };
    running.models().delete_model(request).await.unwrap();
    let parts = running.folder.path().join("work/parts/huggingface-forgotten");
    std::fs::create_dir_all(&parts).unwrap();
    std::fs::write(parts.join("x.part"), [0; 100]).unwrap();

    assert_eq!(collect(&running, false, None).await, nothing, "it is too young");
    let expected = CollectGarbageResponse {
        blob_count: 1,
        blob_bytes: gone.size_bytes,
        part_count: 1,
        part_bytes: 100,
    };
    assert_eq!(collect(&running, true, Some(Duration::ZERO)).await, expected);
    assert!(
        blob(&running, &gone).exists() && parts.exists(),
        "asking removes nothing"
    );
    assert_eq!(collect(&running, false, Some(Duration::ZERO)).await, expected);
    assert!(!blob(&running, &gone).exists() && !parts.exists());
    assert!(blob(&running, &kept).exists());
    assert_eq!(collect(&running, false, Some(Duration::ZERO)).await, nothing);
    let found = verify(&running, &[]).await;
    assert_eq!((found.model_count, found.problems.len()), (1, 0));
}
