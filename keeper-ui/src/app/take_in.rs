//! How what the watches tell comes into the stores: each store is written once for many changes.

use dioxus::prelude::*;

use crate::client::watch::Told;
use crate::stores::Stores;

/// Takes in many changes.
pub(super) fn batch(stores: Stores, changes: impl Iterator<Item = Told>) {
    let Stores {
        mut client,
        mut connection,
        mut cluster,
        mut models,
        mut narration,
        mut telemetry,
        ..
    } = stores;
    let (mut of_cluster, mut of_models, mut of_narration, mut of_telemetry) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for told in changes {
        match told {
            Told::Client(connected) => client.set(Some(connected)),
            Told::Connection(state) => connection.set(state),
            Told::Cluster(change) => of_cluster.push(change),
            Told::Models(change) => of_models.push(change),
            Told::Narration(change) => of_narration.push(change),
            Told::Telemetry(change) => of_telemetry.push(change),
        }
    }
    if !of_cluster.is_empty() {
        let mut view = cluster.write();
        of_cluster.into_iter().for_each(|change| view.apply(change));
        drop(view);
        sync_workspace(stores);
    }
    if !of_models.is_empty() {
        let mut view = models.write();
        of_models.into_iter().for_each(|change| view.apply(change));
    }
    if !of_narration.is_empty() {
        let mut view = narration.write();
        of_narration.into_iter().for_each(|change| view.apply(change));
    }
    if !of_telemetry.is_empty() {
        let mut view = telemetry.write();
        of_telemetry.into_iter().for_each(|change| view.apply(change));
    }
}

/// Tabs and panes follow the workers; a hive's heartbeat changes nothing there, and draws nothing anew.
fn sync_workspace(stores: Stores) {
    let mut workspace = stores.workspace;
    let mut synced = workspace.peek().clone();
    synced.sync(&stores.cluster.peek());
    if synced != *workspace.peek() {
        workspace.set(synced);
    }
}
