//! `rbee worker logs`.

use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::{StreamLogsRequest, StreamLogsResponse};
use tonic::Streaming;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::LogsArgs;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::log::Log;
use crate::render::{plain_text, views};

/// Shows a worker's last lines and, if wanted, those to come, until the worker is gone or Ctrl-C.
pub(super) async fn run(arguments: &LogsArgs, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let worker = cluster.worker(&arguments.id).await?;
    let doing = || format!("can't read the log of worker {}", worker.id);
    let mut hive = HiveServiceClient::new(cluster.hive_channel(&worker.hive_address).await?);
    let request = StreamLogsRequest {
        worker_id: worker.id.clone(),
        tail_lines: Some(arguments.lines),
        follow: arguments.follow,
    };
    let outcome = or_ctrl_c(async {
        let mut lines = hive.stream_logs(request).await.doing(doing)?.into_inner();
        show(&mut lines, arguments, session, doing).await
    })
    .await;
    match outcome {
        Outcome::Done(result) => {
            result?;
            if arguments.follow && !session.output.json {
                note(&format!("worker {} is gone", plain_text::one_line(&worker.id)));
            }
            Ok(())
        }
        // Following ends by Ctrl-C, as `tail -f` does.
        Outcome::Interrupted => Ok(()),
    }
}

async fn show(
    messages: &mut Streaming<StreamLogsResponse>,
    arguments: &LogsArgs,
    session: &Session,
    doing: impl Fn() -> String,
) -> Result<(), Failure> {
    let mut log = Log::new(session.output.paint, arguments.timestamps);
    while let Some(message) = messages.message().await.doing(&doing)? {
        if session.output.json {
            for line in &message.lines {
                session.output.json_line(&views::LogLine::from(line))?;
            }
        } else {
            let text: String = message.lines.iter().map(|line| log.show(line)).collect();
            session.output.text(&text)?;
        }
    }
    Ok(())
}
