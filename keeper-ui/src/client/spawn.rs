//! Spawns: every hive is asked whether a worker would fit, then one is told to start it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use rbee_proto::catalog::v1::ListWorkerBinariesRequest;
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::convert::spawn::{Program, check, event, order, places, program};
use super::failure::Failure;
use crate::model::cluster::{Hive, WorkerType};
use crate::model::ids::ModelId;
use crate::model::models::Model;
use crate::model::wizard::{Answer, Place, Refusal, SpawnEvent};

/// How long a hive may take to answer. One that is stuck must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(10);
/// Models that are asked about at the same time.
const AT_ONCE: usize = 4;
/// Events that wait for the window.
const WAITING_EVENTS: usize = 16;

/// What a hive says of a device, for each of its devices.
type Told = Result<Vec<Place>, Refusal<Failure>>;

/// The worker programs that are installed.
///
/// # Errors
/// If the catalog does not say.
pub async fn programs(cluster: &Cluster) -> Result<Vec<Program>, Failure> {
    let request = ListWorkerBinariesRequest {
        page_size: 1000,
        ..ListWorkerBinariesRequest::default()
    };
    let answer = cluster.worker_binaries().list_worker_binaries(request).await?;
    Ok(answer
        .into_inner()
        .worker_binaries
        .iter()
        .filter_map(program)
        .collect())
}

/// Asks about models, a few at a time, and tells each answer as it comes.
pub async fn check_models(
    cluster: &Cluster,
    models: Vec<Model>,
    hives: &[Hive],
    mut told: impl FnMut(ModelId, Answer<Failure>),
) {
    // Where the catalog does not say which programs there are, step 3 of the spawn will.
    let programs = programs(cluster).await.ok();
    let mut models = models.iter();
    let ask = |model| check_model(cluster, model, hives, programs.as_deref());
    let mut asked: FuturesUnordered<_> = models.by_ref().take(AT_ONCE).map(ask).collect();
    while let Some((model, answer)) = asked.next().await {
        told(model, answer);
        asked.extend(models.next().map(ask));
    }
}

async fn check_model(
    cluster: &Cluster,
    model: &Model,
    hives: &[Hive],
    programs: Option<&[Program]>,
) -> (ModelId, Answer<Failure>) {
    let reachable = hives.iter().filter(|hive| hive.reachable);
    let asked = reachable.flat_map(|hive| {
        let runs = |worker_type: &&WorkerType| {
            let hardware = Some(worker_type.hardware);
            hive.devices.iter().any(|device| device.hardware == hardware)
        };
        let types = model.worker_types.iter().filter(runs);
        types.map(move |&worker_type| check_one(cluster, model, hive, worker_type, programs))
    });
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for told in join_all(asked).await {
        match told {
            Ok(places) => found.extend(places),
            Err(refusal) => refused.push(refusal),
        }
    }
    (model.id.clone(), Answer::new(found, refused))
}

async fn check_one(
    cluster: &Cluster,
    model: &Model,
    hive: &Hive,
    worker_type: WorkerType,
    programs: Option<&[Program]>,
) -> Told {
    let refusal = |failure| Refusal {
        hive_name: hive.name.clone(),
        failure,
    };
    if hive.draining {
        let draining = rbee_service_kit::reason::HIVE_DRAINING;
        return Err(refusal(Failure::of_reason(draining, "")));
    }
    let has_program = programs.is_none_or(|programs| {
        let fits =
            |program: &Program| program.worker_type == worker_type && program.platform == hive.platform;
        programs.iter().any(fits)
    });
    let ask = async {
        let mut client = cluster.hive(&hive.address)?;
        let answer = client.check_spawn(check(model.id.as_str(), worker_type)).await?;
        Ok(answer.into_inner())
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(answer)) => Ok(places(hive, worker_type, has_program, answer)),
        Ok(Err(failure)) => Err(refusal(failure)),
        Err(_) => Err(refusal(Failure::new(format!(
            "{} gave no answer within {} s.",
            hive.name,
            PATIENCE.as_secs()
        )))),
    }
}

/// A spawn that is followed. Dropping it stops the following; the spawn goes on.
#[derive(Debug)]
pub struct Spawning {
    events: mpsc::Receiver<SpawnEvent<Failure>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Spawning {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Spawning {
    /// What happens next; `None` after the end. Cancel safe: an event is either taken or waits.
    pub async fn next(&mut self) -> Option<SpawnEvent<Failure>> {
        self.events.recv().await
    }
}

/// Starts a worker. Needs a tokio runtime.
#[must_use]
pub fn spawn_worker(cluster: Cluster, model: ModelId, place: Place) -> Spawning {
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let task = tokio::spawn(async move {
        if let Err(failure) = follow(&cluster, &model, &place, &sender).await {
            // Whoever left needs no failure.
            let _ = sender.send(SpawnEvent::Failed(failure)).await;
        }
    });
    Spawning { events, task }
}

async fn follow(
    cluster: &Cluster,
    model: &ModelId,
    place: &Place,
    sender: &mpsc::Sender<SpawnEvent<Failure>>,
) -> Result<(), Failure> {
    let mut client = cluster.hive(&place.hive_address)?;
    let request_id = uuid::Uuid::now_v7().to_string();
    let request = order(model.as_str(), place, request_id);
    let mut stream = client.spawn_worker(request).await?.into_inner();
    let mut named = false;
    while let Some(told) = stream.message().await? {
        if !named && !told.worker_id.is_empty() {
            named = true;
            // A window that left is found below.
            let _ = sender.send(SpawnEvent::Named(told.worker_id.into())).await;
        }
        let Some(event) = told.event.and_then(event) else {
            continue;
        };
        let ends = event == SpawnEvent::Ready;
        if sender.send(event).await.is_err() || ends {
            return Ok(());
        }
    }
    Err(Failure::new(
        "The hive stopped telling about it before the worker was ready.",
    ))
}
