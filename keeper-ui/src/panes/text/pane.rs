//! One worker's text pane: the drawn part with the stores and the calls behind it.

use std::time::Duration;

use dioxus::core::Task;
use dioxus::prelude::*;
use jiff::Timestamp;

use super::deeds::{Deed, act};
use super::list::Row;
use super::store::{ChatStore, PaneMemory};
use super::view::{PaneState, Readiness, TextView};
use crate::client::failure::Action;
use crate::client::text::{Question, Speaker, count_tokens, read_facts};
use crate::model::chat::{
    ContextMeter, Conversation, LiveAnswer, SamplingDefaults, TurnMessage, TurnSpeaker, search,
};
use crate::model::cluster::{Worker, WorkerState};
use crate::model::ids::WorkerId;
use crate::model::words::short_model;
use crate::stores::{Stores, use_stores};

/// How long the person must pause before tokens are counted.
const COUNT_AFTER: Duration = Duration::from_millis(350);

/// A worker's text pane.
#[component]
pub fn TextPane(
    /// The worker.
    worker: WorkerId,
    /// What helps against a failure, where it is not this pane's to do.
    #[props(default)]
    onaction: EventHandler<Action>,
) -> Element {
    let stores = use_stores();
    let mut last = use_signal(|| None::<Worker>);
    let id = worker.clone();
    let known = use_memo(use_reactive!(|worker| stores
        .cluster
        .read()
        .workers
        .get(&worker)
        .cloned()));
    // A worker that is gone leaves its conversations in view.
    use_effect(move || {
        if let Some(known) = known() {
            last.set(Some(known));
        }
    });
    let gone = known.read().is_none();
    let Some(found) = known().or_else(&*last) else {
        return rsx! {};
    };
    rsx! {
        Known { key: "{id}", worker: found, gone, onaction }
    }
}

#[component]
fn Known(worker: ReadSignal<Worker>, gone: bool, onaction: EventHandler<Action>) -> Element {
    let stores = use_stores();
    let store = stores.chat;
    let pane = use_hook(|| {
        let worker = worker.peek();
        store.pane(&worker.id, &worker.model)
    });
    use_facts(stores, worker, pane);
    use_count(stores, worker, pane);
    let state = use_memo(use_reactive!(|gone| pane_state(
        store,
        pane,
        &worker.read(),
        gone
    )));
    let live = use_memo(move || {
        let live = store.live.read();
        live.get(&pane.read().conversation).map(|live| live.answer)
    });
    let live: Option<ReadSignal<LiveAnswer>> = live().map(ReadSignal::from);
    let Some(state) = state() else {
        return rsx! {};
    };
    rsx! {
        TextView {
            state,
            live,
            onevent: move |event| {
                let worker = worker.peek().clone();
                act(Deed { stores, pane, worker, onaction }, event);
            },
        }
    }
}

/// What the pane shows; absent when its conversation is not there any more, which the next moment mends.
fn pane_state(store: ChatStore, pane: Signal<PaneMemory>, worker: &Worker, gone: bool) -> Option<PaneState> {
    let library = store.library.read();
    let live = store.live.read();
    let pane = pane.read();
    let conversation = library.get(&pane.conversation)?.clone();
    let now = Timestamp::now();
    let row = |it: &std::rc::Rc<Conversation>| Row {
        id: it.id.clone(),
        name: it.name(),
        model: short_model(&it.model_id),
        when: crate::model::words::ago(it.changed_at, now),
        speaking: live.contains_key(&it.id),
    };
    let rows = if pane.list_open {
        let recent = library.recent();
        recent
            .iter()
            .filter(|it| !it.transcript.is_empty())
            .map(row)
            .collect()
    } else {
        Vec::new()
    };
    let found = if pane.list_open {
        search(&library, &pane.query)
    } else {
        Vec::new()
    };
    let limit = pane
        .facts
        .as_ref()
        .map(|facts| facts.context_length)
        .or(worker.context_length);
    Some(PaneState {
        model: short_model(worker.model.as_str()),
        readiness: readiness(worker, gone),
        draft: pane.draft.clone(),
        meter: ContextMeter {
            used: pane.counted.or_else(|| conversation.measured_tokens()),
            limit,
        },
        conversation,
        defaults: SamplingDefaults::default(),
        rows,
        query: pane.query.clone(),
        found,
        shown: pane.shown,
        list_open: pane.list_open,
        settings_open: pane.settings_open,
    })
}

fn readiness(worker: &Worker, gone: bool) -> Readiness {
    if gone {
        return Readiness::Gone;
    }
    if worker.state.has_failed() {
        return Readiness::Failed;
    }
    match worker.state {
        WorkerState::Ready | WorkerState::Busy => Readiness::Ready,
        WorkerState::Stopped => Readiness::Gone,
        state => Readiness::Coming(state.label().to_owned()),
    }
}

/// Where the worker is called.
pub(super) fn speaker(worker: &Worker) -> Speaker {
    Speaker {
        worker: worker.id.clone(),
        hive_address: worker.hive_address.clone(),
    }
}

/// Reads what the worker says of itself, when it serves.
fn use_facts(stores: Stores, worker: ReadSignal<Worker>, mut pane: Signal<PaneMemory>) {
    let serves = use_memo(move || worker.read().state.serves());
    use_effect(move || {
        let cluster = stores.client.read().clone();
        let (true, Some(cluster)) = (serves(), cluster) else {
            return;
        };
        let speaker = speaker(&worker.peek());
        spawn(async move {
            // Without them the limit is what the cluster says, and a question tells what is wrong.
            if let Ok(facts) = read_facts(&cluster, &speaker).await {
                pane.write().facts = Some(facts);
            }
        });
    });
}

/// Counts the tokens of the conversation with what is being written, when the person pauses.
fn use_count(stores: Stores, worker: ReadSignal<Worker>, mut pane: Signal<PaneMemory>) {
    let asked = use_memo(move || {
        let (draft, id) = {
            let pane = pane.read();
            (pane.draft.trim().to_owned(), pane.conversation.clone())
        };
        let library = stores.chat.library.read();
        let conversation = library.get(&id)?.clone();
        (!draft.is_empty()).then_some((conversation, draft))
    });
    let mut counting = use_signal(|| None::<Task>);
    use_effect(move || {
        let asked = asked();
        if let Some(task) = counting.take() {
            task.cancel();
        }
        let Some((conversation, draft)) = asked else {
            if pane.peek().counted.is_some() {
                pane.write().counted = None;
            }
            return;
        };
        let cluster = stores.client.peek().clone();
        let (true, Some(cluster)) = (worker.peek().state.serves(), cluster) else {
            return;
        };
        let speaker = speaker(&worker.peek());
        let task = spawn(async move {
            tokio::time::sleep(COUNT_AFTER).await;
            let question = counted_question(&conversation, draft);
            // What can't be counted is not shown.
            let counted = count_tokens(&cluster, &speaker, &question).await.ok();
            pane.write().counted = counted;
        });
        counting.set(Some(task));
    });
}

/// The conversation as it would be with what is being written.
fn counted_question(conversation: &Conversation, draft: String) -> Question {
    let mut turns = conversation.transcript.last().map_or_else(
        || conversation.turns_before_the_first(),
        |last| conversation.turns(last),
    );
    turns.push(TurnMessage {
        speaker: TurnSpeaker::Person,
        text: draft,
        reasoning: String::new(),
    });
    Question {
        turns,
        sampling: conversation.sampling.clone(),
        drop_oldest_turns: conversation.drop_oldest_turns,
    }
}
