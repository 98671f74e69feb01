use rbee_artifacts::{ModelEntry, ModelFile, ModelStatus, ModelType, Sha256};
use rbee_store::Ingest;
use tempfile::TempDir;

use super::*;

pub(super) const LIMITS: CatalogLimits = CatalogLimits {
    history: 8,
    watch_queue: 8,
    requests: 4,
};

struct Folder {
    folder: TempDir,
    store: Store,
}

impl Folder {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store").to_str().unwrap())
            .await
            .unwrap();
        Self { folder, store }
    }

    async fn catalog(&self) -> FilesystemCatalog<ModelEntry> {
        FilesystemCatalog::open(self.store.clone(), LIMITS, &Lifecycle::new())
            .await
            .unwrap()
    }

    async fn available(&self, id: &str, content: &str) -> ModelEntry {
        let path = self.folder.path().join("source");
        std::fs::write(&path, content).unwrap();
        let blob = self
            .store
            .put_file(path, Ingest::Copy, None, |_| std::ops::ControlFlow::Continue(()))
            .await
            .unwrap();
        ModelEntry {
            size_bytes: blob.size_bytes,
            status: ModelStatus::Available,
            files: vec![ModelFile {
                name: "model.gguf".parse().unwrap(),
                size_bytes: blob.size_bytes,
                sha256: blob.sha256,
            }],
            ..downloading(id)
        }
    }

    fn document(&self, id: &str) -> std::path::PathBuf {
        let id: rbee_artifacts::ModelId = id.parse().unwrap();
        self.folder
            .path()
            .join("store/models")
            .join(id.storage_key())
            .join("metadata.json")
    }
}

pub(super) fn downloading(id: &str) -> ModelEntry {
    ModelEntry {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        size_bytes: 0,
        status: ModelStatus::Downloading,
        added_at: Timestamp::UNIX_EPOCH,
        model_type: ModelType::Llm {
            architecture: "qwen2".into(),
        },
        quantization: None,
        context_length: None,
        parameter_count: None,
        metadata: Default::default(),
        files: vec![],
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    let entry = folder.available("local:a", "weights").await;
    let created = catalog.create(entry.clone(), String::new()).await.unwrap();
    assert!(created.new);
    assert_ne!(
        created.entry.entry.added_at,
        Timestamp::UNIX_EPOCH,
        "the catalog sets the time"
    );
    catalog
        .create(downloading("local:b"), String::new())
        .await
        .unwrap();
    assert!(catalog.delete("local:b".parse().unwrap()).await.unwrap());
    assert!(!catalog.delete("local:b".parse().unwrap()).await.unwrap());

    // As after `kill -9`: nothing is closed, another one reads the same folder.
    let successor = folder.catalog().await;
    let found = successor.get(&entry.id).unwrap();
    assert_eq!(
        (&found.entry, found.revision),
        (&created.entry.entry, created.entry.revision)
    );
    assert_eq!(successor.after(None, 10).len(), 1);
    let next = successor
        .create(downloading("local:c"), String::new())
        .await
        .unwrap();
    assert!(
        next.entry.revision > catalog.shared.index.read().revision(),
        "revisions never go back"
    );
}

#[tokio::test]
async fn creating_is_idempotent() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    let entry = folder.available("local:a", "weights").await;
    let first = catalog.create(entry.clone(), "request-1".into()).await.unwrap();
    let same_entry = catalog.create(entry.clone(), "request-2".into()).await.unwrap();
    let same_request = catalog.create(entry.clone(), "request-1".into()).await.unwrap();
    assert!(first.new && !same_entry.new && !same_request.new);
    assert_eq!(same_entry.entry.revision, first.entry.revision);

    let other = folder.available("local:a", "other weights").await;
    let refused = catalog
        .create(other.clone(), "request-3".into())
        .await
        .unwrap_err();
    assert!(matches!(refused, CreateError::Exists { .. }), "{refused}");
    let refused = catalog
        .create(other.clone(), "request-1".into())
        .await
        .unwrap_err();
    assert!(matches!(refused, CreateError::RequestIdReused), "{refused}");

    // A repeated request does not bring back what was removed since.
    catalog.delete(entry.id.clone()).await.unwrap();
    catalog.create(entry.clone(), "request-1".into()).await.unwrap();
    assert!(catalog.get(&entry.id).is_none());
}

#[tokio::test]
async fn nothing_enters_whose_bytes_are_not_in_the_store() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    let mut entry = folder.available("local:a", "weights").await;
    entry.files[0].size_bytes += 1;
    let error = catalog.create(entry.clone(), String::new()).await.unwrap_err();
    assert!(
        matches!(&error, CreateError::Blob(field) if field.field == "model.files[0].sha256"),
        "{error}"
    );
    entry.files[0].sha256 = Sha256::digest(b"never stored");
    let error = catalog.create(entry, String::new()).await.unwrap_err();
    assert!(error.to_string().contains("no blob"), "{error}");
    assert!(catalog.after(None, 10).is_empty());
    assert!(!folder.document("local:a").exists());
}

#[tokio::test]
async fn updates_respect_the_revision_that_was_seen() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    let error = catalog.update(downloading("local:a"), None).await.unwrap_err();
    assert!(matches!(error, UpdateError::NotFound));
    let created = catalog
        .create(downloading("local:a"), String::new())
        .await
        .unwrap()
        .entry;
    let entry = folder.available("local:a", "weights").await;
    let updated = catalog
        .update(entry.clone(), Some(created.revision))
        .await
        .unwrap();
    assert_eq!(updated.entry.added_at, created.entry.added_at);
    assert!(updated.revision > created.revision);
    let error = catalog
        .update(downloading("local:a"), Some(created.revision))
        .await
        .unwrap_err();
    assert!(
        matches!(error, UpdateError::Conflict { expected, current } if expected == created.revision && current == updated.revision)
    );
    let again = catalog.update(entry, Some(updated.revision)).await.unwrap();
    assert_eq!(
        again.revision, updated.revision,
        "an update that changes nothing is no change"
    );
}

#[tokio::test]
async fn damaged_and_newer_documents_are_set_aside_and_the_rest_works() {
    let folder = Folder::new().await;
    {
        let catalog = folder.catalog().await;
        for id in [
            "local:good",
            "local:damaged",
            "local:newer",
            "local:moved",
            "local:absurd",
        ] {
            catalog.create(downloading(id), String::new()).await.unwrap();
        }
    }
    std::fs::write(
        folder.document("local:damaged"),
        b"{ \"schema_version\": 1, \"id\":",
    )
    .unwrap();
    let newer = std::fs::read_to_string(folder.document("local:newer"))
        .unwrap()
        .replace("\"schema_version\": 1", "\"schema_version\": 2");
    std::fs::write(folder.document("local:newer"), &newer).unwrap();
    let mut absurd: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.document("local:absurd")).unwrap()).unwrap();
    absurd["revision"] = u64::MAX.into();
    std::fs::write(folder.document("local:absurd"), absurd.to_string()).unwrap();
    std::fs::copy(folder.document("local:good"), folder.document("local:moved")).unwrap();

    let catalog = folder.catalog().await;
    let ids: Vec<_> = catalog
        .after(None, 10)
        .iter()
        .map(|entry| entry.entry.id.to_string())
        .collect();
    assert_eq!(ids, ["local:good"]);
    // The newer one keeps its place, for the version that wrote it.
    let error = catalog
        .create(downloading("local:newer"), String::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, CreateError::Write(WriteError::SetAside { .. })),
        "{error}"
    );
    assert!(catalog.delete("local:newer".parse().unwrap()).await.is_err());
    assert_eq!(
        std::fs::read_to_string(folder.document("local:newer")).unwrap(),
        newer
    );
    // The others lie beside their places, which are free.
    for id in ["local:damaged", "local:moved", "local:absurd"] {
        let kept = folder.document(id).with_file_name("metadata.json.damaged");
        let content = std::fs::read(&kept).unwrap();
        assert!(!folder.document(id).exists());
        assert!(catalog.create(downloading(id), String::new()).await.unwrap().new);
        assert!(catalog.delete(id.parse().unwrap()).await.unwrap());
        assert_eq!(std::fs::read(&kept).unwrap(), content, "nothing is lost");
    }
    // Once more, and what was set aside before is still there.
    catalog
        .create(downloading("local:damaged"), String::new())
        .await
        .unwrap();
    std::fs::write(folder.document("local:damaged"), b"").unwrap();
    let again = folder.catalog().await;
    assert!(again.get(&"local:damaged".parse().unwrap()).is_none());
    let beside = |name| folder.document("local:damaged").with_file_name(name).exists();
    assert!(beside("metadata.json.damaged") && beside("metadata.json.damaged-2"));
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_part_document_and_index() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    {
        let mut create = std::pin::pin!(catalog.create(downloading("local:a"), String::new()));
        // Polled once, so that it begins, and dropped.
        assert!(futures_util::poll!(&mut create).is_pending());
    }
    // The next write waits its turn behind the first.
    catalog
        .create(downloading("local:b"), String::new())
        .await
        .unwrap();
    let seen = catalog.after(None, 10).len();
    assert_eq!(seen, 2);
    assert_eq!(folder.catalog().await.after(None, 10).len(), seen);
}

#[tokio::test]
async fn a_watch_gets_everything_once_and_in_order() {
    let folder = Folder::new().await;
    let catalog = folder.catalog().await;
    catalog
        .create(downloading("local:a"), String::new())
        .await
        .unwrap();
    let mut watch = catalog.watch(None);
    assert!(watch.reset && watch.first.len() == 1);
    catalog
        .create(downloading("local:b"), String::new())
        .await
        .unwrap();
    catalog.delete("local:a".parse().unwrap()).await.unwrap();
    let (second, change) = watch.changes.recv().await.unwrap();
    assert!(matches!(change, Change::Upserted(entry) if entry.revision == second));
    let (third, change) = watch.changes.recv().await.unwrap();
    assert!(matches!(change, Change::Deleted(id) if id.as_str() == "local:a"));
    assert!(watch.revision < second && second < third);

    let resumed = catalog.watch(Some(second));
    assert!(!resumed.reset && resumed.first.len() == 1 && resumed.revision == third);
    assert!(catalog.watch(Some(third)).first.is_empty());
    assert!(
        catalog.watch(Some(third + 1)).reset,
        "a revision of another catalog"
    );
    assert!(
        folder.catalog().await.watch(Some(third)).reset,
        "a revision of an earlier life"
    );
}
