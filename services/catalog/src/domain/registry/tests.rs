use std::collections::BTreeMap;

use proptest::prelude::*;
use rbee_artifacts::{DeviceId, WorkerType};

use super::*;
use crate::domain::cluster::WorkerState;

const TERMS: LeaseTerms = LeaseTerms {
    lease: Duration::from_secs(15),
    forget_after: Duration::from_secs(60),
};

const ROOM: Room = Room {
    hives: 3,
    workers: 6,
    workers_of_hive: 4,
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

fn instance(number: u8) -> Option<HiveInstance> {
    HiveInstance::named(format!("start-{number}"))
}

/// What these tests ask of the registry again and again, from a hive that says of no start which it is.
trait Asked {
    fn register(&mut self, facts: HiveFacts, workers: Vec<Worker>, now: Now) -> Vec<ClusterStep>;
    fn beat(&mut self, hive: u8, devices: u8, now: Now) -> Result<Vec<ClusterStep>, NotHeard>;
}

impl Asked for Registry {
    fn register(&mut self, facts: HiveFacts, workers: Vec<Worker>, now: Now) -> Vec<ClusterStep> {
        self.register_hive(facts, workers, None, now).unwrap()
    }

    fn beat(&mut self, hive: u8, count: u8, now: Now) -> Result<Vec<ClusterStep>, NotHeard> {
        self.heartbeat(&hive_id(hive), None, devices(count), false, now)
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
        unreachable: false,
    }
}

#[test]
fn silence_ends_a_lease_and_a_word_renews_it() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    registry.register(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    assert_eq!(registry.next_deadline(), Some(clock.at(15).monotonic));
    assert_eq!(registry.expire(clock.at(14).monotonic), []);

    let steps = registry.expire(clock.at(15).monotonic);
    let [hive, worker] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert!(
        matches!(&hive.change, ClusterChange::HiveUpserted(hive)
            if hive.state == HiveState::Unreachable && hive.last_seen_at == clock.at(0).wall),
        "{hive:?}"
    );
    assert!(
        matches!(&worker.change, ClusterChange::WorkerUpserted(worker)
            if worker.unreachable && worker.state == WorkerState::Ready),
        "its workers with it, as it said of them last: {worker:?}"
    );
    assert_eq!(registry.workers(None).len(), 1, "its workers stay listed");
    assert_eq!(registry.expire(clock.at(16).monotonic), [], "said once");

    let steps = registry.beat(1, 1, clock.at(20)).unwrap();
    assert_eq!(steps.len(), 2, "it came back, and its worker: {steps:?}");
    assert_eq!(registry.hives()[0].state, HiveState::Ready);
    assert!(!registry.workers(None)[0].unreachable);
    assert_eq!(registry.next_deadline(), Some(clock.at(35).monotonic));
}

#[test]
fn a_worker_s_message_keeps_its_hive_alive_too() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    registry.register(facts(1, 1), vec![worker(1, 1, WorkerState::Loading)], clock.at(0));
    registry
        .update_worker(worker(1, 1, WorkerState::Ready), None, clock.at(10))
        .unwrap();
    assert_eq!(registry.expire(clock.at(20).monotonic), []);
    assert_eq!(registry.expire(clock.at(25).monotonic).len(), 2);
    let steps = registry
        .register_worker(worker(1, 2, WorkerState::Starting), None, clock.at(26))
        .unwrap();
    assert_eq!(
        steps.len(),
        3,
        "the hive is back with its worker, and the other is new: {steps:?}"
    );
}

#[test]
fn a_hive_that_is_silent_for_long_is_forgotten_with_its_workers() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    registry.register(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    registry.expire(clock.at(15).monotonic);
    assert_eq!(registry.next_deadline(), Some(clock.at(75).monotonic));
    assert_eq!(registry.expire(clock.at(75).monotonic).len(), 2);
    assert!(registry.hives().is_empty() && registry.workers(None).is_empty());
    assert_eq!(registry.next_deadline(), None);
}

#[test]
fn a_heartbeat_that_says_nothing_new_is_no_change() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 7);
    registry.register(facts(1, 1), vec![], clock.at(0));
    assert_eq!(registry.revision(), 8);
    assert_eq!(registry.beat(1, 1, clock.at(5)).unwrap(), []);
    assert_eq!(registry.hives()[0].last_seen_at, clock.at(5).wall);
    let steps = registry
        .heartbeat(&hive_id(1), None, devices(1), true, clock.at(5))
        .unwrap();
    assert!(
        matches!(&steps[..], [ClusterStep { change: ClusterChange::HiveUpserted(hive), .. }] if hive.facts.draining),
        "{steps:?}"
    );
    assert_eq!(registry.beat(1, 1, clock.at(5)).unwrap().len(), 1);
    assert_eq!(registry.beat(1, 2, clock.at(6)).unwrap().len(), 1);
    let again = HiveFacts {
        devices: devices(2),
        ..facts(1, 1)
    };
    assert_eq!(registry.register(again, vec![], clock.at(7)), []);
}

#[test]
fn a_new_address_reaches_the_workers() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    registry.register(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    assert_eq!(registry.workers(None)[0].hive_address, "http://10.0.0.1:7220");
    let steps = registry.register(facts(1, 2), vec![worker(1, 1, WorkerState::Ready)], clock.at(1));
    assert_eq!(steps.len(), 2);
    assert_eq!(registry.workers(None)[0].hive_address, "http://10.0.0.2:7220");
}

#[test]
fn strangers_and_other_hives_workers_are_refused() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    let unknown = NotHeard::NotRegistered { hive_id: hive_id(1) };
    assert_eq!(registry.beat(1, 0, clock.at(0)), Err(unknown.clone()));
    assert_eq!(
        registry.register_worker(worker(1, 1, WorkerState::Ready), None, clock.at(0)),
        Err(unknown.into())
    );
    registry.register(facts(1, 1), vec![worker(1, 1, WorkerState::Ready)], clock.at(0));
    registry.register(facts(2, 2), vec![], clock.at(0));
    assert_eq!(
        registry.update_worker(worker(2, 1, WorkerState::Failed), None, clock.at(0)),
        Err(UpdateWorkerError::WorkerNotFound {
            hive_id: hive_id(2),
            worker_id: worker_id(1)
        })
    );
    assert_eq!(registry.deregister_worker(&hive_id(2), None, &worker_id(1)), []);
    assert_eq!(
        registry.deregister_worker(&hive_id(1), None, &worker_id(1)).len(),
        1
    );
}

#[test]
fn a_new_start_replaces_the_one_before_at_once() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    let old = vec![worker(1, 1, WorkerState::Busy), worker(1, 2, WorkerState::Ready)];
    registry
        .register_hive(facts(1, 1), old, instance(1), clock.at(0))
        .unwrap();
    // Killed and started again within its lease, on another port.
    let new = vec![worker(1, 3, WorkerState::Starting)];
    registry
        .register_hive(facts(1, 2), new, instance(2), clock.at(2))
        .unwrap();
    let left: Vec<_> = registry
        .workers(None)
        .iter()
        .map(|worker| worker.id.clone())
        .collect();
    assert_eq!(left, [worker_id(3)]);
    assert_eq!(registry.hives()[0].facts.address, "http://10.0.0.2:7220");
    assert!(
        registry
            .heartbeat(&hive_id(1), instance(2).as_ref(), devices(1), false, clock.at(3))
            .is_ok()
    );
}

#[test]
fn of_two_hives_with_one_id_the_last_to_register_has_it() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    let speak = |registry: &mut Registry, number: u8, at: u64| {
        registry.heartbeat(
            &hive_id(1),
            instance(number).as_ref(),
            devices(1),
            false,
            clock.at(at),
        )
    };
    registry
        .register_hive(facts(1, 1), vec![], instance(1), clock.at(0))
        .unwrap();
    let workers = vec![worker(1, 1, WorkerState::Ready)];
    registry
        .register_hive(facts(1, 2), workers, instance(2), clock.at(1))
        .unwrap();
    let taken = |first| NotHeard::IdTaken {
        hive_id: hive_id(1),
        address: "http://10.0.0.2:7220".into(),
        first,
    };
    assert_eq!(speak(&mut registry, 1, 2), Err(taken(true)));
    assert_eq!(speak(&mut registry, 1, 7), Err(taken(false)), "said once");
    assert_eq!(
        registry.register_worker(
            worker(1, 2, WorkerState::Ready),
            instance(1).as_ref(),
            clock.at(7)
        ),
        Err(taken(false).into())
    );
    // Nor does it take anything away, or keep the lease of the other.
    assert_eq!(registry.deregister_hive(&hive_id(1), instance(1).as_ref()), []);
    assert_eq!(
        registry.deregister_worker(&hive_id(1), instance(1).as_ref(), &worker_id(1)),
        []
    );
    assert_eq!(registry.workers(None).len(), 1);
    assert_eq!(registry.next_deadline(), Some(clock.at(16).monotonic));

    // Once the other is silent, this one may register again.
    registry.expire(clock.at(16).monotonic);
    let unknown = NotHeard::NotRegistered { hive_id: hive_id(1) };
    assert_eq!(speak(&mut registry, 1, 17), Err(unknown));
    registry
        .register_hive(facts(1, 1), vec![], instance(1), clock.at(18))
        .unwrap();
    assert!(speak(&mut registry, 1, 19).is_ok());
    assert!(matches!(
        speak(&mut registry, 2, 20),
        Err(NotHeard::IdTaken { first: true, .. })
    ));
    assert_eq!(
        registry.deregister_hive(&hive_id(1), instance(1).as_ref()).len(),
        1
    );
}

#[test]
fn the_longest_silent_makes_room_and_nobody_else() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    for number in 1..=3 {
        registry.register(facts(number, 1), vec![], clock.at(u64::from(number)));
    }
    let full = Err(RegistryFull {
        full: Full::Hives,
        limit: 3,
    });
    let revision = registry.revision();
    assert_eq!(
        registry.register_hive(facts(4, 1), vec![], None, clock.at(4)),
        full
    );
    assert_eq!(registry.revision(), revision, "a refusal changes nothing");
    assert_eq!(
        registry.register(facts(3, 2), vec![], clock.at(10)).len(),
        1,
        "who is there already needs no room"
    );

    registry.expire(clock.at(18).monotonic);
    let steps = registry.register(facts(4, 1), vec![], clock.at(19));
    assert_eq!(steps[0].change, ClusterChange::HiveRemoved(hive_id(1)));
    assert_eq!(steps.len(), 2, "no more than it takes: {steps:?}");
    let known: Vec<_> = registry
        .hives()
        .iter()
        .map(|hive| hive.facts.id.clone())
        .collect();
    assert_eq!(known, [hive_id(2), hive_id(3), hive_id(4)]);
}

#[test]
fn workers_are_bounded_for_a_hive_and_for_the_cluster() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    let workers = |hive, numbers: std::ops::Range<u8>| {
        numbers
            .map(|number| worker(hive, number, WorkerState::Ready))
            .collect::<Vec<_>>()
    };
    let of_hive = RegistryFull {
        full: Full::WorkersOfHive,
        limit: 4,
    };
    assert_eq!(
        registry.register_hive(facts(1, 1), workers(1, 0..5), None, clock.at(0)),
        Err(of_hive.clone())
    );
    registry.register(facts(1, 1), workers(1, 0..4), clock.at(0));
    assert_eq!(
        registry.register_worker(worker(1, 9, WorkerState::Ready), None, clock.at(1)),
        Err(of_hive.into())
    );
    assert!(
        registry
            .register_worker(worker(1, 3, WorkerState::Busy), None, clock.at(1))
            .is_ok()
    );
    registry.register(facts(2, 2), workers(2, 4..6), clock.at(14));
    let of_all = RegistryFull {
        full: Full::Workers,
        limit: 6,
    };
    assert_eq!(
        registry.register_worker(worker(2, 6, WorkerState::Ready), None, clock.at(14)),
        Err(of_all.into())
    );
    registry.expire(clock.at(16).monotonic);
    assert!(
        registry
            .register_worker(worker(2, 6, WorkerState::Ready), None, clock.at(16))
            .is_ok(),
        "the first hive is silent now"
    );
    assert_eq!(registry.workers(None).len(), 3);
}

#[test]
fn lists_are_in_the_promised_order() {
    let clock = Clock::start();
    let mut registry = Registry::new(TERMS, ROOM, 0);
    for number in [2, 1, 3] {
        let ready = WorkerState::Ready;
        registry.register(facts(number, 1), vec![worker(number, number, ready)], clock.at(0));
    }
    let hives = registry.hives();
    let names: Vec<_> = hives.iter().map(|hive| hive.facts.name.as_str()).collect();
    assert_eq!(names, ["host 1", "host 2", "host 3"]);
    let workers = registry.workers(None);
    let ids: Vec<_> = workers.iter().map(|worker| worker.id.clone()).collect();
    assert_eq!(ids, [worker_id(3), worker_id(2), worker_id(1)], "oldest first");
    assert!(registry.workers(Some(&"local:other".parse().unwrap())).is_empty());
}

/// What a watcher holds.
#[derive(Default)]
struct Mirror {
    hives: BTreeMap<HiveId, Arc<Hive>>,
    workers: BTreeMap<WorkerId, Arc<Worker>>,
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
                    self.workers.insert(worker.id.clone(), worker);
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
    Register {
        hive: u8,
        start: u8,
        workers: Vec<u8>,
    },
    Heartbeat {
        hive: u8,
        start: u8,
        devices: u8,
    },
    Farewell {
        hive: u8,
        start: u8,
    },
    AddWorker {
        hive: u8,
        start: u8,
        worker: u8,
    },
    UpdateWorker {
        hive: u8,
        start: u8,
        worker: u8,
        failed: bool,
    },
    RemoveWorker {
        hive: u8,
        start: u8,
        worker: u8,
    },
    Wait {
        seconds: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    // More hives and workers than there is room for, and up to two starts of each hive at once.
    let hive = || (0..5_u8, 0..2_u8);
    let worker = || 0..8_u8;
    prop_oneof![
        (hive(), prop::collection::vec(worker(), 0..5))
            .prop_map(|((hive, start), workers)| Event::Register { hive, start, workers }),
        (hive(), 0..3_u8).prop_map(|((hive, start), devices)| Event::Heartbeat { hive, start, devices }),
        hive().prop_map(|(hive, start)| Event::Farewell { hive, start }),
        (hive(), worker()).prop_map(|((hive, start), worker)| Event::AddWorker { hive, start, worker }),
        (hive(), worker(), any::<bool>()).prop_map(|((hive, start), worker, failed)| Event::UpdateWorker {
            hive,
            start,
            worker,
            failed
        }),
        (hive(), worker()).prop_map(|((hive, start), worker)| Event::RemoveWorker { hive, start, worker }),
        (1..40_u64).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

/// What a hive that speaks gets: steps, or none where it is refused.
fn ask(registry: &mut Registry, event: Event, now: Now) -> Vec<ClusterStep> {
    match event {
        Event::Register { hive, start, workers } => {
            let workers = workers
                .into_iter()
                .map(|id| worker(hive, id, WorkerState::Ready))
                .collect();
            // Each start is another host.
            let answer = registry.register_hive(facts(hive, start), workers, instance(start), now);
            answer.unwrap_or_default()
        }
        Event::Heartbeat {
            hive,
            start,
            devices: count,
        } => registry
            .heartbeat(
                &hive_id(hive),
                instance(start).as_ref(),
                devices(count),
                false,
                now,
            )
            .unwrap_or_default(),
        Event::Farewell { hive, start } => registry.deregister_hive(&hive_id(hive), instance(start).as_ref()),
        Event::AddWorker {
            hive,
            start,
            worker: id,
        } => registry
            .register_worker(
                worker(hive, id, WorkerState::Starting),
                instance(start).as_ref(),
                now,
            )
            .unwrap_or_default(),
        Event::UpdateWorker {
            hive,
            start,
            worker: id,
            failed,
        } => {
            let state = if failed {
                WorkerState::Failed
            } else {
                WorkerState::Ready
            };
            registry
                .update_worker(worker(hive, id, state), instance(start).as_ref(), now)
                .unwrap_or_default()
        }
        Event::RemoveWorker { hive, start, worker } => {
            registry.deregister_worker(&hive_id(hive), instance(start).as_ref(), &worker_id(worker))
        }
        Event::Wait { .. } => registry.expire(now.monotonic),
    }
}

proptest! {
    /// Whatever happens, a watcher's mirror is what is listed, leases are kept to the second, a worker is as
    /// reachable as its hive, and nothing grows beyond its bounds.
    #[test]
    fn mirrors_follow_and_leases_hold(events in prop::collection::vec(event(), 1..80)) {
        let clock = Clock::start();
        let mut seconds = 0;
        let mut registry = Registry::new(TERMS, ROOM, 0);
        let mut mirror = Mirror::default();
        for event in events {
            if let Event::Wait { seconds: more } = event {
                seconds += more;
            }
            mirror.apply(ask(&mut registry, event, clock.at(seconds)));

            // The time of the last heartbeat is no change worth a step.
            let listed: Vec<_> = registry.hives().iter().map(|hive| (hive.facts.clone(), hive.state)).collect();
            let mut mirrored: Vec<_> = mirror.hives.values().map(|hive| (hive.facts.clone(), hive.state)).collect();
            mirrored.sort_by(|a, b| a.0.name.cmp(&b.0.name));
            prop_assert_eq!(listed, mirrored);
            let mut listed = registry.workers(None);
            listed.sort_by(|a, b| a.id.cmp(&b.id));
            prop_assert_eq!(&listed, &mirror.workers.values().cloned().collect::<Vec<_>>());
            prop_assert_eq!(registry.revision(), mirror.revision);
            for worker in &listed {
                let hive = &mirror.hives[&worker.hive_id];
                prop_assert_eq!(&worker.hive_address, &hive.facts.address);
                prop_assert_eq!(worker.unreachable, hive.state == HiveState::Unreachable);
                let siblings = listed.iter().filter(|other| other.hive_id == worker.hive_id);
                prop_assert!(siblings.count() <= ROOM.workers_of_hive);
            }
            prop_assert!(listed.len() <= ROOM.workers && mirror.hives.len() <= ROOM.hives);

            // Nothing is overdue, and the next deadline is the moment at which something is.
            let now = clock.at(seconds).monotonic;
            prop_assert_eq!(registry.expire(now), vec![]);
            if let Some(deadline) = registry.next_deadline() {
                prop_assert!(deadline > now);
            }
        }
    }
}
