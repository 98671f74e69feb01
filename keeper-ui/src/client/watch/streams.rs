//! The streams of the server itself: cluster, models, narration.

use rbee_proto::catalog::v1::{
    WatchClusterRequest, WatchClusterResponse, WatchModelsRequest, WatchModelsResponse,
};
use rbee_proto::events::v1::{WatchEventsRequest, WatchEventsResponse};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::{Told, Watch, keep_open};
use crate::client::cluster::Cluster;
use crate::client::convert;
use crate::client::failure::Failure;
use crate::model::cluster::{ClusterChange, ClusterView, Hive};
use crate::model::connection::ConnectionState;
use crate::model::narration::NarrationChange;

/// Lines of narration that a watch begins with.
const BACKLOG: u32 = 500;

/// Watches hives and workers. This stream is the one by which the window says whether it is connected.
pub(super) async fn cluster(cluster: &Cluster, told: &Sender<Told>, hives: &watch::Sender<Vec<Hive>>) {
    let watch = ClusterWatch {
        cluster,
        hives,
        known: ClusterView::default(),
    };
    keep_open(watch, told).await;
}

struct ClusterWatch<'a> {
    cluster: &'a Cluster,
    hives: &'a watch::Sender<Vec<Hive>>,
    /// The hives as told, for the watches of their telemetry.
    known: ClusterView,
}

impl Watch for ClusterWatch<'_> {
    type Message = WatchClusterResponse;

    async fn open(&mut self) -> Result<Streaming<Self::Message>, Status> {
        let mut client = self.cluster.registry();
        Ok(client.watch_cluster(WatchClusterRequest {}).await?.into_inner())
    }

    fn began(&mut self) -> Option<Told> {
        self.known.apply(ClusterChange::Began);
        Some(Told::Cluster(ClusterChange::Began))
    }

    fn took(&mut self, message: Self::Message) -> Vec<Told> {
        let Some(change) = convert::cluster::change(message) else {
            return Vec::new();
        };
        let synced = matches!(change, ClusterChange::Synced);
        if !matches!(change, ClusterChange::Worker(_) | ClusterChange::WorkerRemoved(_)) {
            self.known.apply(change.clone());
            let hives: Vec<Hive> = self.known.hives.values().cloned().collect();
            self.hives.send_if_modified(|told| {
                let places = |hives: &[Hive]| -> Vec<_> {
                    hives
                        .iter()
                        .map(|hive| (hive.id.clone(), hive.address.clone(), hive.reachable))
                        .collect()
                };
                let changed = places(told) != places(&hives);
                *told = hives;
                changed
            });
        }
        let mut all = vec![Told::Cluster(change)];
        if synced {
            all.push(Told::Connection(ConnectionState::Connected));
        }
        all
    }

    fn lost(&mut self, failure: &Failure, attempts: u32) -> Option<Told> {
        let why = failure.detail.clone().unwrap_or_else(|| failure.sentence.clone());
        Some(Told::Connection(if failure.is_refusal() {
            ConnectionState::Refused {
                why: failure.sentence.clone(),
            }
        } else {
            ConnectionState::Lost { why, attempts }
        }))
    }
}

/// Watches models; goes on from the revision that it has.
pub(super) async fn models(cluster: &Cluster, told: &Sender<Told>) {
    keep_open(
        ModelsWatch {
            cluster,
            revision: None,
        },
        told,
    )
    .await;
}

struct ModelsWatch<'a> {
    cluster: &'a Cluster,
    revision: Option<u64>,
}

impl Watch for ModelsWatch<'_> {
    type Message = WatchModelsResponse;

    async fn open(&mut self) -> Result<Streaming<Self::Message>, Status> {
        let mut client = self.cluster.models();
        let request = WatchModelsRequest {
            resume_revision: self.revision,
        };
        Ok(client.watch_models(request).await?.into_inner())
    }

    fn began(&mut self) -> Option<Told> {
        None
    }

    fn took(&mut self, message: Self::Message) -> Vec<Told> {
        let revision = message.revision;
        let Some(change) = convert::models::change(message) else {
            return Vec::new();
        };
        // A snapshot that breaks off before its end is no point to go on from.
        self.revision = match (&change, self.revision) {
            (crate::model::models::ModelsChange::Reset, _) => None,
            (crate::model::models::ModelsChange::Synced, _) | (_, Some(_)) => Some(revision),
            (_, None) => None,
        };
        vec![Told::Models(change)]
    }

    fn lost(&mut self, _: &Failure, _: u32) -> Option<Told> {
        None
    }
}

/// Follows the narration of the server.
pub(super) async fn narration(cluster: &Cluster, told: &Sender<Told>) {
    keep_open(NarrationWatch { cluster }, told).await;
}

struct NarrationWatch<'a> {
    cluster: &'a Cluster,
}

impl Watch for NarrationWatch<'_> {
    type Message = WatchEventsResponse;

    async fn open(&mut self) -> Result<Streaming<Self::Message>, Status> {
        let mut client = self.cluster.events();
        let request = WatchEventsRequest {
            backlog: BACKLOG,
            ..WatchEventsRequest::default()
        };
        Ok(client.watch_events(request).await?.into_inner())
    }

    fn began(&mut self) -> Option<Told> {
        Some(Told::Narration(NarrationChange::Began))
    }

    fn took(&mut self, message: Self::Message) -> Vec<Told> {
        let missed = (message.missed > 0).then_some(NarrationChange::Missed(message.missed));
        let line = message
            .event
            .map(|event| NarrationChange::Told(Box::new(convert::narration::line(event))));
        missed.into_iter().chain(line).map(Told::Narration).collect()
    }

    fn lost(&mut self, _: &Failure, _: u32) -> Option<Told> {
        None
    }
}
