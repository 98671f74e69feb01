//! From a question to its answer, frame by frame.

use std::time::{Duration, Instant};

use dioxus::core::spawn_forever;
use dioxus::prelude::*;
use jiff::Timestamp;
use std::rc::Rc;
use tokio::sync::Notify;

use super::store::{ChatStore, Live};
use crate::client::cluster::Cluster;
use crate::client::text::{Question, Speaker, Speaking, ask};
use crate::model::chat::{Answer, AnswerEvent, Conversation, ConversationId, LiveAnswer, MessageId, Trouble};

/// Time between two drawings of an answer that comes.
const FRAME: Duration = Duration::from_millis(16);

impl ChatStore {
    /// Has a question answered. The answer takes the place of `instead` if that is an answer in which nothing was said;
    /// otherwise it stands beside those that are there.
    pub(super) fn answer(
        mut self,
        id: &ConversationId,
        question: MessageId,
        instead: Option<MessageId>,
        model: &str,
        cluster: Cluster,
        speaker: Speaker,
    ) -> Result<(), Trouble> {
        if self.live.peek().contains_key(id) {
            return Ok(());
        }
        let place = |conversation: &mut Conversation| {
            let tree = &mut conversation.transcript;
            model.clone_into(&mut conversation.model_id);
            if let Some(place) = instead
                && let Some(answer) = tree.answer_mut(place)
                && answer.is_empty()
            {
                *answer = Answer::asked(model);
                return Ok(place);
            }
            tree.answer(question, Answer::asked(model), Timestamp::now())
        };
        let message = match self.change(id, place) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Trouble::new(error.to_string())),
            None => return Err(Trouble::new("This conversation was deleted.")),
        };
        let Some(conversation) = self.conversation(id) else {
            return Ok(());
        };
        let asked = Question {
            turns: conversation.turns(question),
            sampling: conversation.sampling.clone(),
            drop_oldest_turns: conversation.drop_oldest_turns,
        };
        let live = Live {
            answer: Signal::new_in_scope(LiveAnswer::asked(message, model), ScopeId::ROOT),
            stop: Rc::new(Notify::new()),
        };
        self.live.write().insert(id.clone(), live.clone());
        let id = id.clone();
        spawn_forever(async move {
            let speaking = ask(cluster, speaker, asked);
            follow(&live, speaking).await;
            self.keep(&id, &live);
        });
        Ok(())
    }

    /// Puts an answer that has ended into its conversation.
    pub(super) fn keep(mut self, id: &ConversationId, live: &Live) {
        let (message, answer) = {
            let live = live.answer.peek();
            (live.message, live.answer().clone())
        };
        self.change(id, |conversation| {
            conversation.changed_at = Timestamp::now();
            if let Some(place) = conversation.transcript.answer_mut(message) {
                *place = answer;
            }
        });
        self.live.write().remove(id);
    }
}

/// Feeds an answer until it is whole and shown. All that comes between two frames is drawn together.
async fn follow(live: &Live, speaking: Speaking) {
    let begun = Instant::now();
    let mut answer = live.answer;
    let mut speaking = Some(speaking);
    while !answer.peek().is_done() {
        let mut event = None;
        let settled = answer.peek().is_settled();
        match &mut speaking {
            // Nothing to draw before the next word. Cancel safe: `next` and `notified` lose nothing.
            Some(speaking) if settled => tokio::select! {
                told = speaking.next() => event = Some(told.unwrap_or_else(broken)),
                () = live.stop.notified() => event = Some(AnswerEvent::Stopped),
            },
            // The stop is kept by its permit, the words by their channel.
            _ => tokio::select! {
                () = tokio::time::sleep(FRAME) => {}
                () = live.stop.notified() => event = Some(AnswerEvent::Stopped),
            },
        }
        let now = begun.elapsed();
        let mut answer = answer.write();
        if let Some(event) = event {
            answer.apply(event, now);
        }
        if let Some(speaking) = &mut speaking {
            while let Some(event) = speaking.ready() {
                answer.apply(event, now);
            }
        }
        if answer.answer().ending.is_some() {
            // Ends the stream, and with it the worker's work.
            speaking = None;
        }
        answer.frame(now);
    }
}

fn broken() -> AnswerEvent {
    AnswerEvent::Failed(Trouble::new(
        "The worker stopped answering before the answer was done.",
    ))
}
