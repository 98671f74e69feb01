//! `rbee complete`.

use rbee_proto::worker::v1::CompleteRequest;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;

use super::{Session, constraint, generation, target};
use crate::args::CompleteArgs;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::Failure;

/// Continues a text once.
pub(super) async fn run(arguments: &CompleteArgs, session: &Session) -> Result<(), Failure> {
    let prompt =
        generation::one_shot_prompt(arguments.prompt.as_deref(), session.output)?.ok_or_else(|| {
            Failure::new(Exit::Usage, "there is nothing to continue")
                .hint("give --prompt TEXT, or pipe it in")
        })?;
    let constraint = constraint::read(&arguments.sampling, session.output)?;
    let cluster = Cluster::connect(&session.options).await?;
    let worker = target::find(&cluster, &arguments.target).await?;
    let mut client = TextServiceClient::new(cluster.worker_channel(&worker).await?);
    let request = CompleteRequest {
        prompt,
        sampling: arguments.sampling.sampling(),
        stop: arguments.sampling.stop(),
        constraint,
        details: arguments.sampling.details(),
        echo: arguments.echo,
    };
    let answer = generation::show(
        client.complete(request),
        &worker.model_id,
        &worker,
        session.output,
    )
    .await?;
    generation::conclude(&answer, session.output)
}
