//! The telemetry of every hive that can be reached, each by a stream of its own.

use std::collections::HashMap;

use rbee_proto::hive::v1::{WatchTelemetryRequest, WatchTelemetryResponse};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::{Status, Streaming};

use super::{Told, Watch, keep_open};
use crate::client::cluster::Cluster;
use crate::client::convert;
use crate::client::failure::Failure;
use crate::model::cluster::Hive;
use crate::model::ids::HiveId;
use crate::model::telemetry::TelemetryChange;

/// Follows the hives that are told of, as they come and go. Dropping it ends all their streams.
pub(super) async fn follow(cluster: &Cluster, told: &Sender<Told>, mut hives: watch::Receiver<Vec<Hive>>) {
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<HiveId, (String, tokio::task::AbortHandle)> = HashMap::new();
    loop {
        let wanted: HashMap<HiveId, String> = hives
            .borrow_and_update()
            .iter()
            .filter(|hive| hive.reachable)
            .map(|hive| (hive.id.clone(), hive.address.clone()))
            .collect();
        let left: Vec<HiveId> = followed
            .iter()
            .filter(|(id, (address, _))| wanted.get(*id) != Some(address))
            .map(|(id, _)| id.clone())
            .collect();
        for id in left {
            if let Some((_, task)) = followed.remove(&id) {
                task.abort();
            }
            let _ = told.send(Told::Telemetry(TelemetryChange::Lost(id))).await;
        }
        for (id, address) in wanted {
            followed.entry(id.clone()).or_insert_with(|| {
                let watch = TelemetryWatch {
                    cluster: cluster.clone(),
                    hive: id,
                    address: address.clone(),
                };
                let told = told.clone();
                (address, tasks.spawn(async move { keep_open(watch, &told).await }))
            });
        }
        if hives.changed().await.is_err() {
            return;
        }
    }
}

struct TelemetryWatch {
    cluster: Cluster,
    hive: HiveId,
    address: String,
}

impl Watch for TelemetryWatch {
    type Message = WatchTelemetryResponse;

    async fn open(&mut self) -> Result<Streaming<Self::Message>, Status> {
        let client = self.cluster.hive(&self.address);
        let mut client = client.map_err(|failure| Status::failed_precondition(failure.sentence))?;
        Ok(client
            .watch_telemetry(WatchTelemetryRequest::default())
            .await?
            .into_inner())
    }

    fn began(&mut self) -> Option<Told> {
        None
    }

    fn took(&mut self, message: Self::Message) -> Vec<Told> {
        let sample = convert::telemetry::sample(self.hive.clone(), message);
        vec![Told::Telemetry(TelemetryChange::Measured(Box::new(sample)))]
    }

    fn lost(&mut self, _: &Failure, _: u32) -> Option<Told> {
        Some(Told::Telemetry(TelemetryChange::Lost(self.hive.clone())))
    }
}
