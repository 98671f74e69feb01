//! `rbee hive`, but for [`drain`].

use std::time::Duration;

use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::{GetHiveRequest, ResumeRequest};
use rbee_proto::types::v1::{Hive, HiveState, Worker};

use super::{Session, drain};
use crate::args::HiveCommand;
use crate::connect::{Cluster, choose_hive};
use crate::failure::{Doing, Failure};
use crate::render::{hives, human, plain_text, views};

/// How long a hive may take to say how it is now. What it can't say, the catalog has from its last heartbeat.
const PATIENCE: Duration = Duration::from_secs(3);

/// Does what was asked.
pub(super) async fn run(command: HiveCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    match command {
        HiveCommand::Ls => list(&cluster, session).await,
        HiveCommand::Show { hive } => show(&cluster, hive.as_deref(), session).await,
        HiveCommand::Drain(arguments) => drain::run(&arguments, &cluster, session).await,
        HiveCommand::Resume { hive } => resume(&cluster, hive.as_deref(), session).await,
    }
}

async fn list(cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let (hives, workers) = tokio::try_join!(cluster.all_hives(), cluster.all_workers())?;
    let documents: Vec<_> = hives.iter().map(views::Hive::from).collect();
    session.output.list(
        &documents,
        || hives::table(&hives, &workers, &human::now()),
        "none: `rbee up` starts one",
    )?;
    Ok(())
}

async fn show(cluster: &Cluster, wanted: Option<&str>, session: &Session) -> Result<(), Failure> {
    let (hives, workers) = tokio::try_join!(cluster.all_hives(), cluster.all_workers())?;
    let known = choose_hive(&hives, wanted)?;
    let now = itself(cluster, known).await;
    let hive = now.as_ref().unwrap_or(known);
    let workers: Vec<&Worker> = workers
        .iter()
        .filter(|worker| worker.hive_id == hive.id)
        .collect();
    let output = session.output;
    if output.json {
        output.document(&views::HiveDetails::new(hive, &workers))?;
    } else {
        let text = hives::show(hive, &workers, now.is_some(), &human::now(), output.paint);
        output.text(&text)?;
    }
    Ok(())
}

/// The hive as it is now; `None` if it can't be reached or does not answer in time.
async fn itself(cluster: &Cluster, known: &Hive) -> Option<Hive> {
    if known.state != HiveState::Ready as i32 {
        return None;
    }
    let answer = async {
        let mut client = HiveServiceClient::new(cluster.hive_channel(&known.address).await.ok()?);
        client.get_hive(GetHiveRequest {}).await.ok()?.into_inner().hive
    };
    let now = tokio::time::timeout(PATIENCE, answer).await.ok().flatten()?;
    Some(Hive {
        // What the catalog alone knows.
        address: known.address.clone(),
        state: known.state,
        last_seen_at: known.last_seen_at,
        ..now
    })
}

async fn resume(cluster: &Cluster, wanted: Option<&str>, session: &Session) -> Result<(), Failure> {
    let hives = cluster.all_hives().await?;
    let hive = choose_hive(&hives, wanted)?;
    let mut client = HiveServiceClient::new(cluster.hive_channel(&hive.address).await?);
    let answer = client.resume(ResumeRequest {}).await;
    let resumed = answer
        .doing(|| format!("can't resume the hive {}", hive.name))?
        .into_inner()
        .hive
        .unwrap_or_default();
    if session.output.json {
        session.output.document(&views::Hive::from(&resumed))?;
    } else {
        session.output.line(&format!(
            "{} takes workers again: `rbee worker ls` shows those that come back",
            plain_text::one_line(&hive.name)
        ))?;
    }
    Ok(())
}
