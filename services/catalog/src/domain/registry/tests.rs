use std::collections::BTreeMap;

use proptest::prelude::*;
use rbee_artifacts::{DeviceId, WorkerType};

use super::*;
use crate::domain::cluster::WorkerState;

const TERMS: LeaseTerms = LeaseTerms {
    lease: Duration::from_secs(15),
    forget_after: Duration::from_secs(60),
};

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn at(&self, seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_800_000_000 + seconds as i64).unwrap();
        Now {
            monotonic: self.0 + Duration::from_secs(seconds),
            wall,
        }
    }
}

fn hive_id(number: u8) -> HiveId {
    format!("hive-{number}").parse().unwrap()
}

fn worker_id(number: u8) -> WorkerId {
    format!("worker-{number}").parse().unwrap()
}

fn devices(count: u8) -> Vec<Device> {
    (0..count)
        .map(|number| Device {
            id: format!("cuda:{number}").parse().unwrap(),
            name: "a card".into(),
            memory_total_bytes: Some(1 << 34),
            memory_free_bytes: None,
            core_count: None,
            uuid: String::new(),
            utilization_percent: None,
            temperature_celsius: None,
            compute_capability: String::new(),
            driver_version: String::new(),
            declared: false,
            uses: Vec::new(),
            memory_available_bytes: None,
        })
        .collect()
}

fn facts(number: u8, address: u8) -> HiveFacts {
    HiveFacts {
        id: hive_id(number),
        name: format!("host {number}"),
        address: format!("http://10.0.0.{address}:7220"),
        devices: devices(1),
        version: "0.1.0".into(),
        platform: None,
        draining: false,
    }
}

fn worker(hive: u8, number: u8, state: WorkerState) -> Worker {
    Worker {
        id: worker_id(number),
        model_id: "local:qwen".parse().unwrap(),
        worker_type: WorkerType::CpuLlm,
        device_id: Some(DeviceId::CPU),
        state,
        hive_id: hive_id(hive),
        hive_address: String::new(),
        created_at: Timestamp::from_second(1_800_000_000 - i64::from(number)).ok(),
        failure: None,
        load_fraction: None,
        context_length: None,
        process_id: None,
        memory: None,
        state_since: None,
        restart_count: 0,
        next_attempt_at: None,
        pinned: false,
        idle_ttl: None,
    }
}

#[test]
fn silence_ends_a_lease_and_a_word_renews_it() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    registry.register_hive(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    assert_eq!(registry.next_deadline(), Some(clock.at(15).monotonic));
    assert_eq!(registry.expire(clock.at(14).monotonic), []);

    let steps = registry.expire(clock.at(15).monotonic);
    assert!(
        matches!(&steps[..], [ClusterStep { change: ClusterChange::HiveUpserted(hive), .. }]
            if hive.state == HiveState::Unreachable && hive.last_seen_at == clock.at(0).wall),
        "{steps:?}"
    );
    assert_eq!(registry.workers(None).len(), 1, "its workers stay listed");
    assert_eq!(registry.expire(clock.at(16).monotonic), [], "said once");

    let steps = registry
        .heartbeat(&hive_id(1), devices(1), false, clock.at(20))
        .unwrap();
    assert_eq!(steps.len(), 1, "it came back");
    assert_eq!(registry.hives()[0].state, HiveState::Ready);
    assert_eq!(registry.next_deadline(), Some(clock.at(35).monotonic));
}

#[test]
fn a_worker_s_message_keeps_its_hive_alive_too() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    registry.register_hive(facts(1, 1), vec![worker(1, 1, WorkerState::Loading)], clock.at(0));
    registry
        .update_worker(worker(1, 1, WorkerState::Ready), clock.at(10))
        .unwrap();
    assert_eq!(registry.expire(clock.at(20).monotonic), []);
    assert_eq!(registry.expire(clock.at(25).monotonic).len(), 1);
    let steps = registry
        .register_worker(worker(1, 2, WorkerState::Starting), clock.at(26))
        .unwrap();
    assert_eq!(
        steps.len(),
        2,
        "the hive is back, and the worker is new: {steps:?}"
    );
}

#[test]
fn a_hive_that_is_silent_for_long_is_forgotten_with_its_workers() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    registry.register_hive(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    registry.expire(clock.at(15).monotonic);
    assert_eq!(registry.next_deadline(), Some(clock.at(75).monotonic));
    assert_eq!(registry.expire(clock.at(75).monotonic).len(), 2);
    assert!(registry.hives().is_empty() && registry.workers(None).is_empty());
    assert_eq!(registry.next_deadline(), None);
}

#[test]
fn a_heartbeat_that_says_nothing_new_is_no_change() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 7);
    registry.register_hive(facts(1, 1), vec![], clock.at(0));
    assert_eq!(registry.revision(), 8);
    assert_eq!(
        registry
            .heartbeat(&hive_id(1), devices(1), false, clock.at(5))
            .unwrap(),
        []
    );
    assert_eq!(registry.hives()[0].last_seen_at, clock.at(5).wall);
    let steps = registry
        .heartbeat(&hive_id(1), devices(1), true, clock.at(5))
        .unwrap();
    assert!(
        matches!(&steps[..], [ClusterStep { change: ClusterChange::HiveUpserted(hive), .. }] if hive.facts.draining),
        "{steps:?}"
    );
    assert_eq!(
        registry
            .heartbeat(&hive_id(1), devices(1), false, clock.at(5))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        registry
            .heartbeat(&hive_id(1), devices(2), false, clock.at(6))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        registry.register_hive(
            HiveFacts {
                devices: devices(2),
                ..facts(1, 1)
            },
            vec![],
            clock.at(7)
        ),
        []
    );
}

#[test]
fn a_new_address_reaches_the_workers() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    registry.register_hive(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    assert_eq!(registry.workers(None)[0].hive_address, "http://10.0.0.1:7220");
    let steps = registry.register_hive(facts(1, 2), vec![worker(1, 1, WorkerState::Ready)], clock.at(1));
    assert_eq!(steps.len(), 2);
    assert_eq!(registry.workers(None)[0].hive_address, "http://10.0.0.2:7220");
}

#[test]
fn strangers_and_other_hives_workers_are_refused() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    let unknown = HiveNotRegistered { hive_id: hive_id(1) };
    assert_eq!(
        registry.heartbeat(&hive_id(1), vec![], false, clock.at(0)),
        Err(unknown.clone())
    );
    assert_eq!(
        registry.register_worker(worker(1, 1, WorkerState::Ready), clock.at(0)),
        Err(unknown)
    );
    registry.register_hive(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    registry.register_hive(facts(2, 2), vec![], clock.at(0));
    assert_eq!(
        registry.update_worker(worker(2, 1, WorkerState::Failed), clock.at(0)),
        Err(UpdateWorkerError::WorkerNotFound {
            hive_id: hive_id(2),
            worker_id: worker_id(1)
        })
    );
    assert_eq!(registry.deregister_worker(&hive_id(2), &worker_id(1)), []);
    assert_eq!(registry.deregister_worker(&hive_id(1), &worker_id(1)).len(), 1);
}

#[test]
fn lists_are_in_the_promised_order() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, 0);
    for number in [2, 1, 3] {
        let ready = WorkerState::Ready;
        registry.register_hive(facts(number, 1), vec![worker(number, number, ready)], clock.at(0));
    }
    let names: Vec<_> = registry.hives().into_iter().map(|hive| hive.facts.name).collect();
    assert_eq!(names, ["host 1", "host 2", "host 3"]);
    let ids: Vec<_> = registry
        .workers(None)
        .into_iter()
        .map(|worker| worker.id)
        .collect();
    assert_eq!(ids, [worker_id(3), worker_id(2), worker_id(1)], "oldest first");
    assert!(registry.workers(Some(&"local:other".parse().unwrap())).is_empty());
}

/// What a watcher holds.
#[derive(Default)]
struct Mirror {
    hives: BTreeMap<HiveId, Hive>,
    workers: BTreeMap<WorkerId, Worker>,
    revision: u64,
}

impl Mirror {
    fn apply(&mut self, steps: Vec<ClusterStep>) {
        for ClusterStep { revision, change } in steps {
            assert_eq!(
                revision,
                self.revision + 1,
                "no revision is skipped or used twice"
            );
            self.revision = revision;
            match change {
                ClusterChange::HiveUpserted(hive) => {
                    self.hives.insert(hive.facts.id.clone(), hive);
                }
                ClusterChange::HiveRemoved(id) => assert!(self.hives.remove(&id).is_some()),
                ClusterChange::WorkerUpserted(worker) => {
                    self.workers.insert(worker.id.clone(), *worker);
                }
                ClusterChange::WorkerRemoved(id) => assert!(self.workers.remove(&id).is_some()),
            }
            for worker in self.workers.values() {
                assert!(
                    self.hives.contains_key(&worker.hive_id),
                    "a worker without its hive"
                );
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Register { hive: u8, address: u8, workers: Vec<u8> },
    Heartbeat { hive: u8, devices: u8 },
    Farewell { hive: u8 },
    AddWorker { hive: u8, worker: u8 },
    UpdateWorker { hive: u8, worker: u8, failed: bool },
    RemoveWorker { hive: u8, worker: u8 },
    Wait { seconds: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let hive = 0..3_u8;
    let worker = 0..5_u8;
    prop_oneof![
        (hive.clone(), 0..2_u8, prop::collection::vec(worker.clone(), 0..4)).prop_map(
            |(hive, address, workers)| Event::Register {
                hive,
                address,
                workers
            }
        ),
        (hive.clone(), 0..3_u8).prop_map(|(hive, devices)| Event::Heartbeat { hive, devices }),
        hive.clone().prop_map(|hive| Event::Farewell { hive }),
        (hive.clone(), worker.clone()).prop_map(|(hive, worker)| Event::AddWorker { hive, worker }),
        (hive.clone(), worker.clone(), any::<bool>())
            .prop_map(|(hive, worker, failed)| Event::UpdateWorker { hive, worker, failed }),
        (hive, worker).prop_map(|(hive, worker)| Event::RemoveWorker { hive, worker }),
        (1..40_u64).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

proptest! {
    /// Whatever happens, a watcher's mirror is what is listed, and leases are kept to the second.
    #[test]
    fn mirrors_follow_and_leases_hold(events in prop::collection::vec(event(), 1..80)) {
        let clock = Clock::start();
        let mut seconds = 0;
        let mut registry = Registry::new(TERMS, 0);
        let mut mirror = Mirror::default();
        for event in events {
            let now = clock.at(seconds);
            let steps = match event {
                Event::Register { hive, address, workers } => {
                    let workers = workers.into_iter().map(|id| worker(hive, id, WorkerState::Ready)).collect();
                    registry.register_hive(facts(hive, address), workers, now)
                }
                Event::Heartbeat { hive, devices: count } => {
                    registry.heartbeat(&hive_id(hive), devices(count), false, now).unwrap_or_default()
                }
                Event::Farewell { hive } => registry.deregister_hive(&hive_id(hive)),
                Event::AddWorker { hive, worker: id } => {
                    registry.register_worker(worker(hive, id, WorkerState::Starting), now).unwrap_or_default()
                }
                Event::UpdateWorker { hive, worker: id, failed } => {
                    let state = if failed { WorkerState::Failed } else { WorkerState::Ready };
                    registry.update_worker(worker(hive, id, state), now).unwrap_or_default()
                }
                Event::RemoveWorker { hive, worker } => {
                    registry.deregister_worker(&hive_id(hive), &worker_id(worker))
                }
                Event::Wait { seconds: more } => {
                    seconds += more;
                    registry.expire(clock.at(seconds).monotonic)
                }
            };
            mirror.apply(steps);

            // The time of the last heartbeat is no change worth a step.
            let listed: Vec<_> = registry.hives().into_iter().map(|hive| (hive.facts, hive.state)).collect();
            let mut mirrored: Vec<_> = mirror.hives.values().map(|hive| (hive.facts.clone(), hive.state)).collect();
            mirrored.sort_by(|a, b| a.0.name.cmp(&b.0.name));
            prop_assert_eq!(listed, mirrored);
            let mut listed = registry.workers(None);
            listed.sort_by(|a, b| a.id.cmp(&b.id));
            prop_assert_eq!(listed, mirror.workers.values().cloned().collect::<Vec<_>>());
            prop_assert_eq!(registry.revision(), mirror.revision);
            for worker in registry.workers(None) {
                prop_assert_eq!(&worker.hive_address, &mirror.hives[&worker.hive_id].facts.address);
            }

            // Nothing is overdue, and the next deadline is the moment at which something is.
            let now = clock.at(seconds).monotonic;
            prop_assert_eq!(registry.expire(now), vec![]);
            if let Some(deadline) = registry.next_deadline() {
                prop_assert!(deadline > now);
            }
        }
    }
}
