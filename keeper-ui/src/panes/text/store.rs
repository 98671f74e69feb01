//! All conversations, the answers that come, and what each pane shows. They outlive their panes.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::client::archive::Archive;
use crate::client::text::TextFacts;
use crate::model::chat::{AnswerEvent, Conversation, ConversationId, Library, LiveAnswer, MessageId};
use crate::model::ids::{ModelId, WorkerId};

/// How long changes wait so that several are written at once.
const WRITE_AFTER: Duration = Duration::from_millis(700);

/// Deleted conversations that can still be put back: as many as messages that say so.
const DELETED: usize = 4;

/// An answer that comes, and the way to stop it.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) answer: Signal<LiveAnswer>,
    pub(super) stop: Rc<Notify>,
}

/// What a worker's pane shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PaneMemory {
    pub(super) conversation: ConversationId,
    pub(super) draft: String,
    pub(super) query: String,
    pub(super) shown: Option<MessageId>,
    pub(super) list_open: bool,
    pub(super) settings_open: bool,
    pub(super) facts: Option<TextFacts>,
    /// Tokens of the conversation with what is being written, as counted last.
    pub(super) counted: Option<u32>,
}

/// All conversations. Copied freely; copies are the same store.
#[derive(Clone, Copy, PartialEq)]
pub struct ChatStore {
    pub(super) library: Signal<Library>,
    pub(super) live: Signal<BTreeMap<ConversationId, Live>>,
    panes: Signal<BTreeMap<WorkerId, Signal<PaneMemory>>>,
    archive: Signal<Option<Archive>>,
    /// What was deleted last, so that it can be put back.
    deleted: Signal<VecDeque<Rc<Conversation>>>,
    loaded: Signal<bool>,
    saving: Signal<bool>,
}

impl ChatStore {
    /// A store that keeps conversations in an archive if it has one.
    #[must_use]
    pub fn new(archive: Option<Archive>) -> Self {
        Self {
            library: Signal::new(Library::default()),
            live: Signal::new(BTreeMap::new()),
            panes: Signal::new(BTreeMap::new()),
            archive: Signal::new(archive),
            deleted: Signal::new(VecDeque::new()),
            loaded: Signal::new(false),
            saving: Signal::new(false),
        }
    }

    /// Whether closing the worker's tab would stop an answer that comes.
    #[must_use]
    pub fn is_busy(&self, worker: &WorkerId) -> bool {
        let panes = self.panes.read();
        let Some(pane) = panes.get(worker) else {
            return false;
        };
        self.live.read().contains_key(&pane.read().conversation)
    }

    /// What a worker's pane shows. A new one begins with the last conversation with its model that no other pane shows.
    pub(super) fn pane(mut self, worker: &WorkerId, model: &ModelId) -> Signal<PaneMemory> {
        if let Some(pane) = self.panes.peek().get(worker) {
            return *pane;
        }
        let memory = PaneMemory {
            conversation: self.last_or_new(model),
            draft: String::new(),
            query: String::new(),
            shown: None,
            list_open: false,
            settings_open: false,
            facts: None,
            counted: None,
        };
        // Not of the pane that asks first: it stays when that goes.
        let pane = Signal::new_in_scope(memory, ScopeId::ROOT);
        self.panes.write().insert(worker.clone(), pane);
        self.load();
        pane
    }

    /// Reads the archive, once. Panes that show nothing yet then show what they would have begun with.
    fn load(mut self) {
        let archive = self.archive.peek().clone();
        if *self.loaded.peek() {
            return;
        }
        self.loaded.set(true);
        let Some(archive) = archive else { return };
        spawn_forever(async move {
            let read = tokio::task::spawn_blocking(move || archive.read()).await;
            let left = self.library.write().load(read.unwrap_or_default());
            if left > 0 {
                tracing::warn!(left, "conversations were left alone: too many, or not sound");
            }
            let panes: Vec<_> = self.panes.peek().values().copied().collect();
            for mut pane in panes {
                let id = pane.peek().conversation.clone();
                let fresh = self.conversation(&id).filter(|it| it.transcript.is_empty());
                let Some(fresh) = fresh else { continue };
                let shown = self.shown();
                let last = self
                    .library
                    .peek()
                    .last_with(&fresh.model_id, |other| other != &id && !shown.contains(other));
                if let Some(last) = last {
                    pane.write().conversation = last;
                    self.library.write().remove(&id);
                }
            }
            self.save_soon();
        });
    }

    fn shown(self) -> Vec<ConversationId> {
        let panes = self.panes.peek();
        panes
            .values()
            .map(|pane| pane.peek().conversation.clone())
            .collect()
    }

    fn last_or_new(self, model: &ModelId) -> ConversationId {
        let shown = self.shown();
        let last = self
            .library
            .peek()
            .last_with(model.as_str(), |id| !shown.contains(id));
        last.unwrap_or_else(|| self.begin(model))
    }

    /// Begins a conversation. One in which nothing was said and that nobody shows is taken instead of another new one;
    /// where there is no room, the oldest is opened and nothing is lost.
    pub(super) fn begin(mut self, model: &ModelId) -> ConversationId {
        let shown = self.shown();
        let unused = |it: &&Rc<Conversation>| {
            it.transcript.is_empty() && it.system.is_empty() && !shown.contains(&it.id)
        };
        let recent = self.library.peek().recent();
        if let Some(unused) = recent.iter().find(unused) {
            let id = unused.id.clone();
            self.library
                .write()
                .change(&id, |it| it.model_id = model.to_string());
            return id;
        }
        let id = uuid::Uuid::now_v7().to_string();
        let id = ConversationId::new(id).expect("an UUID is hexadecimal digits and hyphens");
        match self.library.write().start(id, model.as_str(), Timestamp::now()) {
            Ok(id) => id,
            Err(_) => recent.last().expect("it is full").id.clone(),
        }
    }

    /// A conversation.
    pub(super) fn conversation(self, id: &ConversationId) -> Option<Rc<Conversation>> {
        self.library.peek().get(id).cloned()
    }

    /// Changes a conversation, and has it written.
    pub(super) fn change<T>(
        mut self,
        id: &ConversationId,
        change: impl FnOnce(&mut Conversation) -> T,
    ) -> Option<T> {
        let changed = self.library.write().change(id, change);
        self.save_soon();
        changed
    }

    /// Deletes a conversation; its name, if it is worth putting back.
    pub(super) fn delete(mut self, id: &ConversationId) -> Option<String> {
        let gone = self.library.write().remove(id)?;
        self.save_soon();
        if gone.transcript.is_empty() && gone.system.is_empty() {
            return None;
        }
        let name = gone.name();
        let mut deleted = self.deleted.write();
        deleted.push_back(gone);
        let surplus = deleted.len().saturating_sub(DELETED);
        deleted.drain(..surplus);
        Some(name)
    }

    /// Puts a conversation back that was deleted.
    pub fn restore(mut self, id: &ConversationId) {
        let place = self.deleted.peek().iter().position(|one| one.id == *id);
        let conversation = place.and_then(|place| self.deleted.write().remove(place));
        if let Some(conversation) = conversation {
            self.library.write().restore(conversation);
            self.save_soon();
        }
    }

    /// Stops the answer that comes in a conversation.
    pub(super) fn stop(self, id: &ConversationId) {
        if let Some(live) = self.live.peek().get(id) {
            live.stop.notify_one();
        }
    }

    /// Writes what changed, in a moment.
    pub(super) fn save_soon(mut self) {
        if *self.saving.peek() || !self.library.peek().has_unsaved() || self.archive.peek().is_none() {
            return;
        }
        self.saving.set(true);
        spawn_forever(async move {
            tokio::time::sleep(WRITE_AFTER).await;
            self.saving.set(false);
            self.save();
        });
    }

    /// The end of the window: answers that come are kept as far as they came, and all that changed is written.
    pub fn end(self) {
        let coming: Vec<_> = self
            .live
            .peek()
            .iter()
            .map(|(id, live)| (id.clone(), live.clone()))
            .collect();
        for (id, live) in coming {
            let mut answer = live.answer;
            answer.write().apply(AnswerEvent::Stopped, Duration::ZERO);
            self.keep(&id, &live);
        }
        self.save();
    }

    /// Writes what changed, now.
    fn save(mut self) {
        let archive = self.archive.peek().clone();
        let Some(archive) = archive else { return };
        if !self.library.peek().has_unsaved() {
            return;
        }
        let (changed, removed) = self.library.write().take_unsaved();
        for conversation in changed {
            if let Err(error) = archive.keep(&conversation) {
                tracing::error!(%error, "a conversation was not written");
            }
        }
        for id in removed {
            if let Err(error) = archive.remove(&id) {
                tracing::error!(%error, "a conversation was not removed");
            }
        }
    }
}
