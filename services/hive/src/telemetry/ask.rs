//! Asking workers what they do.

use std::time::Duration;

use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use rbee_proto::worker::v1::GetInfoRequest;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use tokio::time::Instant;
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::domain::Worker;
use crate::domain::rates::Done;
use crate::worker::{Link, Workers};

/// How long a worker may take to answer. Who watches waits for it.
const LIMIT: Duration = Duration::from_millis(500);

/// What a worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Requests that it is answering.
    pub(crate) running: u32,
    /// Requests that wait.
    pub(crate) waiting: u32,
    /// Most requests that it answers at the same time.
    pub(crate) slots: u32,
    /// What it has done since it started.
    pub(crate) done: Done,
}

/// Asks all of these at the same time, each for half a second at most. `None` for one that does not serve or does not
/// answer.
pub(super) async fn all(workers: &Workers, these: &[Worker]) -> Vec<Option<(Instant, Load)>> {
    let asking = these.iter().map(|worker| async {
        let link = workers.link(&worker.id)?;
        tokio::time::timeout(LIMIT, ask(link)).await.ok()?
    });
    join_all(asking).await
}

async fn ask(link: Link) -> Option<(Instant, Load)> {
    let mut request = Request::new(GetInfoRequest {});
    let authorization = http::HeaderMap::from_iter([(AUTHORIZATION, link.authorization)]);
    *request.metadata_mut() = MetadataMap::from_headers(authorization);
    let asked = Instant::now();
    let answer = WorkerServiceClient::new(link.channel).get_info(request).await;
    // It counted somewhere between the question and the answer; on a busy machine that is a while.
    let counted = asked + asked.elapsed() / 2;
    let load = answer.ok()?.into_inner().load?;
    let load = Load {
        running: load.running_requests,
        waiting: load.waiting_requests,
        slots: load.slot_count,
        done: Done {
            generated_tokens: load.generated_tokens,
            prompt_tokens: load.prefilled_tokens,
        },
    };
    Some((counted, load))
}
