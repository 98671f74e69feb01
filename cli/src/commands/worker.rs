//! `rbee worker`, but for [`spawn`].

use rbee_proto::catalog::v1::ListWorkerBinariesRequest;
use rbee_proto::hive::v1::StopWorkerRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::{Worker, WorkerState};
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{GetInfoRequest, GetInfoResponse};

use super::{Session, check, spawn, status};
use crate::args::WorkerCommand;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::identify;
use crate::render::{cards, human, lists, plain_text, views};

/// Does what was asked.
pub(super) async fn run(command: WorkerCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    match command {
        WorkerCommand::Spawn(arguments) => spawn::run(&arguments, &cluster, session).await,
        WorkerCommand::Check(wants) => check::run(&wants, &cluster, session).await,
        WorkerCommand::Ls => list(&cluster, session).await,
        WorkerCommand::Show { id } => show(&cluster, &id, session).await,
        WorkerCommand::Stop { ids } => stop(&cluster, &ids, session).await,
        WorkerCommand::Binaries => binaries(&cluster, session).await,
    }
}

async fn list(cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let (workers, hives) = tokio::try_join!(cluster.all_workers(), cluster.all_hives())?;
    let documents: Vec<_> = workers.iter().map(views::Worker::from).collect();
    let if_empty = if workers.is_empty() && !session.output.json {
        status::no_workers(&cluster.all_models().await?)
    } else {
        String::new()
    };
    session.output.list(
        &documents,
        || lists::workers(&workers, &hives, &human::now()),
        &if_empty,
    )?;
    Ok(())
}

async fn show(cluster: &Cluster, id: &str, session: &Session) -> Result<(), Failure> {
    let (worker, hives) = tokio::try_join!(cluster.worker(id), cluster.all_hives())?;
    let info = if worker.state == WorkerState::Ready as i32 {
        // What it tells of itself is an extra: a worker that dies right now is shown without.
        info(cluster, &worker).await.ok()
    } else {
        None
    };
    let output = session.output;
    if output.json {
        output.document(&views::WorkerDetails::new(&worker, info.as_ref()))?;
    } else {
        let hive = hives.iter().find(|hive| hive.id == worker.hive_id);
        let card = cards::worker(&worker, hive, info.as_ref(), &human::now());
        output.text(&card.render(output.paint))?;
    }
    Ok(())
}

async fn info(cluster: &Cluster, worker: &Worker) -> Result<GetInfoResponse, Failure> {
    let mut client = WorkerServiceClient::new(cluster.worker_channel(worker).await?);
    let answer = client.get_info(GetInfoRequest {}).await;
    Ok(answer
        .doing(|| format!("can't ask worker {}", worker.id))?
        .into_inner())
}

async fn stop(cluster: &Cluster, ids: &[String], session: &Session) -> Result<(), Failure> {
    let workers = cluster.all_workers().await?;
    // All are named before the first is stopped: a typing error stops none.
    let workers: Vec<&Worker> = ids
        .iter()
        .map(|id| identify::one(id, &workers, |worker| &worker.id))
        .collect::<Result<_, _>>()
        .map_err(|error| error.failure("worker"))?;
    for worker in workers {
        let doing = || format!("can't stop worker {}", worker.id);
        let mut hive = HiveServiceClient::new(cluster.hive_channel(&worker.hive_address).await?);
        let request = StopWorkerRequest {
            worker_id: worker.id.clone(),
        };
        let stopped = hive
            .stop_worker(request)
            .await
            .doing(doing)?
            .into_inner()
            .worker
            .unwrap_or_default();
        if session.output.json {
            session.output.json_line(&views::Worker::from(&stopped))?;
        } else {
            session
                .output
                .line(&format!("stopped {}", plain_text::one_line(&worker.id)))?;
        }
    }
    Ok(())
}

async fn binaries(cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let mut client = cluster.worker_binaries();
    let mut binaries = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListWorkerBinariesRequest {
            page_token,
            ..ListWorkerBinariesRequest::default()
        };
        let answer = client.list_worker_binaries(request).await;
        let page = answer
            .doing(|| "can't list the worker programs".into())?
            .into_inner();
        binaries.extend(page.worker_binaries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let documents: Vec<_> = binaries.iter().map(views::WorkerBinary::from).collect();
    session.output.list(
        &documents,
        || lists::worker_binaries(&binaries, &human::now()),
        "none: `rbee up` installs those that lie beside its own executable",
    )?;
    Ok(())
}
