//! Workers as people see them: their states in words, the table of `ls`, and what `show` shows.

mod card;

use prost_types::Timestamp;
use rbee_proto::types::v1::{Hive, Worker, WorkerState};

use super::human::{age, from_proto, number, span, until};
use super::paint::Tone;
use super::table::{Cell, Table};
use super::words;

pub(crate) use card::{card, kept_words};

/// Whether it answers requests.
pub(crate) fn serves(state: i32) -> bool {
    state == WorkerState::Ready as i32 || state == WorkerState::Busy as i32
}

/// A worker's state with what belongs to it: `loading 42%`, `failed: WORKER_EXITED`,
/// `pending: WORKER_EXITED, tries again in 8 s`, `unreachable (was ready)`.
pub(crate) fn state(worker: &Worker, now: &Timestamp) -> String {
    let mut words = state_word(worker.state);
    if worker.unreachable {
        return format!("unreachable (was {words})");
    }
    let resting = [
        WorkerState::Pending,
        WorkerState::Failed,
        WorkerState::CrashLooping,
    ];
    // One that serves again keeps its last failure; that is no part of its state.
    if let Some(failure) = &worker.failure
        && resting.iter().any(|state| worker.state == *state as i32)
    {
        words = format!("{words}: {}", failure.reason);
    }
    if let Some(fraction) = worker.load_fraction
        && worker.state == WorkerState::Loading as i32
    {
        words = format!("{words} {:.0}%", fraction * 100.0);
    }
    match next_attempt(worker, now) {
        Some(attempt) => format!("{words}, {attempt}"),
        None => words,
    }
}

/// How good a worker's state is. What was last heard of one whose hive can't be reached says nothing.
pub(crate) fn tone(worker: &Worker) -> Tone {
    if worker.unreachable {
        Tone::Bad
    } else {
        words::worker_tone(worker.state)
    }
}

/// A state as people read it: `crash looping`.
pub(crate) fn state_word(state: i32) -> String {
    words::worker_state(state).replace('_', " ")
}

/// `tries again in 8 s`; absent if it waits for no time.
fn next_attempt(worker: &Worker, now: &Timestamp) -> Option<String> {
    let at = worker.next_attempt_at.as_ref()?;
    Some(format!("tries again {}", until(at, now)))
}

/// How long it is kept: `pinned`, `idle 30m`; absent if nothing was said.
fn kept(worker: &Worker) -> Option<String> {
    let idle = worker
        .idle_ttl
        .as_ref()
        .and_then(from_proto)
        .map(|ttl| format!("idle {}", span(ttl)));
    let pinned = worker.pinned.then(|| "pinned".to_owned());
    let all: Vec<String> = pinned.into_iter().chain(idle).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Workers. Restarts, and how long they are kept, are shown where there is something to show.
pub(crate) fn table<'a>(
    workers: impl IntoIterator<Item = &'a Worker>,
    hives: &[Hive],
    now: &Timestamp,
) -> Table {
    let workers: Vec<&Worker> = workers.into_iter().collect();
    let restarted = workers.iter().any(|worker| worker.restart_count > 0);
    let some_kept = workers.iter().any(|worker| kept(worker).is_some());
    let mut columns = vec!["ID", "MODEL", "TYPE", "HIVE", "DEVICE", "STATE", ">FOR"];
    columns.extend(restarted.then_some(">RESTARTS"));
    columns.extend(some_kept.then_some("KEPT"));
    columns.push(">AGE");
    let mut table = Table::new(columns);
    for worker in workers {
        let mut row: Vec<Cell> = vec![
            worker.id.as_str().into(),
            worker.model_id.as_str().into(),
            words::worker_type(worker.worker_type).into(),
            hive_name(worker, hives).into(),
            device(worker).into(),
            Cell::new(state(worker, now), tone(worker)),
            age(worker.state_since.as_ref(), now).into(),
        ];
        row.extend(restarted.then(|| Cell::from(worker.restart_count.to_string())));
        row.extend(some_kept.then(|| Cell::from(kept(worker).unwrap_or_default())));
        row.push(age(worker.created_at.as_ref(), now).into());
        table.row(row);
    }
    table
}

/// The name of a worker's hive, or its id where the hive is not known.
pub(crate) fn hive_name<'a>(worker: &'a Worker, hives: &'a [Hive]) -> &'a str {
    let hive = hives.iter().find(|hive| hive.id == worker.hive_id);
    hive.map_or(worker.hive_id.as_str(), |hive| hive.name.as_str())
}

/// The device that it runs on, or a dash until one is chosen.
fn device(worker: &Worker) -> &str {
    if worker.device_id.is_empty() {
        super::human::UNKNOWN
    } else {
        &worker.device_id
    }
}

/// `3 workers: 1 busy, 1 ready, 1 unreachable`.
pub(crate) fn counts<'a>(workers: impl IntoIterator<Item = &'a Worker>) -> String {
    let (lost, reachable): (Vec<&Worker>, Vec<&Worker>) =
        workers.into_iter().partition(|worker| worker.unreachable);
    let all = number((lost.len() + reachable.len()) as u64, "worker");
    let states: Vec<i32> = reachable.into_iter().map(|worker| worker.state).collect();
    let mut parts = state_counts(&states);
    parts.extend((!lost.is_empty()).then(|| format!("{} unreachable", lost.len())));
    if parts.is_empty() {
        all
    } else {
        format!("{all}: {}", parts.join(", "))
    }
}

/// `1 busy`, `1 ready`, …: those that serve come first, those that never will last.
pub(crate) fn state_counts(states: &[i32]) -> Vec<String> {
    const ORDER: [WorkerState; 12] = [
        WorkerState::Busy,
        WorkerState::Ready,
        WorkerState::Pending,
        WorkerState::Validating,
        WorkerState::Fetching,
        WorkerState::Starting,
        WorkerState::Loading,
        WorkerState::Draining,
        WorkerState::Stopping,
        WorkerState::Stopped,
        WorkerState::Failed,
        WorkerState::CrashLooping,
    ];
    let counted = ORDER.into_iter().filter_map(|state| {
        let count = states.iter().filter(|other| **other == state as i32).count();
        (count > 0).then(|| format!("{count} {}", state_word(state as i32)))
    });
    counted.collect()
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{WorkerFailure, WorkerType};

    use super::super::paint::Paint;
    use super::*;

    const NOW: Timestamp = at(0);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp {
            seconds: 1_000_000 + seconds,
            nanos: 0,
        }
    }

    fn worker(id: &str, state: WorkerState) -> Worker {
        Worker {
            id: id.into(),
            model_id: "local:qwen".into(),
            worker_type: WorkerType::CpuLlm as i32,
            device_id: "cpu:0".into(),
            hive_id: "h1".into(),
            state: state as i32,
            state_since: Some(at(-30)),
            created_at: Some(at(-200)),
            ..Worker::default()
        }
    }

    fn exited() -> Option<WorkerFailure> {
        Some(WorkerFailure {
            reason: "WORKER_EXITED".into(),
            ..WorkerFailure::default()
        })
    }

    fn desk() -> Hive {
        Hive {
            id: "h1".into(),
            name: "desk".into(),
            ..Hive::default()
        }
    }

    #[test]
    fn workers_read_like_this() {
        let failed = Worker {
            failure: exited(),
            hive_id: "gone".into(),
            device_id: String::new(),
            ..worker("w2", WorkerState::Failed)
        };
        assert_eq!(
            table([&worker("w1", WorkerState::Ready), &failed], &[desk()], &NOW).render(Paint::OFF),
            "ID  MODEL       TYPE     HIVE  DEVICE  STATE                  FOR  AGE\n\
             w1  local:qwen  cpu-llm  desk  cpu:0   ready                  30s   3m\n\
             w2  local:qwen  cpu-llm  gone  -       failed: WORKER_EXITED  30s   3m\n"
        );
    }

    #[test]
    fn restarts_and_how_long_they_are_kept_are_shown_where_there_are_any() {
        let restarted = Worker {
            failure: exited(),
            restart_count: 2,
            next_attempt_at: Some(at(8)),
            ..worker("w1", WorkerState::Pending)
        };
        let pinned = Worker {
            pinned: true,
            idle_ttl: Some(prost_types::Duration {
                seconds: 1800,
                nanos: 0,
            }),
            ..worker("w2", WorkerState::Busy)
        };
        assert_eq!(
            table([&restarted, &pinned], &[desk()], &NOW).render(Paint::OFF),
            "ID  MODEL       TYPE     HIVE  DEVICE  STATE                                       FOR  RESTARTS  KEPT              AGE\n\
             w1  local:qwen  cpu-llm  desk  cpu:0   pending: WORKER_EXITED, tries again in 8 s  30s         2                     3m\n\
             w2  local:qwen  cpu-llm  desk  cpu:0   busy                                        30s         0  pinned, idle 30m   3m\n"
        );
    }

    #[test]
    fn a_state_tells_what_belongs_to_it() {
        let loading = Worker {
            load_fraction: Some(0.421),
            failure: exited(),
            ..worker("w", WorkerState::Loading)
        };
        assert_eq!(state(&loading, &NOW), "loading 42%");
        let looping = Worker {
            failure: exited(),
            ..worker("w", WorkerState::CrashLooping)
        };
        assert_eq!(state(&looping, &NOW), "crash looping: WORKER_EXITED");
        let again = Worker {
            failure: exited(),
            load_fraction: Some(1.0),
            ..worker("w", WorkerState::Ready)
        };
        assert_eq!(
            state(&again, &NOW),
            "ready",
            "why it was started anew is no state"
        );
    }

    #[test]
    fn states_are_counted() {
        let states = [
            WorkerState::Ready,
            WorkerState::CrashLooping,
            WorkerState::Busy,
            WorkerState::Ready,
        ];
        let mut workers = states.map(|state| worker("w", state));
        assert_eq!(counts(&workers), "4 workers: 1 busy, 2 ready, 1 crash looping");
        workers[3].unreachable = true;
        assert_eq!(
            counts(&workers),
            "4 workers: 1 busy, 1 ready, 1 crash looping, 1 unreachable"
        );
        assert_eq!(state(&workers[3], &NOW), "unreachable (was ready)");
        assert_eq!(tone(&workers[3]), Tone::Bad);
        assert_eq!(counts([]), "0 workers");
    }
}
