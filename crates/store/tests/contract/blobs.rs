//! What holds of blobs.

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use rbee_artifacts::Sha256;
use rbee_store::{BlobCheck, BlobState, Ingest, PutFileError};

use crate::fixture::{Fixture, go_on, varied};

pub(crate) async fn a_file_becomes_a_blob(fixture: Fixture) {
    let path = fixture.source(b"weights");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let seen = Arc::clone(&seen);
        move |done| {
            seen.lock().unwrap().push(done);
            ControlFlow::Continue(())
        }
    };
    let blob = fixture
        .store
        .put_file(&path, Ingest::Copy, None, progress)
        .await
        .unwrap();
    let sha256 = Sha256::digest(b"weights");
    assert_eq!((blob.sha256, blob.size_bytes, blob.existed), (sha256, 7, false));
    assert_eq!(fixture.read(&sha256).await.unwrap(), b"weights");
    assert_eq!(
        fixture.store.blob_state(&sha256).await.unwrap(),
        BlobState::Stored { size_bytes: 7 }
    );
    assert_eq!(fs::read(&path).unwrap(), b"weights", "a copy leaves the source");
    let seen = seen.lock().unwrap();
    assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&7)));
    assert!(seen.is_sorted(), "{seen:?}");
}

pub(crate) async fn the_same_bytes_are_stored_once(fixture: Fixture) {
    let path = fixture.source(b"weights");
    assert!(!fixture.put(&path, Ingest::Copy).await.unwrap().existed);
    assert!(fixture.put(&path, Ingest::HardLinkOrCopy).await.unwrap().existed);
    assert!(fixture.put(&path, Ingest::Move).await.unwrap().existed);
    assert!(!path.exists(), "moving removes the source all the same");
    assert_eq!(fixture.store.list_blobs().await.unwrap().len(), 1);
}

pub(crate) async fn large_files_come_back_as_they_were(fixture: Fixture) {
    // Around the size of a part, and several parts with a rest.
    for size in [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (35 << 20) + 7] {
        let content = varied(size);
        let blob = fixture
            .put(&fixture.source(&content), Ingest::Move)
            .await
            .unwrap();
        assert_eq!(blob.size_bytes, size as u64);
        assert_eq!(blob.sha256, Sha256::digest(&content));
        assert!(
            fixture.read(&blob.sha256).await.unwrap() == content,
            "{size} bytes came back otherwise"
        );
    }
}

pub(crate) async fn the_wrong_digest_leaves_nothing(fixture: Fixture) {
    let path = fixture.source(&varied(20 << 20));
    let expected = Sha256::digest(b"others");
    for ingest in [Ingest::Copy, Ingest::Move] {
        let error = fixture
            .store
            .put_file(&path, ingest, Some(expected), go_on)
            .await
            .unwrap_err();
        assert!(matches!(error, PutFileError::DigestMismatch { .. }), "{error:?}");
    }
    assert!(path.exists() && fixture.has_no_blobs().await);
}

pub(crate) async fn a_source_that_changes_leaves_nothing(fixture: Fixture) {
    let content = varied(40 << 20);
    let path = fixture.source(&content);
    let grown = path.clone();
    let mut is_grown = false;
    let progress = move |done| {
        if done > 0 && !is_grown {
            use std::io::Write as _;
            is_grown = true;
            let mut file = fs::OpenOptions::new().append(true).open(&grown).unwrap();
            file.write_all(b"more").unwrap();
        }
        ControlFlow::Continue(())
    };
    let error = fixture
        .store
        .put_file(&path, Ingest::Copy, None, progress)
        .await
        .unwrap_err();
    assert!(matches!(error, PutFileError::SourceChanged { .. }), "{error:?}");
    assert!(fixture.has_no_blobs().await);
}

pub(crate) async fn cancelling_leaves_nothing(fixture: Fixture) {
    let path = fixture.source(&varied(40 << 20));
    let progress = |done| match done {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    for ingest in [Ingest::Copy, Ingest::Move] {
        let error = fixture
            .store
            .put_file(&path, ingest, None, progress)
            .await
            .unwrap_err();
        assert!(matches!(error, PutFileError::Cancelled { .. }), "{error:?}");
    }
    assert!(path.exists() && fixture.has_no_blobs().await);
}

pub(crate) async fn what_is_no_file_is_told(fixture: Fixture) {
    let error = fixture
        .put(fixture.folder.path(), Ingest::Copy)
        .await
        .unwrap_err();
    assert!(matches!(error, PutFileError::NotAFile { .. }), "{error:?}");
    let nowhere = fixture.folder.path().join("nowhere");
    let error = fixture.put(&nowhere, Ingest::Copy).await.unwrap_err();
    assert!(matches!(error, PutFileError::ReadSource { .. }), "{error:?}");
    let sha256 = Sha256::digest(b"");
    let error = fixture
        .store
        .put_verified(&nowhere, sha256, 0, go_on)
        .await
        .unwrap_err();
    assert!(matches!(error, PutFileError::ReadSource { .. }), "{error:?}");
}

pub(crate) async fn a_moved_file_is_gone_and_safe(fixture: Fixture) {
    let path = fixture.source(b"weights");
    let blob = fixture.put(&path, Ingest::Move).await.unwrap();
    assert!(!path.exists());
    assert_eq!(fixture.read(&blob.sha256).await.unwrap(), b"weights");
}

pub(crate) async fn a_verified_file_is_taken_and_gone(fixture: Fixture) {
    let content = varied(17 << 20);
    let (sha256, size_bytes) = (Sha256::digest(&content), content.len() as u64);
    for existed in [false, true] {
        let path = fixture.source(&content);
        let stored = fixture
            .store
            .put_verified(&path, sha256, size_bytes, go_on)
            .await
            .unwrap();
        assert_eq!((stored.sha256, stored.existed), (sha256, existed));
        assert!(!path.exists());
    }
    assert!(fixture.read(&sha256).await.unwrap() == content);
}

pub(crate) async fn a_verified_file_of_another_size_is_refused(fixture: Fixture) {
    let path = fixture.source(b"weights");
    let sha256 = Sha256::digest(b"weights");
    let error = fixture
        .store
        .put_verified(&path, sha256, 8, go_on)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            PutFileError::SizeMismatch {
                expected_bytes: 8,
                found_bytes: 7,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(path.exists() && fixture.has_no_blobs().await);
}

pub(crate) async fn many_at_once_end_in_one_blob(fixture: Fixture) {
    let path = fixture.source(&varied(3 << 20));
    let puts = (0..8).map(|_| fixture.put(&path, Ingest::Copy));
    let results = futures_util::future::join_all(puts).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(fixture.store.list_blobs().await.unwrap().len(), 1);
}

pub(crate) async fn a_deleted_blob_is_gone(fixture: Fixture) {
    let path = fixture.source(b"weights");
    let sha256 = fixture.put(&path, Ingest::Copy).await.unwrap().sha256;
    assert!(fixture.store.delete_blob(&sha256).await.unwrap());
    assert!(!fixture.store.delete_blob(&sha256).await.unwrap());
    assert!(fixture.read(&sha256).await.is_none() && fixture.has_no_blobs().await);
}

pub(crate) async fn blobs_are_listed(fixture: Fixture) {
    let mut expected = Vec::new();
    for number in 0..20_u8 {
        let content = vec![number; usize::from(number)];
        let blob = fixture
            .put(&fixture.source(&content), Ingest::Copy)
            .await
            .unwrap();
        expected.push((blob.sha256, blob.size_bytes, false));
    }
    expected.sort_unstable();
    fixture.store.put_document("models", "a", "{}").await.unwrap();
    let listed = fixture.store.list_blobs().await.unwrap();
    let found: Vec<_> = listed
        .iter()
        .map(|blob| (blob.sha256, blob.size_bytes, blob.in_place))
        .collect();
    assert_eq!(found, expected);
    for blob in listed {
        let age = blob.modified.elapsed().unwrap_or_default();
        assert!(age.as_secs() < 600, "{age:?}");
    }
}

pub(crate) async fn good_and_missing_blobs_are_told_apart(fixture: Fixture) {
    let path = fixture.source(&varied(9 << 20));
    let blob = fixture.put(&path, Ingest::Copy).await.unwrap();
    let check = fixture.store.verify_blob(&blob.sha256, go_on).await.unwrap();
    let size_bytes = 9 << 20;
    assert_eq!(check, BlobCheck::Good { size_bytes });
    let missing = Sha256::digest(b"never stored");
    let check = fixture.store.verify_blob(&missing, go_on).await.unwrap();
    assert_eq!(check, BlobCheck::Missing);
    assert_eq!(
        fixture.store.blob_state(&missing).await.unwrap(),
        BlobState::Missing
    );
    let stop = |_| ControlFlow::Break(());
    let stopped = fixture.store.verify_blob(&blob.sha256, stop).await;
    assert!(matches!(stopped, Err(rbee_store::StoreError::Cancelled { .. })));
}

pub(crate) async fn a_blob_set_aside_makes_room(fixture: Fixture) {
    let path = fixture.source(b"weights");
    let sha256 = fixture.put(&path, Ingest::Copy).await.unwrap().sha256;
    for _ in 0..2 {
        assert!(fixture.store.set_blob_aside(&sha256).await.unwrap());
        assert!(fixture.has_no_blobs().await);
        assert!(!fixture.put(&path, Ingest::Copy).await.unwrap().existed);
    }
    let missing = Sha256::digest(b"never stored");
    assert!(!fixture.store.set_blob_aside(&missing).await.unwrap());
}
