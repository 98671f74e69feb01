//! The store as its users see it, on a real file system.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::TryStreamExt;
use rbee_artifacts::Sha256;
use rbee_store::{Ingest, PutFileError, Store, StoreError};
use tempfile::TempDir;

struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("store").display().to_string())
            .await
            .expect("a store");
        Self { folder, store }
    }

    fn source(&self, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("source.gguf");
        fs::write(&path, content).expect("a source");
        path
    }

    async fn put(&self, path: &Path, ingest: Ingest) -> Result<rbee_store::StoredBlob, PutFileError> {
        self.store
            .put_file(path, ingest, None, |_| ControlFlow::Continue(()))
            .await
    }

    async fn read(&self, sha256: &Sha256) -> Option<Vec<u8>> {
        let stream = self.store.read_blob(sha256).await.expect("a readable store")?;
        let pieces: Vec<_> = stream.try_collect().await.expect("a readable blob");
        Some(pieces.concat())
    }

    /// All files of the store but locks, by their paths in it.
    fn files(&self) -> Vec<String> {
        let root = self.folder.path().join("store");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a readable folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "lock") {
                    found.push(
                        path.strip_prefix(&root)
                            .expect("below the root")
                            .display()
                            .to_string(),
                    );
                }
            }
        }
        found.sort();
        found
    }
}

#[tokio::test]
async fn a_copied_file_is_a_blob_and_stays_where_it_was() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    let mut seen = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let blob = fixture
        .store
        .put_file(
            &path,
            Ingest::Copy,
            Some(Sha256::digest(b"weights")),
            move |done| {
                sender.send(done).expect("somebody listens");
                ControlFlow::Continue(())
            },
        )
        .await
        .unwrap();
    seen.extend(receiver);
    assert_eq!(seen, [0, 7]);
    assert_eq!(
        (blob.sha256, blob.size_bytes, blob.existed),
        (Sha256::digest(b"weights"), 7, false)
    );
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
    assert_eq!(
        fixture.store.blob_size_bytes(&blob.sha256).await.unwrap(),
        Some(7)
    );
    let local = fixture.store.local_path(&blob.sha256).unwrap();
    assert_eq!(fs::read(&local).unwrap(), b"weights");
    assert!(fs::metadata(&local).unwrap().permissions().readonly());
    let digest = blob.sha256.to_string();
    assert_eq!(
        fixture.files(),
        [format!("blobs/sha256/{}/{digest}", &digest[..2])]
    );

    // The copy is its own.
    fs::write(&path, b"changed").unwrap();
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
}

#[tokio::test]
async fn the_same_bytes_are_stored_once() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    assert!(!fixture.put(&path, Ingest::Copy).await.unwrap().existed);
    for ingest in [Ingest::Copy, Ingest::HardLink, Ingest::Move] {
        assert!(fixture.put(&path, ingest).await.unwrap().existed);
    }
    assert_eq!(fixture.files().len(), 1);
    assert!(
        !path.exists(),
        "moving removes the source even where the blob was there"
    );
}

#[tokio::test]
async fn many_at_once_end_in_one_blob() {
    let fixture = Fixture::new().await;
    let path = fixture.source(&vec![7; 3 << 20]);
    let results = futures_util::future::join_all((0..8).map(|_| fixture.put(&path, Ingest::Copy))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(fixture.files().len(), 1);
}

#[tokio::test]
async fn an_empty_file_is_a_blob_too() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"");
    let blob = fixture.put(&path, Ingest::Copy).await.unwrap();
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"");
}

#[cfg(unix)]
#[tokio::test]
async fn a_hard_link_takes_no_space() {
    use std::os::unix::fs::MetadataExt;

    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    let link = fixture.folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let blob = fixture.put(&link, Ingest::HardLink).await.unwrap();
    let local = fixture.store.local_path(&blob.sha256).unwrap();
    assert_eq!(
        fs::symlink_metadata(&local).unwrap().ino(),
        fs::metadata(&path).unwrap().ino()
    );
    // The user's file is as it was.
    assert!(!fs::metadata(&path).unwrap().permissions().readonly());
    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn from_another_file_system_links_fail_and_copies_do_not() {
    use std::os::unix::fs::MetadataExt;

    let fixture = Fixture::new().await;
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = elsewhere.path().join("source");
    fs::write(&path, b"weights").unwrap();
    assert_ne!(
        fs::metadata(&path).unwrap().dev(),
        fs::metadata(fixture.folder.path()).unwrap().dev(),
        "this test needs /dev/shm to be another file system than the temporary folder"
    );
    let error = fixture.put(&path, Ingest::HardLink).await.unwrap_err();
    assert!(matches!(error, PutFileError::HardLink { .. }), "{error:?}");
    assert!(fixture.files().is_empty());
    let blob = fixture.put(&path, Ingest::HardLinkOrCopy).await.unwrap();
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
    assert!(fixture.put(&path, Ingest::Move).await.unwrap().existed);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_moved_file_is_gone_and_safe() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    let wrong = Sha256::digest(b"others");
    let refused = fixture
        .store
        .put_file(&path, Ingest::Move, Some(wrong), |_| ControlFlow::Continue(()))
        .await;
    assert!(matches!(refused, Err(PutFileError::DigestMismatch { .. })));
    assert!(path.exists(), "what was refused is not lost");

    let blob = fixture.put(&path, Ingest::Move).await.unwrap();
    assert!(!path.exists());
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
    let local = fixture.store.local_path(&blob.sha256).unwrap();
    assert!(fs::metadata(local).unwrap().permissions().readonly());
}

#[tokio::test]
async fn the_wrong_bytes_leave_nothing() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    for ingest in [
        Ingest::Copy,
        Ingest::HardLink,
        Ingest::HardLinkOrCopy,
        Ingest::Move,
    ] {
        let expected = Sha256::digest(b"others");
        let error = fixture
            .store
            .put_file(&path, ingest, Some(expected), |_| ControlFlow::Continue(()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&expected.to_string()), "{error}");
        assert!(fixture.files().is_empty(), "{ingest:?}");
        assert!(
            !fixture
                .store
                .blob_exists(&Sha256::digest(b"weights"))
                .await
                .unwrap()
        );
    }
    assert_eq!(fs::read(&path).unwrap(), b"weights");
}

#[tokio::test]
async fn what_is_no_file_is_told() {
    let fixture = Fixture::new().await;
    for ingest in [
        Ingest::Copy,
        Ingest::HardLink,
        Ingest::HardLinkOrCopy,
        Ingest::Move,
    ] {
        let error = fixture.put(fixture.folder.path(), ingest).await.unwrap_err();
        assert!(
            matches!(error, PutFileError::NotAFile { .. }),
            "{ingest:?}: {error:?}"
        );
        let error = fixture
            .put(&fixture.folder.path().join("nowhere"), ingest)
            .await
            .unwrap_err();
        assert!(
            matches!(error, PutFileError::ReadSource { .. }),
            "{ingest:?}: {error:?}"
        );
    }
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn cancelling_leaves_nothing() {
    let fixture = Fixture::new().await;
    let path = fixture.source(&vec![1; 5 << 20]);
    for ingest in [Ingest::Copy, Ingest::HardLink, Ingest::Move] {
        let error = fixture
            .store
            .put_file(&path, ingest, None, |done| {
                if done >= 2 << 20 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .await
            .unwrap_err();
        assert!(matches!(error, PutFileError::Cancelled { .. }), "{error:?}");
        assert!(fixture.files().is_empty());
        assert!(path.exists());
    }
}

#[tokio::test]
async fn dropping_the_future_stops_the_work() {
    let fixture = Fixture::new().await;
    let path = fixture.source(&vec![1; 5 << 20]);
    let (started, wait_for_start) = std::sync::mpsc::channel();
    let (go_on, wait_for_drop) = std::sync::mpsc::channel::<()>();
    let (ended, wait_for_end) = tokio::sync::oneshot::channel::<()>();
    let calls = Arc::new(AtomicU32::new(0));
    let progress = {
        let calls = Arc::clone(&calls);
        move |_| {
            let _dropped_with_the_work = &ended;
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                started.send(()).expect("somebody waits");
                wait_for_drop.recv().expect("a word to go on");
            }
            ControlFlow::Continue(())
        }
    };
    let store = fixture.store.clone();
    let task = tokio::spawn(async move { store.put_file(path, Ingest::Copy, None, progress).await });
    tokio::task::spawn_blocking(move || wait_for_start.recv())
        .await
        .unwrap()
        .unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    // The sender goes when the work has ended.
    assert!(wait_for_end.await.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 1, "the work went on");
    assert!(
        !fixture
            .store
            .blob_exists(&Sha256::digest(&vec![1; 5 << 20]))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_source_that_changes_is_refused() {
    let fixture = Fixture::new().await;
    let path = fixture.source(&vec![1; 2 << 20]);
    for ingest in [Ingest::Copy, Ingest::HardLink] {
        let grown = path.clone();
        let error = fixture
            .store
            .put_file(&path, ingest, None, move |done| {
                if done == 1 << 20 {
                    use std::io::Write;
                    let mut file = fs::OpenOptions::new().append(true).open(&grown).unwrap();
                    file.write_all(b"more").unwrap();
                }
                ControlFlow::Continue(())
            })
            .await
            .unwrap_err();
        assert!(matches!(error, PutFileError::SourceChanged { .. }), "{error:?}");
        assert!(fixture.files().is_empty());
    }
}

#[tokio::test]
async fn a_blob_that_the_disk_cut_short_is_replaced() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"weights");
    let blob = fixture.put(&path, Ingest::Copy).await.unwrap();
    let local = fixture.store.local_path(&blob.sha256).unwrap();
    fs::remove_file(&local).unwrap();
    fs::write(&local, b"wei").unwrap();
    assert!(!fixture.put(&path, Ingest::Copy).await.unwrap().existed);
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_copied() {
    let fixture = Fixture::new().await;
    let path = fixture.source(b"");
    // A hole: it takes no space where it is.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(15 << 40)
        .unwrap();
    let error = fixture.put(&path, Ingest::Copy).await.unwrap_err();
    let PutFileError::Store(StoreError::NoSpace {
        needed_and_available: Some((needed, available)),
        ..
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(needed, 15 << 40);
    assert!(available < needed);
    assert!(fixture.store.available_bytes().await.unwrap().is_some());
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn a_deleted_blob_is_gone() {
    let fixture = Fixture::new().await;
    let blob = fixture
        .put(&fixture.source(b"weights"), Ingest::Copy)
        .await
        .unwrap();
    assert!(fixture.store.delete_blob(&blob.sha256).await.unwrap());
    assert!(!fixture.store.delete_blob(&blob.sha256).await.unwrap());
    assert!(fixture.read(&blob.sha256).await.is_none());
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn documents_are_written_read_listed_and_removed() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    assert!(store.list_documents("models").await.unwrap().is_empty());
    assert_eq!(store.get_document("models", "a").await.unwrap(), None);

    store.put_document("models", "b", "{}").await.unwrap();
    store.put_document("models", "a", "1").await.unwrap();
    store.put_document("models", "a", "2").await.unwrap();
    store
        .put_document("worker-binaries", "cpu-llm-0.1.0", "3")
        .await
        .unwrap();
    assert_eq!(store.list_documents("models").await.unwrap(), ["a", "b"]);
    assert_eq!(
        store.list_documents("worker-binaries").await.unwrap(),
        ["cpu-llm-0.1.0"]
    );
    assert_eq!(store.get_document("models", "a").await.unwrap().unwrap(), "2");
    assert_eq!(
        fixture.files(),
        [
            "models/a/metadata.json",
            "models/b/metadata.json",
            "worker-binaries/cpu-llm-0.1.0/metadata.json"
        ]
    );

    assert!(store.delete_document("models", "a").await.unwrap());
    assert!(!store.delete_document("models", "a").await.unwrap());
    assert_eq!(store.list_documents("models").await.unwrap(), ["b"]);
    assert!(
        !fixture.folder.path().join("store/models/a").exists(),
        "no empty folder stays"
    );
}

#[tokio::test]
async fn strangers_among_the_documents_are_passed_over() {
    let fixture = Fixture::new().await;
    fixture.store.put_document("models", "a", "1").await.unwrap();
    let models = fixture.folder.path().join("store/models");
    fs::create_dir_all(models.join("empty")).unwrap();
    fs::create_dir_all(models.join("UPPER")).unwrap();
    fs::write(models.join("UPPER/metadata.json"), "x").unwrap();
    fs::write(models.join("metadata.json"), "x").unwrap();
    fs::write(models.join("a/notes.txt"), "x").unwrap();
    assert_eq!(fixture.store.list_documents("models").await.unwrap(), ["a"]);
}

#[tokio::test]
async fn keys_that_are_no_names_are_refused() {
    let fixture = Fixture::new().await;
    for key in [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "A",
        "a b",
        "a#1",
        "ä",
        "-a",
        &"a".repeat(201),
    ] {
        for (collection, key) in [(key, "a"), ("models", key)] {
            let error = fixture
                .store
                .put_document(collection, key, "x")
                .await
                .unwrap_err();
            assert!(matches!(error, StoreError::Key { .. }), "{error:?}");
            assert!(fixture.store.get_document(collection, key).await.is_err());
            assert!(fixture.store.delete_document(collection, key).await.is_err());
        }
    }
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn writers_and_removers_of_one_document_do_not_disturb_each_other() {
    let fixture = Fixture::new().await;
    let tasks = (0..40).map(|number| {
        let store = fixture.store.clone();
        tokio::spawn(async move {
            if number % 4 == 0 {
                store.delete_document("models", "a").await.map(|_| ())
            } else {
                store.put_document("models", "a", format!("{number}")).await
            }
        })
    });
    for result in futures_util::future::join_all(tasks).await {
        result.unwrap().unwrap();
    }
    fixture.store.put_document("models", "a", "last").await.unwrap();
    assert_eq!(
        fixture.store.get_document("models", "a").await.unwrap().unwrap(),
        "last"
    );
    assert_eq!(fixture.files(), ["models/a/metadata.json"]);
}

#[tokio::test]
async fn a_store_is_found_again_under_its_url() {
    let fixture = Fixture::new().await;
    fixture.store.put_document("models", "a", "1").await.unwrap();
    assert!(fixture.store.url().starts_with("file:///"));
    let again = Store::open(fixture.store.url()).await.unwrap();
    assert_eq!(again.get_document("models", "a").await.unwrap().unwrap(), "1");
    assert_eq!(again.url(), fixture.store.url());
    let error = Store::open("gopher://x/y").await.unwrap_err();
    assert!(error.to_string().contains("gopher"), "{error}");
}

#[cfg(unix)]
mod in_place {
    use rbee_store::{BlobCheck, BlobState, InPlaceChange};

    use super::*;

    fn go_on(_: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[tokio::test]
    async fn a_users_file_is_used_where_it_is_and_never_removed() {
        let fixture = Fixture::new().await;
        let path = fixture.source(b"weights");
        let link = fixture.folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let blob = fixture.put(&link, Ingest::InPlace).await.unwrap();
        assert!(!blob.existed);
        // The link that was named may go.
        fs::remove_file(&link).unwrap();
        assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
        let state = fixture.store.blob_state(&blob.sha256).await.unwrap();
        let real = fs::canonicalize(&path).unwrap();
        assert_eq!(
            state,
            BlobState::InPlace {
                size_bytes: 7,
                path: real
            }
        );
        let listed = fixture.store.list_blobs().await.unwrap();
        assert!(listed.len() == 1 && listed[0].in_place && listed[0].size_bytes == 7);
        assert!(!fs::metadata(&path).unwrap().permissions().readonly());
        assert!(fixture.put(&path, Ingest::InPlace).await.unwrap().existed);

        assert!(fixture.store.delete_blob(&blob.sha256).await.unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"weights");
        assert!(fixture.files().is_empty(), "no note is left");
    }

    #[tokio::test]
    async fn a_file_that_was_changed_or_removed_is_noticed() {
        let fixture = Fixture::new().await;
        let path = fixture.source(b"weights");
        let sha256 = fixture.put(&path, Ingest::InPlace).await.unwrap().sha256;
        let real = fs::canonicalize(&path).unwrap();
        let changed = |change| BlobState::Changed {
            path: real.clone(),
            change,
        };

        // Touched: noticed, and forgiven once its bytes are known to be the same.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let state = fixture.store.blob_state(&sha256).await.unwrap();
        assert_eq!(state, changed(InPlaceChange::Modified));
        assert_eq!(fixture.store.blob_size_bytes(&sha256).await.unwrap(), None);
        let check = fixture.store.verify_blob(&sha256, go_on).await.unwrap();
        assert_eq!(check, BlobCheck::Good { size_bytes: 7 });
        assert_eq!(fixture.store.blob_size_bytes(&sha256).await.unwrap(), Some(7));

        // Changed, in size or not.
        for content in [b"wEights".as_slice(), b"other weights"] {
            fs::write(&path, content).unwrap();
            assert_eq!(
                fixture.store.verify_blob(&sha256, go_on).await.unwrap(),
                BlobCheck::Changed {
                    path: real.clone(),
                    change: InPlaceChange::Modified
                }
            );
            let refused = fixture.store.read_blob(&sha256).await.err().unwrap();
            assert!(refused.to_string().contains("bring it in again"), "{refused}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(
            fixture.store.blob_state(&sha256).await.unwrap(),
            changed(InPlaceChange::Gone)
        );
        let check = fixture.store.verify_blob(&sha256, go_on).await.unwrap();
        assert_eq!(
            check,
            BlobCheck::Changed {
                path: real.clone(),
                change: InPlaceChange::Gone
            }
        );

        // Brought in again, it is as good as ever.
        fs::write(&path, b"weights").unwrap();
        assert!(!fixture.put(&path, Ingest::InPlace).await.unwrap().existed);
        assert_eq!(fixture.read(&sha256).await.unwrap(), b"weights");
    }

    #[tokio::test]
    async fn a_blob_of_the_stores_own_takes_the_place_of_a_users_file() {
        let fixture = Fixture::new().await;
        let path = fixture.source(b"weights");
        let sha256 = fixture.put(&path, Ingest::InPlace).await.unwrap().sha256;
        // Moving the very file that the blob is would lose it.
        assert!(!fixture.put(&path, Ingest::Move).await.unwrap().existed);
        assert!(!path.exists());
        let state = fixture.store.blob_state(&sha256).await.unwrap();
        assert_eq!(state, BlobState::Stored { size_bytes: 7 });
        assert_eq!(fixture.read(&sha256).await.unwrap(), b"weights");
        assert_eq!(fixture.files().len(), 1, "the note is gone");
    }

    #[tokio::test]
    async fn a_blob_cannot_be_moved_or_linked_into_its_own_place() {
        let fixture = Fixture::new().await;
        let path = fixture.source(b"weights");
        let sha256 = fixture.put(&path, Ingest::Copy).await.unwrap().sha256;
        let blob = fixture.store.local_path(&sha256).unwrap();
        for ingest in [Ingest::InPlace, Ingest::Move] {
            let error = fixture.put(&blob, ingest).await.unwrap_err();
            assert!(matches!(error, PutFileError::IsBlob { .. }), "{error:?}");
        }
        let error = fixture
            .store
            .put_verified(&blob, sha256, 7, go_on)
            .await
            .unwrap_err();
        assert!(matches!(error, PutFileError::IsBlob { .. }), "{error:?}");
        assert_eq!(fixture.read(&sha256).await.unwrap(), b"weights");
    }
}
