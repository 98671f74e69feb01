//! Calls of image workers: what they are, and pictures as they are made.

use rbee_proto::hive::v1::AttachAddOnsRequest;
use rbee_proto::worker::v1::{GetInfoRequest, ListSamplersRequest};
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::convert::image::{event, facts, request};
use super::failure::Failure;
use super::shelf::Shelf;
use crate::model::ids::WorkerId;
use crate::model::image::{Facts, RunEvent, Settings};

/// Events that wait for the window. While it is full the worker is not read, and leaves previews out by itself.
const WAITING_EVENTS: usize = 16;

/// Which worker, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Painter {
    /// The worker.
    pub worker: WorkerId,
    /// Its hive's address.
    pub hive_address: String,
}

/// Pictures on their way. Dropping it ends the stream, and the worker stops within a step.
#[derive(Debug)]
pub struct Painting {
    events: mpsc::Receiver<RunEvent<Failure>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Painting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Painting {
    /// What happens next; `None` after the end. Cancel safe: an event is either taken or waits.
    pub async fn next(&mut self) -> Option<RunEvent<Failure>> {
        self.events.recv().await
    }

    /// What has happened already, without waiting.
    pub fn ready(&mut self) -> Option<RunEvent<Failure>> {
        self.events.try_recv().ok()
    }
}

/// What a worker says of itself.
///
/// # Errors
/// If it can't be reached, or serves no image model.
pub async fn read_facts(cluster: &Cluster, painter: &Painter) -> Result<Facts, Failure> {
    let Painter { worker, hive_address } = painter;
    let mut info = cluster.worker(worker, hive_address)?;
    let mut image = cluster.image(worker, hive_address)?;
    let (info, samplers) = tokio::try_join!(
        info.get_info(GetInfoRequest {}),
        image.list_samplers(ListSamplersRequest {})
    )?;
    facts(info.into_inner(), samplers.into_inner())
        .ok_or_else(|| Failure::new("This worker makes no pictures."))
}

/// Asks for pictures. LoRAs that the worker lacks are given to it before. Needs a tokio runtime.
#[must_use]
pub fn paint(cluster: Cluster, painter: Painter, settings: Settings, shelf: Shelf) -> Painting {
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let task = tokio::spawn(async move {
        if let Err(failure) = follow(&cluster, &painter, settings, &shelf, &sender).await {
            // Whoever left needs no failure.
            let _ = sender.send(RunEvent::Failed(failure)).await;
        }
    });
    Painting { events, task }
}

async fn follow(
    cluster: &Cluster,
    painter: &Painter,
    settings: Settings,
    shelf: &Shelf,
    sender: &mpsc::Sender<RunEvent<Failure>>,
) -> Result<(), Failure> {
    attach(cluster, painter, &settings).await?;
    let mut client = cluster.image(&painter.worker, &painter.hive_address)?;
    // A mask of 8192 by 8192 pixels takes a moment: not on a thread that others wait for.
    let request = tokio::task::spawn_blocking(move || request(&settings))
        .await
        .map_err(|error| Failure::new("The request could not be put together.").because(error.to_string()))?;
    let mut stream = client.generate_image(request).await?.into_inner();
    while let Some(told) = stream.message().await? {
        let Some(event) = event(told, shelf) else {
            continue;
        };
        let ends = matches!(event, RunEvent::Finished(_) | RunEvent::Failed(_));
        if sender.send(event).await.is_err() || ends {
            return Ok(());
        }
    }
    Err(Failure::new(
        "The worker stopped answering before the picture was done.",
    ))
}

/// Gives the worker what is used beside its model. What it has already is no error.
async fn attach(cluster: &Cluster, painter: &Painter, settings: &Settings) -> Result<(), Failure> {
    let model_ids: Vec<String> = settings.add_ons().iter().map(ToString::to_string).collect();
    if model_ids.is_empty() {
        return Ok(());
    }
    let mut hive = cluster.hive(&painter.hive_address)?;
    hive.attach_add_ons(AttachAddOnsRequest {
        worker_id: painter.worker.to_string(),
        model_ids,
    })
    .await?;
    Ok(())
}
