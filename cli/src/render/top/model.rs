//! What `rbee top` knows: the cluster as the catalog has it, and what each hive has measured last.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::hive::v1::{WatchTelemetryResponse, WorkerTelemetry};
use rbee_proto::types::v1::{Device, Hive, Worker};

/// Measurements of a worker that are kept for its sparkline.
const KEPT_SAMPLES: usize = 60;

/// Whether somebody tells us how things are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// Nothing was heard yet.
    #[default]
    Connecting,
    /// It tells.
    Live,
    /// It can't be heard now; it is tried again.
    Lost {
        /// Why.
        why: String,
    },
}

/// News.
#[derive(Debug)]
pub(crate) enum Update {
    /// All hives and workers, as the catalog has them.
    Cluster {
        /// The hives.
        hives: Vec<Hive>,
        /// The workers.
        workers: Vec<Worker>,
    },
    /// A change of the cluster.
    Change(Box<Event>),
    /// The catalog can't be heard.
    ClusterLost {
        /// Why.
        why: String,
    },
    /// What a hive has measured.
    Telemetry {
        /// The hive's id.
        hive_id: String,
        /// The measurements.
        measured: WatchTelemetryResponse,
    },
    /// A hive can't be heard.
    HiveLost {
        /// The hive's id.
        hive_id: String,
        /// Why.
        why: String,
    },
}

/// All that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// Whether the catalog tells.
    pub(crate) cluster: Link,
    /// The hives by id.
    pub(super) hives: BTreeMap<String, HiveNow>,
    /// The workers by id.
    pub(super) workers: BTreeMap<String, Worker>,
    /// What was measured of workers before, by id: the oldest first, absent where it was not measured.
    pub(super) history: HashMap<String, VecDeque<Option<f64>>>,
}

/// A hive, and what it has measured last.
#[derive(Debug, Clone, Default)]
pub(crate) struct HiveNow {
    /// As the catalog has it.
    pub(super) hive: Hive,
    /// Whether it tells.
    pub(super) link: Link,
    /// Its devices as it measured them last; empty while it does not tell.
    pub(super) devices: Vec<Device>,
    /// Its workers' measurements, by worker id; empty while it does not tell.
    pub(super) measured: HashMap<String, WorkerTelemetry>,
    /// Messages since it could be heard.
    rounds: u64,
}

/// What a worker makes per second, of whichever kind.
pub(super) fn rate_of(measured: &WorkerTelemetry) -> Option<f64> {
    measured.tokens_per_second.or(measured.steps_per_second)
}

impl Model {
    /// Takes news in.
    pub(crate) fn apply(&mut self, update: Update) {
        match update {
            Update::Cluster { hives, workers } => self.replace(hives, workers),
            Update::Change(event) => self.change(*event),
            Update::ClusterLost { why } => self.cluster = Link::Lost { why },
            Update::Telemetry { hive_id, measured } => self.measured(&hive_id, measured),
            Update::HiveLost { hive_id, why } => {
                if let Some(now) = self.hives.get_mut(&hive_id) {
                    *now = HiveNow {
                        hive: std::mem::take(&mut now.hive),
                        link: Link::Lost { why },
                        ..HiveNow::default()
                    };
                }
            }
        }
    }

    /// Where the hives are reached, by id.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        let hives = self.hives.iter();
        hives.map(|(id, now)| (id.as_str(), now.hive.address.as_str()))
    }

    /// A hive's name, or its id where that is not known.
    pub(crate) fn hive_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.hives.get(id).map_or(id, |now| now.hive.name.as_str())
    }

    /// A worker, as the catalog has it.
    pub(crate) fn worker(&self, id: &str) -> Option<&Worker> {
        self.workers.get(id)
    }

    /// Whether each hive has told this many times, or can't be heard.
    pub(crate) fn heard(&self, rounds: u64) -> bool {
        self.cluster != Link::Connecting
            && self
                .hives
                .values()
                .all(|now| now.rounds >= rounds || matches!(now.link, Link::Lost { .. }))
    }

    /// How often the hive that these news are of has measured before, since it could be heard.
    pub(crate) fn rounds(&self, update: &Update) -> u64 {
        match update {
            Update::Telemetry { hive_id, .. } => self.hives.get(hive_id).map_or(0, |now| now.rounds),
            _ => 0,
        }
    }

    fn replace(&mut self, hives: Vec<Hive>, workers: Vec<Worker>) {
        let known: HashSet<&str> = hives.iter().map(|hive| hive.id.as_str()).collect();
        self.hives.retain(|id, _| known.contains(id.as_str()));
        for hive in hives {
            self.upsert_hive(hive);
        }
        self.workers = workers
            .into_iter()
            .map(|worker| (worker.id.clone(), worker))
            .collect();
        let workers = &self.workers;
        self.history.retain(|id, _| workers.contains_key(id));
        self.cluster = Link::Live;
    }

    fn change(&mut self, event: Event) {
        match event {
            Event::HiveUpserted(hive) => self.upsert_hive(hive),
            Event::HiveRemovedId(id) => {
                self.hives.remove(&id);
            }
            Event::WorkerUpserted(worker) => {
                self.workers.insert(worker.id.clone(), worker);
            }
            Event::WorkerRemovedId(id) => {
                self.workers.remove(&id);
                self.history.remove(&id);
            }
            Event::Synced(_) => {}
        }
    }

    fn upsert_hive(&mut self, hive: Hive) {
        let now = self.hives.entry(hive.id.clone()).or_default();
        now.hive = hive;
    }

    fn measured(&mut self, hive_id: &str, measured: WatchTelemetryResponse) {
        // One that the catalog has dropped meanwhile.
        let Some(now) = self.hives.get_mut(hive_id) else {
            return;
        };
        now.link = Link::Live;
        now.rounds += 1;
        now.devices = measured.devices;
        now.measured = measured
            .workers
            .into_iter()
            .map(|worker| (worker.worker_id.clone(), worker))
            .collect();
        for (id, worker) in &now.measured {
            let history = self.history.entry(id.clone()).or_default();
            if history.len() == KEPT_SAMPLES {
                history.pop_front();
            }
            history.push_back(rate_of(worker));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hive(id: &str) -> Hive {
        Hive {
            id: id.into(),
            name: format!("name of {id}"),
            ..Hive::default()
        }
    }

    fn worker(id: &str) -> Worker {
        Worker {
            id: id.into(),
            hive_id: "h1".into(),
            ..Worker::default()
        }
    }

    fn telemetry(rate: f64) -> Update {
        Update::Telemetry {
            hive_id: "h1".into(),
            measured: WatchTelemetryResponse {
                workers: vec![WorkerTelemetry {
                    worker_id: "w1".into(),
                    tokens_per_second: Some(rate),
                    ..WorkerTelemetry::default()
                }],
                ..WatchTelemetryResponse::default()
            },
        }
    }

    fn known() -> Model {
        let mut model = Model::default();
        model.apply(Update::Cluster {
            hives: vec![hive("h1"), hive("h2")],
            workers: vec![worker("w1")],
        });
        model
    }

    #[test]
    fn a_hive_that_is_lost_takes_its_measurements_with_it_and_comes_back() {
        let mut model = known();
        model.apply(telemetry(40.0));
        assert_eq!(model.hives["h1"].measured.len(), 1);
        model.apply(Update::HiveLost {
            hive_id: "h1".into(),
            why: "gone".into(),
        });
        let lost = &model.hives["h1"];
        assert!(lost.measured.is_empty(), "old numbers are none");
        assert_eq!(lost.link, Link::Lost { why: "gone".into() });
        assert_eq!(model.hive_name("h1"), "name of h1");
        model.apply(telemetry(41.0));
        assert_eq!(model.hives["h1"].link, Link::Live);
        assert_eq!(model.history["w1"], [Some(40.0), Some(41.0)]);
    }

    #[test]
    fn a_new_snapshot_forgets_who_left_meanwhile_and_keeps_who_stayed() {
        let mut model = known();
        model.apply(telemetry(40.0));
        model.apply(Update::ClusterLost { why: "gone".into() });
        model.apply(Update::Cluster {
            hives: vec![hive("h1")],
            workers: vec![worker("w2")],
        });
        assert_eq!(model.cluster, Link::Live);
        assert_eq!(model.addresses().count(), 1);
        assert_eq!(model.hives["h1"].link, Link::Live);
        assert!(model.worker("w1").is_none() && model.worker("w2").is_some());
        assert!(!model.history.contains_key("w1"));
    }

    #[test]
    fn histories_are_bounded() {
        let mut model = known();
        for rate in 0..200 {
            model.apply(telemetry(f64::from(rate)));
        }
        assert_eq!(model.history["w1"].len(), KEPT_SAMPLES);
        assert_eq!(model.history["w1"].back(), Some(&Some(199.0)));
    }

    #[test]
    fn everybody_is_heard_when_each_has_told_or_is_lost() {
        let mut model = Model::default();
        assert!(!model.heard(1), "the catalog has not told yet who there is");
        model = known();
        assert!(!model.heard(1));
        model.apply(Update::HiveLost {
            hive_id: "h2".into(),
            why: "gone".into(),
        });
        model.apply(telemetry(1.0));
        assert!(model.heard(1));
        assert!(!model.heard(2));
    }
}
