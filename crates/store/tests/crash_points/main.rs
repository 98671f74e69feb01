//! The world stops before each step that the store makes on its disk, one after the other: what was
//! acknowledged is there afterwards, nothing half-written can be seen, and the store goes on to work.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod disk;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use rbee_artifacts::Sha256;
use rbee_store::{BlobCheck, Ingest, Store, StoreOptions};

use disk::{Stop, StoppingDisk};

/// What a store has to keep, as far as it was acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    /// What the document must be; the second is what may be there instead, because it was under way.
    document: (Option<&'static str>, Option<Option<&'static str>>),
    blobs: Vec<Sha256>,
}

const WEIGHTS: [&[u8]; 4] = [b"copied", b"moved", b"verified", b"in place"];

/// Writes whatever a store can be told to write, until something fails.
async fn write(folder: &Path, store: &Store, done: &mut Acknowledged) -> Option<()> {
    for content in ["first", "a second that is longer"] {
        done.document.1 = Some(Some(content));
        store.put_document("models", "a", content).await.ok()?;
        done.document = (Some(content), None);
    }
    for (content, ingest) in [
        (WEIGHTS[0], Ingest::Copy),
        (WEIGHTS[1], Ingest::Move),
        (WEIGHTS[3], Ingest::InPlace),
    ] {
        let path = folder.join(String::from_utf8_lossy(content).as_ref());
        fs::write(&path, content).unwrap();
        let stored = store
            .put_file(&path, ingest, None, |_| ControlFlow::Continue(()))
            .await;
        done.blobs.push(stored.ok()?.sha256);
    }
    let path = folder.join("verified");
    fs::write(&path, WEIGHTS[2]).unwrap();
    let sha256 = Sha256::digest(WEIGHTS[2]);
    store
        .put_verified(&path, sha256, 8, |_| ControlFlow::Continue(()))
        .await
        .ok()?;
    done.blobs.push(sha256);

    // What is removed may be there or not until that is acknowledged.
    done.blobs.retain(|blob| *blob != Sha256::digest(WEIGHTS[0]));
    assert!(store.delete_blob(&Sha256::digest(WEIGHTS[0])).await.ok()?);
    done.document.1 = Some(None);
    assert!(store.delete_document("models", "a").await.ok()?);
    done.document = (None, None);
    Some(())
}

async fn expect_intact(folder: &Path, done: &Acknowledged, what: &str) {
    let store = Store::open(&folder.join("store").display().to_string())
        .await
        .unwrap();
    let found = store.get_document("models", "a").await.unwrap();
    let found = found
        .as_ref()
        .map(|content| std::str::from_utf8(content).unwrap());
    let (kept, under_way) = done.document;
    assert!(
        found == kept || under_way == Some(found),
        "{what}: {found:?}, but {done:?}"
    );
    for sha256 in &done.blobs {
        let check = store
            .verify_blob(sha256, |_| ControlFlow::Continue(()))
            .await
            .unwrap();
        assert!(matches!(check, BlobCheck::Good { .. }), "{what}: {check:?}");
    }
    for blob in store.list_blobs().await.unwrap() {
        let check = store
            .verify_blob(&blob.sha256, |_| ControlFlow::Continue(()))
            .await
            .unwrap();
        assert!(
            matches!(check, BlobCheck::Good { .. }),
            "{what}: {check:?} can be seen"
        );
    }
    assert!(
        fs::read_dir(folder.join("store/staging"))
            .into_iter()
            .flatten()
            .next()
            .is_none(),
        "{what}: leftovers"
    );
    // And it is a store like any other.
    let mut again = Acknowledged::default();
    write(folder, &store, &mut again).await.unwrap();
}

/// Stops before the first step, then before the second, until nothing is left to stop.
async fn stop_before_each_step(stop: Stop) {
    let mut steps = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(StoppingDisk::new(stop, steps));
        let location = folder.path().join("store").display().to_string();
        let opened = StoreOptions::default()
            .with_faults(disk.clone())
            .open(&location)
            .await;
        let mut done = Acknowledged::default();
        let written = match opened {
            Ok(store) => write(folder.path(), &store, &mut done).await,
            Err(_) => None,
        };
        expect_intact(folder.path(), &done, &format!("before step {steps}")).await;
        if !disk.has_stopped() {
            assert!(written.is_some(), "it ends only when nothing stopped it");
            break;
        }
        steps += 1;
    }
    println!("{steps} steps");
    assert!(steps > 40, "{steps} steps are not all that a store makes");
}

#[tokio::test]
async fn killed_before_any_step_it_has_what_was_acknowledged() {
    stop_before_each_step(Stop::Kill).await;
}

#[tokio::test]
async fn without_power_before_any_step_it_has_what_was_acknowledged() {
    stop_before_each_step(Stop::PowerCut).await;
}

#[tokio::test]
async fn after_any_step_that_fails_it_goes_on_with_what_was_acknowledged() {
    stop_before_each_step(Stop::Fail).await;
}
