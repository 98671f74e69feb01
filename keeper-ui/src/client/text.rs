//! Calls of text workers: what they are, answers as they come, and tokens counted.

use rbee_proto::worker::v1::GetInfoRequest;
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::convert::text::{chat_request, count_request, event, facts};
use super::failure::Failure;
use crate::model::chat::{AnswerEvent, Sampling, Trouble, TurnMessage};
use crate::model::ids::WorkerId;

/// Events that wait for the window. While it is full the worker is not read, and waits.
const WAITING_EVENTS: usize = 256;

/// Which worker, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The worker.
    pub worker: WorkerId,
    /// Its hive's address.
    pub hive_address: String,
}

/// What a text worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFacts {
    /// Architecture as the model's file names it.
    pub architecture: String,
    /// Tokens that it has room for in each request.
    pub context_length: u32,
    /// Whether the model brings a chat template.
    pub has_chat_template: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The conversation, oldest first.
    pub turns: Vec<TurnMessage>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Leave out the oldest turns if it is too long.
    pub drop_oldest_turns: bool,
}

/// An answer on its way. Dropping it ends the stream, and the worker stops within a token.
#[derive(Debug)]
pub struct Speaking {
    events: mpsc::Receiver<AnswerEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Speaking {
    /// What happens next; `None` after the end. Cancel safe: an event is either taken or waits.
    pub async fn next(&mut self) -> Option<AnswerEvent> {
        self.events.recv().await
    }

    /// What has happened already, without waiting.
    pub fn ready(&mut self) -> Option<AnswerEvent> {
        self.events.try_recv().ok()
    }
}

/// What a worker says of itself.
///
/// # Errors
/// If it can't be reached, or serves no language model.
pub async fn read_facts(cluster: &Cluster, speaker: &Speaker) -> Result<TextFacts, Failure> {
    let mut client = cluster.worker(&speaker.worker, &speaker.hive_address)?;
    let info = client.get_info(GetInfoRequest {}).await?.into_inner();
    facts(info).ok_or_else(|| Failure::new("This worker writes no text."))
}

/// Counts the tokens of a conversation as the worker would read it.
///
/// # Errors
/// If it can't be reached, or the template can't take the conversation.
pub async fn count_tokens(cluster: &Cluster, speaker: &Speaker, question: &Question) -> Result<u32, Failure> {
    let mut client = cluster.text(&speaker.worker, &speaker.hive_address)?;
    let counted = client.count_tokens(count_request(question)).await?;
    Ok(counted.into_inner().prompt_tokens)
}

/// Asks for an answer. Needs a tokio runtime. The last event is the end, or why there is none.
#[must_use]
pub fn ask(cluster: Cluster, speaker: Speaker, question: Question) -> Speaking {
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let task = tokio::spawn(async move {
        if let Err(failure) = follow(&cluster, &speaker, &question, &sender).await {
            // Whoever left needs no failure.
            let _ = sender.send(AnswerEvent::Failed(Trouble::from(failure))).await;
        }
    });
    Speaking { events, task }
}

async fn follow(
    cluster: &Cluster,
    speaker: &Speaker,
    question: &Question,
    sender: &mpsc::Sender<AnswerEvent>,
) -> Result<(), Failure> {
    let mut client = cluster.text(&speaker.worker, &speaker.hive_address)?;
    let mut stream = client.chat(chat_request(question)).await?.into_inner();
    while let Some(response) = stream.message().await? {
        let Some(event) = event(response) else {
            continue;
        };
        let ends = matches!(event, AnswerEvent::Finished { .. });
        if sender.send(event).await.is_err() || ends {
            return Ok(());
        }
    }
    Err(Failure::new(
        "The worker stopped answering before the answer was done.",
    ))
}
