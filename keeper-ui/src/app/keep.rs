//! What is written down for the next start, and when: some moments after the last change.

use std::collections::BTreeMap;
use std::time::Duration;

use dioxus::core::Task;
use dioxus::prelude::*;

use super::session::Session;
use crate::client::album::Album;
use crate::client::archive::Archive;
use crate::client::folder::Folder;
use crate::model::settings::Settings;
use crate::model::workspace::SavedWorkspace;

/// Names of the files.
const SETTINGS: &str = "settings.json";
const WORKSPACES: &str = "workspaces.json";

/// How long nothing must change before it is written: a splitter that is dragged changes with every pixel.
const CALM: Duration = Duration::from_millis(200);

/// The settings, if any were kept.
pub(super) fn settings(folder: &Folder) -> Option<Settings> {
    folder.read(SETTINGS)
}

/// How the window looked with a server.
pub(super) fn workspace(folder: &Folder, address: &str) -> Option<SavedWorkspace> {
    folder
        .read::<BTreeMap<String, SavedWorkspace>>(WORKSPACES)?
        .remove(address)
}

/// The album of pictures: where the settings say, or within the window's own folder.
pub(super) fn album(folder: &std::path::Path) -> Album {
    let chosen = settings(&Folder::at(folder.to_path_buf())).and_then(|settings| settings.pictures_dir);
    Album::at(chosen.unwrap_or_else(|| folder.join("pictures")))
}

/// The conversations, within the window's own folder.
pub(super) fn archive(folder: &std::path::Path) -> Archive {
    Archive::at(folder.join("conversations"))
}

fn keep_workspace(folder: &Folder, address: &str, saved: SavedWorkspace) -> std::io::Result<()> {
    let mut all: BTreeMap<String, SavedWorkspace> = folder.read(WORKSPACES).unwrap_or_default();
    if all.get(address) == Some(&saved) {
        return Ok(());
    }
    all.insert(address.to_owned(), saved);
    folder.write(WORKSPACES, &all)
}

/// Writes settings and workspace down whenever they changed.
pub(super) fn use_keeping(session: &Session) {
    let stores = session.stores;
    let Some(folder) = session.folder().cloned() else {
        return;
    };
    let mut pending = use_signal(|| None::<Task>);
    let session = session.clone();
    use_effect(move || {
        let settings = stores.settings.read().clone();
        let saved = stores.workspace.read().saved();
        let address = session.address();
        let folder = folder.clone();
        let write = spawn(async move {
            tokio::time::sleep(CALM).await;
            let written = tokio::task::spawn_blocking(move || {
                let before = self::settings(&folder);
                if before.as_ref() != Some(&settings) && (before.is_some() || settings != Settings::default())
                {
                    folder.write(SETTINGS, &settings)?;
                }
                address.map_or(Ok(()), |address| keep_workspace(&folder, &address, saved))
            });
            if let Ok(Err(error)) = written.await {
                tracing::warn!(%error, "cannot keep how the window looks");
            }
        });
        if let Some(before) = pending.replace(Some(write)) {
            before.cancel();
        }
    });
}
