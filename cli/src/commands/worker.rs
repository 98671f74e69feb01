//! `rbee worker`: what is asked in short. What takes longer has a file of its own.

use rbee_proto::catalog::v1::{DeleteWorkerBinaryRequest, ListWorkerBinariesRequest};
use rbee_proto::types::v1::{Worker, WorkerBinary};
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{GetInfoRequest, GetInfoResponse};

use super::{Session, attach, check, confirm, install, keep, logs, restart, spawn, status, stop};
use crate::args::WorkerCommand;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::identify;
use crate::render::{human, lists, plain_text, views, words, workers};

/// Does what was asked.
pub(super) async fn run(command: WorkerCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    match command {
        WorkerCommand::Spawn(arguments) => spawn::run(&arguments, &cluster, session).await,
        WorkerCommand::Check(wants) => check::run(&wants, &cluster, session).await,
        WorkerCommand::Ls => list(&cluster, session).await,
        WorkerCommand::Show { id } => show(&cluster, &id, session).await,
        WorkerCommand::Logs(arguments) => logs::run(&arguments, &cluster, session).await,
        WorkerCommand::Stop(arguments) => stop::run(&arguments, &cluster, session).await,
        WorkerCommand::Restart(arguments) => restart::run(&arguments, &cluster, session).await,
        WorkerCommand::Set(arguments) => keep::run(&arguments, &cluster, session).await,
        WorkerCommand::Attach { id, models } => attach::run(&id, models, &cluster, session).await,
        WorkerCommand::Install(arguments) => install::run(&arguments, &cluster, session).await,
        WorkerCommand::Packages => install::packages(&cluster, session).await,
        WorkerCommand::Binaries => binaries(&cluster, session).await,
        WorkerCommand::Rm { ids, yes } => remove(&cluster, &ids, yes, session).await,
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
        || workers::table(&workers, &hives, &human::now()),
        &if_empty,
    )?;
    Ok(())
}

async fn show(cluster: &Cluster, id: &str, session: &Session) -> Result<(), Failure> {
    let (worker, hives) = tokio::try_join!(cluster.worker(id), cluster.all_hives())?;
    let info = if workers::serves(worker.state) && !worker.unreachable {
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
        let card = workers::card(&worker, hive, info.as_ref(), &human::now());
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

async fn all_binaries(cluster: &Cluster) -> Result<Vec<WorkerBinary>, Failure> {
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
            return Ok(binaries);
        }
    }
}

async fn binaries(cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let binaries = all_binaries(cluster).await?;
    let documents: Vec<_> = binaries.iter().map(views::WorkerBinary::from).collect();
    session.output.list(
        &documents,
        || lists::worker_binaries(&binaries, &human::now()),
        "none: `rbee worker install TYPE` builds one; `rbee up` installs those beside its own executable",
    )?;
    Ok(())
}

async fn remove(cluster: &Cluster, ids: &[String], yes: bool, session: &Session) -> Result<(), Failure> {
    let binaries = all_binaries(cluster).await?;
    // All are named before the first is removed: a typing error removes none.
    let binaries: Vec<&WorkerBinary> = ids
        .iter()
        .map(|id| identify::one(id, &binaries, |binary| &binary.id))
        .collect::<Result<_, _>>()
        .map_err(|error| error.failure("worker program"))?;
    if !yes {
        let lines: Vec<String> = binaries.iter().map(|binary| words_of(binary)).collect();
        confirm::removal(&lines)?;
    }
    for binary in binaries {
        let request = DeleteWorkerBinaryRequest {
            id: binary.id.clone(),
        };
        let answer = cluster.worker_binaries().delete_worker_binary(request).await;
        let deleted = answer
            .doing(|| format!("can't remove {}", words_of(binary)))?
            .into_inner()
            .deleted;
        if session.output.json {
            session
                .output
                .json_line(&serde_json::json!({ "id": binary.id, "deleted": deleted }))?;
        } else if deleted {
            session
                .output
                .line(&format!("removed {}", plain_text::one_line(&words_of(binary))))?;
        }
    }
    Ok(())
}

/// `cpu-llm 0.1.0 (llm-worker-rbee-cpu-0.1.0-…)`
fn words_of(binary: &WorkerBinary) -> String {
    format!(
        "{} {} ({})",
        words::worker_type(binary.worker_type),
        binary.version,
        binary.id
    )
}
