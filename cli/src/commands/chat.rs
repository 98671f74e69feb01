//! `rbee chat`: one answer, or a conversation.

mod conversation;
mod input;
mod interactive;

use rbee_proto::types::v1::Worker;
use rbee_proto::worker::v1::ChatRequest;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;

use self::conversation::Conversation;
use super::{Session, generation, target};
use crate::args::{ChatArgs, SamplingArgs};
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::render::stats::Answer;

/// Talks to a model.
pub(super) async fn run(arguments: &ChatArgs, session: &Session) -> Result<(), Failure> {
    let prompt = generation::one_shot_prompt(arguments.prompt.as_deref(), session.output)?;
    let cluster = Cluster::connect(&session.options).await?;
    let worker = target::find(&cluster, &arguments.target).await?;
    let mut conversation = Conversation::new(arguments.system.clone());
    match prompt {
        Some(prompt) => {
            conversation.ask(prompt);
            let answer = answer(&cluster, &worker, &conversation, &arguments.sampling, session).await?;
            generation::conclude(&answer, session.output)
        }
        None => interactive::run(arguments, &cluster, worker, conversation, session).await,
    }
}

/// The answer to a conversation, shown as it arrives.
async fn answer(
    cluster: &Cluster,
    worker: &Worker,
    conversation: &Conversation,
    sampling: &SamplingArgs,
    session: &Session,
) -> Result<Answer, Failure> {
    let mut client = TextServiceClient::new(cluster.worker_channel(worker).await?);
    let request = ChatRequest {
        messages: conversation.messages(),
        sampling: sampling.sampling(),
        stop: sampling.stop(),
        ..ChatRequest::default()
    };
    generation::show(client.chat(request), &worker.model_id, worker, session.output).await
}
