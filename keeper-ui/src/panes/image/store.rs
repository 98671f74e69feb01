//! The sessions of all image workers, which outlive their panes, and what goes on in them.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use dioxus::core::{Task, spawn_forever};
use dioxus::prelude::*;
use jiff::Timestamp;

use super::view::ImageSession;
use crate::client::album::Album;
use crate::client::cluster::Cluster;
use crate::client::failure::Failure;
use crate::client::image::{Painter, paint};
use crate::client::shelf::Shelf;
use crate::model::ids::{ModelId, WorkerId};
use crate::model::image::{Picture, PictureId, RunEvent, RunId, Settings};

/// A worker's session and the model whose pictures it shows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    session: Signal<ImageSession>,
    model: Signal<ModelId>,
}

/// All sessions. Copied freely; copies are the same store.
#[derive(Clone, Copy, PartialEq)]
pub struct ImageStore {
    sessions: Signal<BTreeMap<WorkerId, Kept>>,
    tasks: Signal<HashMap<(WorkerId, RunId), Task>>,
    shelf: Signal<Shelf>,
    album: Signal<Option<Album>>,
}

impl ImageStore {
    /// A store without sessions, which keeps pictures in an album if it has one.
    #[must_use]
    pub fn new(album: Option<Album>) -> Self {
        Self {
            sessions: Signal::new(BTreeMap::new()),
            tasks: Signal::new(HashMap::new()),
            shelf: Signal::new(Shelf::default()),
            album: Signal::new(album),
        }
    }

    /// Keeps pictures and settings in an album from now on; `None` to keep nothing.
    pub fn keep_in(mut self, album: Option<Album>) {
        self.album.set(album);
    }

    /// Where the webview's pictures come from.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.shelf.peek().clone()
    }

    /// A worker's session. A new one begins with what was set for its model last, and with the pictures of it.
    pub fn session(mut self, worker: &WorkerId, model: &ModelId) -> Signal<ImageSession> {
        if let Some(kept) = self.sessions.peek().get(worker) {
            return kept.session;
        }
        let album = self.album.peek().clone();
        let mut state = ImageSession::default();
        if let Some(album) = &album {
            state.settings = album.settings(model);
        }
        // Not of the pane that asks first: the session stays when it goes.
        let mut session = Signal::new_in_scope(state, ScopeId::ROOT);
        let kept = Kept {
            session,
            model: Signal::new_in_scope(model.clone(), ScopeId::ROOT),
        };
        self.sessions.write().insert(worker.clone(), kept);
        if let Some(album) = album {
            let (shelf, model) = (self.shelf(), model.clone());
            spawn_forever(async move {
                let read = tokio::task::spawn_blocking(move || album.pictures(&model, &shelf));
                if let Ok(items) = read.await {
                    session.write().gallery.add_older(items);
                }
            });
        }
        session
    }

    /// Whether closing the worker's tab would lose something: a run that is not over.
    #[must_use]
    pub fn is_busy(&self, worker: &WorkerId) -> bool {
        let sessions = self.sessions.read();
        sessions
            .get(worker)
            .is_some_and(|kept| kept.session.read().running() > 0)
    }

    /// Asks a worker for pictures with what is set.
    pub fn begin(mut self, cluster: Cluster, painter: Painter) {
        let worker = painter.worker.clone();
        let Some(kept) = self.sessions.peek().get(&worker).copied() else {
            return;
        };
        let mut session = kept.session;
        let (run, settings) = {
            let mut state = session.write();
            (state.begin(), state.settings.clone())
        };
        let key = (worker, run);
        let done = key.clone();
        let task = spawn_forever(async move {
            self.follow(kept, run, cluster, painter, settings).await;
            self.tasks.write().remove(&done);
        });
        self.tasks.write().insert(key, task);
    }

    async fn follow(self, kept: Kept, run: RunId, cluster: Cluster, painter: Painter, settings: Settings) {
        let mut session = kept.session;
        let mut painting = paint(cluster, painter, settings, self.shelf());
        while let Some(event) = painting.next().await {
            let mut made = Vec::new();
            // All that came together is drawn together.
            let mut events = vec![event];
            events.extend(std::iter::from_fn(|| painting.ready()));
            {
                let (mut state, now) = (session.write(), Instant::now());
                for event in events {
                    if let RunEvent::Picture(picture) = &event {
                        made.push(picture.picture.clone());
                    }
                    state.apply(run, event, now);
                }
            }
            for picture in made {
                self.keep(kept, picture).await;
            }
        }
        let is_over = session
            .peek()
            .run(run)
            .is_none_or(crate::model::image::Run::is_over);
        if !is_over {
            let failure = Failure::new("The worker stopped answering before the picture was done.");
            session
                .write()
                .apply(run, RunEvent::Failed(failure), Instant::now());
        }
    }

    /// Writes a picture into the album, after which its bytes are not held any more.
    async fn keep(self, kept: Kept, picture: Picture) {
        let Some(album) = self.album.peek().clone() else {
            return;
        };
        let mut session = kept.session;
        let (id, model) = (picture.id(), kept.model.peek().clone());
        let written = tokio::task::spawn_blocking(move || album.keep(&model, &picture, Timestamp::now()));
        match written.await {
            Ok(Ok(path)) => {
                self.shelf().moved(id, &path);
                session.write().gallery.moved(id, path);
            }
            Ok(Err(error)) => {
                let note = format!("The picture could not be kept as a file: {error}.");
                session.write().notes.push(note);
            }
            // Only a panic ends it so; the picture is still in the gallery.
            Err(_) => {}
        }
    }

    /// Ends a run: the worker stops within a step.
    pub fn cancel(mut self, worker: &WorkerId, run: RunId) {
        if let Some(task) = self.tasks.write().remove(&(worker.clone(), run)) {
            task.cancel();
        }
        if let Some(kept) = self.sessions.peek().get(worker) {
            let mut session = kept.session;
            session.write().apply(run, RunEvent::Cancelled, Instant::now());
        }
    }

    /// Throws a picture away, its file, too.
    pub fn remove(self, worker: &WorkerId, id: PictureId) {
        let Some(kept) = self.sessions.peek().get(worker).copied() else {
            return;
        };
        let mut session = kept.session;
        let removed = session.write().gallery.remove(id);
        if let Some(path) = removed.and_then(|item| item.picture.path().map(ToOwned::to_owned))
            && let Err(error) = std::fs::remove_file(path)
        {
            session
                .write()
                .notes
                .push(format!("The picture's file could not be removed: {error}."));
        }
    }

    /// Keeps what is set for the worker's model, if it changed since `last`.
    pub fn keep_settings(self, worker: &WorkerId, last: &mut Settings) {
        let Some(kept) = self.sessions.peek().get(worker).copied() else {
            return;
        };
        let (model, settings) = (kept.model.peek().clone(), kept.session.peek().settings.clone());
        if settings == *last {
            return;
        }
        if let Some(album) = self.album.peek().clone() {
            // What could not be kept is asked for again next time; nobody waits for it.
            let _ = album.keep_settings(&model, &settings);
        }
        *last = settings;
    }
}
