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

/// What is written down, as it is now.
struct Kept {
    folder: Folder,
    settings: Settings,
    /// The workspace, and the server that it is of.
    workspace: Option<(String, SavedWorkspace)>,
}

impl Kept {
    /// Reads the stores, so that an effect hears of their changes.
    fn of(session: &Session, folder: &Folder) -> Self {
        let saved = session.stores.workspace.read().saved();
        Self {
            folder: folder.clone(),
            settings: session.stores.settings.read().clone(),
            workspace: session.address().map(|address| (address, saved)),
        }
    }

    fn write(self) -> std::io::Result<()> {
        let before = self::settings(&self.folder);
        let changed = before.as_ref() != Some(&self.settings);
        if changed && (before.is_some() || self.settings != Settings::default()) {
            self.folder.write(SETTINGS, &self.settings)?;
        }
        self.workspace.map_or(Ok(()), |(address, saved)| {
            keep_workspace(&self.folder, &address, saved)
        })
    }
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
    let Some(folder) = session.folder().cloned() else {
        return;
    };
    let mut pending = use_signal(|| None::<Task>);
    let session = session.clone();
    use_effect(move || {
        let kept = Kept::of(&session, &folder);
        let write = spawn(async move {
            tokio::time::sleep(CALM).await;
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || kept.write()).await {
                tracing::warn!(%error, "cannot keep how the window looks");
            }
        });
        if let Some(before) = pending.replace(Some(write)) {
            before.cancel();
        }
    });
}

/// Writes down at once what is still to be written when the window is told to close: nothing waits for a moment that
/// does not come any more.
#[cfg(feature = "desktop")]
pub(super) fn use_last_words(session: &Session) {
    use dioxus::desktop::tao::event::{Event, WindowEvent};

    let session = session.clone();
    dioxus::desktop::use_wry_event_handler(move |event, _| {
        let Event::WindowEvent {
            event: WindowEvent::CloseRequested,
            ..
        } = event
        else {
            return;
        };
        session.stores.chat.end();
        let kept = session.folder().map(|folder| Kept::of(&session, folder));
        if let Some(Err(error)) = kept.map(Kept::write) {
            tracing::warn!(%error, "cannot keep how the window looks");
        }
    });
}
