//! The watches: one task a stream, and one order in which what they say comes to the stores.
//!
//! A stream that ends is opened again after a wait that grows ([`Backoff`]); what was known stays on the screen meanwhile.
//! Cluster, models, narration and every hive's telemetry have a stream each, so that one that stalls holds up no other.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::cluster::Cluster;
use super::failure::Failure;
use super::server::Server;
use crate::model::cluster::ClusterChange;
use crate::model::connection::{Backoff, ConnectionState};
use crate::model::models::ModelsChange;
use crate::model::narration::NarrationChange;
use crate::model::telemetry::TelemetryChange;

mod streams;
mod telemetry;

/// What comes from the cluster.
#[derive(Debug)]
pub enum Told {
    /// How the window stands with it.
    Connection(ConnectionState),
    /// The connection, for calls.
    Client(Cluster),
    /// Hives and workers.
    Cluster(ClusterChange),
    /// Models.
    Models(ModelsChange),
    /// What happens.
    Narration(NarrationChange),
    /// Measurements.
    Telemetry(TelemetryChange),
}

/// Changes that may wait for the window: a snapshot of a large cluster, while streams are held back beyond it.
pub const WAITING: usize = 1024;

/// How long an answer must have come for the connection to count as whole again.
const SETTLED: Duration = Duration::from_secs(5);

/// Connects to a server and watches it until told to stop. Ends also where the server refuses this window: another
/// attempt would end alike.
pub async fn run(server: Server, told: Sender<Told>, stop: CancellationToken) {
    // Safe to drop at any point: nothing is half done but reads.
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch(server, told) => {}
    }
}

async fn watch(server: Server, told: Sender<Told>) {
    let Some(cluster) = connect(&server, &told).await else {
        return;
    };
    let _ = told.send(Told::Client(cluster.clone())).await;
    let (hives, of_hives) = tokio::sync::watch::channel(Vec::new());
    tokio::join!(
        streams::cluster(&cluster, &told, &hives),
        streams::models(&cluster, &told),
        streams::narration(&cluster, &told),
        telemetry::follow(&cluster, &told, of_hives),
    );
}

/// Tries until it answers; `None` where it can't be called at all.
async fn connect(server: &Server, told: &Sender<Told>) -> Option<Cluster> {
    let _ = told.send(Told::Connection(ConnectionState::Connecting)).await;
    let mut backoff = Backoff::default();
    loop {
        match Cluster::connect(server).await {
            Ok(cluster) => return Some(cluster),
            Err(failure) if failure.is_unreachable() => {
                tell_lost(told, &failure, backoff.attempts()).await;
                tokio::time::sleep(backoff.next(random())).await;
            }
            Err(failure) => {
                let _ = told
                    .send(Told::Connection(ConnectionState::Refused {
                        why: failure.sentence,
                    }))
                    .await;
                return None;
            }
        }
    }
}

async fn tell_lost(told: &Sender<Told>, failure: &Failure, attempts: u32) {
    let why = failure.detail.clone().unwrap_or_else(|| failure.sentence.clone());
    let _ = told
        .send(Told::Connection(ConnectionState::Lost { why, attempts }))
        .await;
}

/// Why a watch ended.
enum End {
    /// It broke or ended: it is opened again.
    Broken(Failure),
    /// The window is closing.
    Closing,
}

/// One watch as its stream says it.
trait Watch {
    /// What its stream sends.
    type Message;

    /// Opens the stream.
    fn open(&mut self) -> impl Future<Output = Result<Streaming<Self::Message>, Status>> + Send;

    /// What is told before the first message of a stream.
    fn began(&mut self) -> Option<Told>;

    /// What a message tells.
    fn took(&mut self, message: Self::Message) -> Vec<Told>;

    /// What is told when the stream is lost; `attempts` failed in a row before.
    fn lost(&mut self, failure: &Failure, attempts: u32) -> Option<Told>;
}

/// Keeps a watch open until the window closes, or the server refuses it.
async fn keep_open(mut watch: impl Watch, told: &Sender<Told>) {
    let mut backoff = Backoff::default();
    loop {
        let began = tokio::time::Instant::now();
        let End::Broken(failure) = follow(&mut watch, told).await else {
            return;
        };
        if began.elapsed() > SETTLED {
            backoff.succeeded();
        }
        if let Some(lost) = watch.lost(&failure, backoff.attempts()) {
            let _ = told.send(lost).await;
        }
        if failure.is_refusal() {
            return;
        }
        tokio::time::sleep(backoff.next(random())).await;
    }
}

async fn follow(watch: &mut impl Watch, told: &Sender<Told>) -> End {
    let mut stream = match watch.open().await {
        Ok(stream) => stream,
        Err(status) => return End::Broken(Failure::from(status)),
    };
    if let Some(began) = watch.began()
        && told.send(began).await.is_err()
    {
        return End::Closing;
    }
    while let Some(message) = stream.next().await {
        let message = match message {
            Ok(message) => message,
            Err(status) => return End::Broken(Failure::from(status)),
        };
        for one in watch.took(message) {
            if told.send(one).await.is_err() {
                return End::Closing;
            }
        }
    }
    End::Broken(Failure::new("The server ended the watch."))
}

/// A number from 0 to 1, for jitter.
fn random() -> f64 {
    // The random part of an id; there is no need of a generator for this.
    let bytes = uuid::Uuid::now_v7().into_bytes();
    f64::from(u16::from_be_bytes([bytes[14], bytes[15]])) / f64::from(u16::MAX)
}
