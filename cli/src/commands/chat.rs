//! `rbee chat`: one answer, or a conversation.

mod conversation;
mod input;
mod interactive;
mod setting;

use rbee_proto::types::v1::Worker;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::{ChatRequest, OutputConstraint};

use self::conversation::Conversation;
use self::setting::Setting;
use super::{Session, constraint, generation, target};
use crate::args::{ChatArgs, SamplingArgs};
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::render::stats::Answer;

/// Talks to a model.
pub(super) async fn run(arguments: &ChatArgs, session: &Session) -> Result<(), Failure> {
    let prompt = generation::one_shot_prompt(arguments.prompt.as_deref(), session.output)?;
    let setting = Setting::read(&arguments.conversation)?;
    let constraint = constraint::read(&arguments.sampling, session.output)?;
    let cluster = Cluster::connect(&session.options).await?;
    let worker = target::find(&cluster, &arguments.target).await?;
    let mut conversation = Conversation::new(arguments.system.clone());
    match prompt {
        Some(prompt) => {
            conversation.ask(prompt);
            let request = request(&conversation, &setting, &arguments.sampling, constraint);
            let answer = answer(&cluster, &worker, request, session).await?;
            generation::conclude(&answer, session.output)
        }
        None => interactive::run(arguments, &setting, &cluster, worker, conversation, session).await,
    }
}

fn request(
    conversation: &Conversation,
    setting: &Setting,
    sampling: &SamplingArgs,
    constraint: Option<OutputConstraint>,
) -> ChatRequest {
    ChatRequest {
        sampling: sampling.sampling(),
        stop: sampling.stop(),
        constraint,
        details: sampling.details(),
        ..setting.request(conversation.messages())
    }
}

/// The answer to a conversation, shown as it arrives.
async fn answer(
    cluster: &Cluster,
    worker: &Worker,
    request: ChatRequest,
    session: &Session,
) -> Result<Answer, Failure> {
    let mut client = TextServiceClient::new(cluster.worker_channel(worker).await?);
    generation::show(client.chat(request), &worker.model_id, worker, session.output).await
}
