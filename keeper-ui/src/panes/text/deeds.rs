//! What comes of what a person does in the text pane.

use dioxus::prelude::*;
use jiff::Timestamp;

use super::event::{ExportFormat, PaneEvent};
use super::files;
use super::pane::speaker;
use super::store::PaneMemory;
use crate::client::failure::Action;
use crate::model::chat::{
    ConversationId, MessageId, Remedy, Sampling, Title, TranscriptError, to_json, to_markdown,
};
use crate::model::cluster::Worker;
use crate::model::toasts::{ToastAction, ToastTone};
use crate::stores::Stores;

/// Where something is done.
#[derive(Clone)]
pub(super) struct Deed {
    pub(super) stores: Stores,
    pub(super) pane: Signal<PaneMemory>,
    pub(super) worker: Worker,
    pub(super) onaction: EventHandler<Action>,
}

/// Does it.
pub(super) fn act(mut deed: Deed, event: PaneEvent) {
    let store = deed.stores.chat;
    let id = deed.pane.peek().conversation.clone();
    match event {
        PaneEvent::Draft(text) => deed.pane.write().draft = text,
        PaneEvent::Send => deed.send(&id),
        PaneEvent::Stop => store.stop(&id),
        PaneEvent::Edit(question, text) => {
            let edited = store.change(&id, |it| it.transcript.edit(question, text, Timestamp::now()));
            deed.ask(&id, edited);
        }
        PaneEvent::Regenerate(answer) => deed.again(&id, answer),
        PaneEvent::Choose(message, index) => {
            store.change(&id, |it| it.transcript.choose(message, index));
        }
        PaneEvent::Remedy(answer, remedy) => deed.remedy(&id, answer, remedy),
        PaneEvent::NewConversation => {
            let new = store.begin(&deed.worker.model);
            deed.open(new, None);
        }
        PaneEvent::Open(id, message) => {
            if let Some(message) = message {
                store.change(&id, |it| it.transcript.show(message));
            }
            deed.open(id, message);
        }
        PaneEvent::Rename(name) => {
            let name = name.trim().to_owned();
            let title = if name.is_empty() {
                Title::default()
            } else {
                Title::Given(name)
            };
            store.change(&id, |it| it.title = title);
        }
        PaneEvent::Delete(gone) => deed.delete(&id, &gone),
        PaneEvent::Export(format) => deed.export(&id, format),
        PaneEvent::System(text) => drop(store.change(&id, |it| it.system = text)),
        PaneEvent::DropOldest(on) => drop(store.change(&id, |it| it.drop_oldest_turns = on)),
        PaneEvent::Turn(knob, value) => deed.set(&id, |sampling| sampling.set(knob, value)),
        PaneEvent::Seed(seed) => deed.set(&id, |sampling| sampling.seed = seed),
        PaneEvent::LongestAnswer(tokens) => deed.set(&id, |sampling| sampling.max_tokens = tokens),
        PaneEvent::Thinking(thinking) => deed.set(&id, |sampling| sampling.thinking = thinking),
        PaneEvent::ResetSettings => deed.set(&id, |sampling| *sampling = Sampling::default()),
        PaneEvent::Search(words) => deed.pane.write().query = words,
        PaneEvent::ToggleList => deed.pane.with_mut(|pane| pane.list_open = !pane.list_open),
        PaneEvent::ToggleSettings => deed
            .pane
            .with_mut(|pane| pane.settings_open = !pane.settings_open),
    }
}

impl Deed {
    fn send(&mut self, id: &ConversationId) {
        let text = self.pane.peek().draft.trim().to_owned();
        if text.is_empty() || self.stores.chat.live.peek().contains_key(id) {
            return;
        }
        let asked = self
            .stores
            .chat
            .change(id, |it| it.transcript.ask(text, Timestamp::now()));
        if matches!(asked, Some(Ok(_))) {
            let mut pane = self.pane.write();
            pane.draft.clear();
            pane.shown = None;
        }
        self.ask(id, asked);
    }

    /// Has a question answered that was just asked.
    fn ask(&mut self, id: &ConversationId, asked: Option<Result<MessageId, TranscriptError>>) {
        match asked {
            Some(Ok(question)) => self.answer(id, question, None),
            Some(Err(error)) => self.refuse("This can't be asked", &error.to_string()),
            None => self.refuse("This can't be asked", "The conversation was deleted."),
        }
    }

    fn answer(&mut self, id: &ConversationId, question: MessageId, instead: Option<MessageId>) {
        let Some(cluster) = self.stores.client.peek().clone() else {
            return self.refuse(
                "No answer was asked for",
                "There is no connection to the cluster yet.",
            );
        };
        let (model, speaker) = (self.worker.model.as_str(), speaker(&self.worker));
        if let Err(trouble) = self
            .stores
            .chat
            .answer(id, question, instead, model, cluster, speaker)
        {
            self.refuse("No answer was asked for", &trouble.sentence);
        }
    }

    /// Says why nothing comes of what was done.
    fn refuse(&self, title: &str, why: &str) {
        self.stores.toast(ToastTone::Bad, title, why, None);
    }

    fn again(&mut self, id: &ConversationId, answer: MessageId) {
        let conversation = self.stores.chat.conversation(id);
        let question = conversation.and_then(|it| it.transcript.question_of(answer));
        if let Some(question) = question {
            self.answer(id, question, Some(answer));
        }
    }

    fn remedy(&mut self, id: &ConversationId, answer: MessageId, remedy: Remedy) {
        match remedy {
            Remedy::Retry => self.again(id, answer),
            Remedy::RetryWithoutOldest => {
                self.stores.chat.change(id, |it| it.drop_oldest_turns = true);
                self.again(id, answer);
            }
            Remedy::StartAnew => {
                let new = self.stores.chat.begin(&self.worker.model);
                self.open(new, None);
            }
            Remedy::RestartWorker => self.onaction.call(Action::RestartWorker),
            Remedy::OpenSettings => self.pane.write().settings_open = true,
            Remedy::ShowActivity => self.onaction.call(Action::OpenActivity),
        }
    }

    fn open(&mut self, id: ConversationId, message: Option<MessageId>) {
        let mut pane = self.pane.write();
        pane.conversation = id;
        pane.shown = message;
        pane.counted = None;
    }

    fn delete(&mut self, open: &ConversationId, gone: &ConversationId) {
        let store = self.stores.chat;
        if store.live.peek().contains_key(gone) {
            return;
        }
        if open == gone {
            let new = store.begin(&self.worker.model);
            self.open(new, None);
        }
        if let Some(name) = store.delete(gone) {
            let undo = Some(("Undo".to_owned(), ToastAction::Restore(gone.clone())));
            self.stores
                .toast(ToastTone::Info, "Conversation deleted", &name, undo);
        }
    }

    fn set(&mut self, id: &ConversationId, change: impl FnOnce(&mut Sampling)) {
        self.stores.chat.change(id, |it| change(&mut it.sampling));
    }

    fn export(&mut self, id: &ConversationId, format: ExportFormat) {
        let Some(conversation) = self.stores.chat.conversation(id) else {
            return;
        };
        let (text, extension) = match format {
            ExportFormat::Markdown => (to_markdown(&conversation), "md"),
            ExportFormat::Json => (to_json(&conversation), "json"),
        };
        let name = files::file_name(&conversation.name(), extension);
        let stores = self.stores;
        spawn(async move {
            if let Err(error) = files::save(&name, text).await {
                let why = error.to_string();
                stores.toast(ToastTone::Bad, "The conversation was not written", &why, None);
            }
        });
    }
}
