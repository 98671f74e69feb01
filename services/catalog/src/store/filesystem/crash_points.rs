//! The world stops before each step that the catalog's store makes on its disk, one after the other: every
//! acknowledged change is there afterwards, nothing half-written is visible, and the catalog works.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::collections::BTreeMap;

use rbee_store::StoreOptions;

use super::tests::{LIMITS, downloading};
use super::*;

#[path = "../../../../../crates/store/tests/crash_points/disk.rs"]
mod disk;

use disk::{Stop, StoppingDisk};

/// The names of the models as acknowledged, and the one that is being changed with what it may become.
#[derive(Debug, Default)]
struct Acknowledged {
    names: BTreeMap<&'static str, &'static str>,
    under_way: Option<(&'static str, Option<&'static str>)>,
}

fn named(id: &str, name: &str) -> rbee_artifacts::ModelEntry {
    rbee_artifacts::ModelEntry {
        name: name.to_owned(),
        ..downloading(id)
    }
}

/// Creates, updates and deletes until something fails.
async fn write(
    catalog: &FilesystemCatalog<rbee_artifacts::ModelEntry>,
    done: &mut Acknowledged,
) -> Option<()> {
    for (id, name) in [
        ("local:a", Some("created")),
        ("local:b", Some("created")),
        ("local:a", Some("updated")),
        ("local:a", Some("updated to something longer")),
        ("local:b", None),
        ("local:b", Some("created again")),
        ("local:a", None),
    ] {
        done.under_way = Some((id, name));
        match (name, done.names.contains_key(id)) {
            (Some(name), false) => drop(catalog.create(named(id, name), String::new()).await.ok()?),
            (Some(name), true) => drop(catalog.update(named(id, name), None).await.ok()?),
            (None, _) => assert!(catalog.delete(id.parse().unwrap()).await.ok()?),
        }
        match name {
            Some(name) => done.names.insert(id, name),
            None => done.names.remove(id),
        };
        done.under_way = None;
    }
    Some(())
}

async fn stop_before_each_step(stop: Stop) {
    let mut steps = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("store").display().to_string();
        let disk = Arc::new(StoppingDisk::new(stop, steps));
        let opened = StoreOptions::default()
            .with_faults(disk.clone())
            .open(&location)
            .await;
        let mut done = Acknowledged::default();
        let mut written = None;
        if let Ok(store) = opened {
            let catalog =
                FilesystemCatalog::<rbee_artifacts::ModelEntry>::open(store, LIMITS, &Lifecycle::new())
                    .await
                    .unwrap();
            written = write(&catalog, &mut done).await;
            // What a client sees is what was acknowledged, whatever happened to the disk.
            let seen = catalog.after(None, 10);
            let seen: BTreeMap<_, _> = seen
                .iter()
                .map(|entry| (entry.entry.id.as_str(), entry.entry.name.as_str()))
                .collect();
            assert_eq!(seen, done.names, "before step {steps}");
        }

        let store = Store::open(&location).await.unwrap();
        let catalog = FilesystemCatalog::<rbee_artifacts::ModelEntry>::open(store, LIMITS, &Lifecycle::new())
            .await
            .unwrap();
        assert!(catalog.shared.kept.is_empty(), "before step {steps}");
        for id in ["local:a", "local:b"] {
            let entry = catalog.get(&id.parse().unwrap());
            let found = entry.as_ref().map(|entry| entry.entry.name.as_str());
            let is_kept = found == done.names.get(id).copied();
            let is_under_way = done.under_way == Some((id, found));
            assert!(
                is_kept || is_under_way,
                "before step {steps}: {id} is {found:?}, but {done:?}"
            );
        }
        assert!(
            walk(&folder.path().join("store/models"))
                .iter()
                .all(|name| name == "metadata.json"),
            "before step {steps}"
        );
        for entry in catalog.after(None, 10) {
            assert!(catalog.delete(entry.entry.id.clone()).await.unwrap());
        }
        write(&catalog, &mut Acknowledged::default()).await.unwrap();
        if !disk.has_stopped() {
            assert!(written.is_some(), "it ends only when nothing stopped it");
            break;
        }
        steps += 1;
    }
    println!("{steps} steps");
    assert!(steps > 35, "{steps} steps are not all that a catalog makes");
}

/// The names of all files below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        } else {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names
}

#[tokio::test]
async fn killed_before_any_step_every_acknowledged_change_is_there() {
    stop_before_each_step(Stop::Kill).await;
}

#[tokio::test]
async fn without_power_before_any_step_every_acknowledged_change_is_there() {
    stop_before_each_step(Stop::PowerCut).await;
}

#[tokio::test]
async fn after_any_step_that_fails_every_acknowledged_change_is_there() {
    stop_before_each_step(Stop::Fail).await;
}
