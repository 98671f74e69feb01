//! What `rbee worker show` shows.

use prost_types::Timestamp;
use rbee_proto::types::v1::{Hive, Worker, WorkerFailure, WorkerMemory};
use rbee_proto::worker::v1::{GetInfoResponse, WorkerLoad, get_info_response::ModelInfo};

use super::super::cards::Card;
use super::super::human::{age, from_proto, number, size, span, thousands};
use super::super::paint::Tone;
use super::super::words;
use super::{serves, state, tone};

/// One worker, what it tells of itself, and why it failed.
pub(crate) fn card(
    worker: &Worker,
    hive: Option<&Hive>,
    info: Option<&GetInfoResponse>,
    now: &Timestamp,
) -> Card {
    let mut card = Card::default();
    card.fact("id", &worker.id);
    life(&mut card, worker, now);
    card.fact("model", &worker.model_id);
    card.fact("type", words::worker_type(worker.worker_type));
    card.fact("hive", hive.map_or(&worker.hive_id, |hive| &hive.name));
    card.known("device", Some(&worker.device_id));
    card.known("address", Some(&worker.hive_address));
    card.known(
        "process",
        worker.process_id.map(|process_id| process_id.to_string()),
    );
    if let Some(memory) = &worker.memory {
        card.fact("memory", memory_words(memory));
        card.known("limit", memory.limit_bytes.map(size));
    }
    card.fact("age", age(worker.created_at.as_ref(), now));
    card.fact("kept", kept_words(worker));
    card.known(
        "context",
        worker.context_length.map(|length| format!("{length} tokens")),
    );
    if let Some(info) = info {
        itself(&mut card, info);
    }
    if let Some(why) = &worker.failure {
        failure(&mut card, why, serves(worker.state), now);
    }
    card
}

/// Where it is in its life, since when, and how often it began anew.
fn life(card: &mut Card, worker: &Worker, now: &Timestamp) {
    let mut words = state(worker, now);
    if worker.state_since.is_some() {
        words += &format!(", for {}", age(worker.state_since.as_ref(), now));
    }
    card.toned("state", words, tone(worker));
    if worker.restart_count > 0 {
        let times = number(u64::from(worker.restart_count), "time");
        card.toned("restarted", format!("{times} by itself"), Tone::Busy);
    }
}

/// Until when it is kept.
pub(crate) fn kept_words(worker: &Worker) -> String {
    let idle = worker.idle_ttl.as_ref().and_then(from_proto).map(span);
    match (worker.pinned, idle) {
        (true, None) => "pinned: spared when room is made".to_owned(),
        (true, Some(idle)) => format!("pinned: spared when room is made, and when idle for {idle}"),
        (false, None) => "until it is stopped, or room is made (--evict)".to_owned(),
        (false, Some(idle)) => format!("until it is idle for {idle}, or room is made (--evict)"),
    }
}

/// `488.5 MiB when ready (493.2 MiB estimated), 2.1 GiB reserved`.
fn memory_words(memory: &WorkerMemory) -> String {
    let reserved = format!("{} reserved", size(memory.estimated_bytes));
    match memory.resident_bytes {
        Some(resident) => format!(
            "{} when ready ({} estimated), {reserved}",
            size(resident),
            size(memory.estimated_loaded_bytes)
        ),
        None => reserved,
    }
}

/// What it tells of itself.
fn itself(card: &mut Card, info: &GetInfoResponse) {
    card.fact("version", &info.version);
    if let Some(ModelInfo::Llm(llm)) = &info.model_info {
        card.fact("architecture", &llm.architecture);
        card.fact(
            "template",
            if llm.has_chat_template {
                "chat"
            } else {
                "none: base model"
            },
        );
    }
    if let Some(ModelInfo::Sd(sd)) = &info.model_info {
        card.fact("family", &sd.version);
        card.fact("predicts", &sd.prediction);
        card.fact("made for", format!("{0}x{0} pixels", sd.native_edge));
        if sd.inpainting {
            card.fact("inpainting", "yes");
        }
        for id in &sd.add_on_model_ids {
            card.fact("add-on", id);
        }
    }
    let paints = matches!(&info.model_info, Some(ModelInfo::Sd(_)));
    if let Some(load) = &info.load {
        load_words(card, load, paints);
    }
}

fn load_words(card: &mut Card, load: &WorkerLoad, paints: bool) {
    card.fact(
        "running",
        format!("{} of {} slots", load.running_requests, load.slot_count),
    );
    card.fact(
        "waiting",
        format!("{} of {} places", load.waiting_requests, load.queue_length),
    );
    let generated = if paints {
        format!(
            "{} pictures, {} steps",
            thousands(load.generated_images),
            thousands(load.denoised_steps)
        )
    } else {
        format!("{} tokens", thousands(load.generated_tokens))
    };
    card.fact("generated", generated);
}

/// Why it does not serve, or, if it serves again, why it was started anew.
fn failure(card: &mut Card, failure: &WorkerFailure, serves: bool, now: &Timestamp) {
    let (name, tone) = if serves {
        ("last failure", Tone::Busy)
    } else {
        ("failure", Tone::Bad)
    };
    let ago = failure.occurred_at.as_ref();
    let ago = ago.map_or(String::new(), |at| format!(", {} ago", age(Some(at), now)));
    card.toned(name, format!("{}{ago}", failure.reason), tone);
    card.known("why", Some(&failure.message));
    // The message explains it; this is its name.
    card.known(
        "cause",
        words::cause(failure.cause).map(|cause| cause.replace('_', " ")),
    );
    card.known("exit code", failure.exit_code.map(|code| code.to_string()));
    card.known("signal", failure.signal.map(|signal| signal.to_string()));
    for line in &failure.log_tail {
        card.toned("log", line, Tone::Faint);
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{FailureCause, WorkerState};

    use super::super::super::paint::Paint;
    use super::*;

    const NOW: Timestamp = at(0);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp {
            seconds: 1_000_000 + seconds,
            nanos: 0,
        }
    }

    fn killed(state: WorkerState) -> Worker {
        Worker {
            id: "w1".into(),
            model_id: "local:qwen".into(),
            device_id: "cpu:0".into(),
            memory: Some(WorkerMemory {
                estimated_bytes: 2 << 30,
                estimated_loaded_bytes: 500 << 20,
                resident_bytes: Some(488 << 20),
                limit_bytes: Some(3 << 30),
            }),
            state: state as i32,
            state_since: Some(at(-12)),
            failure: Some(WorkerFailure {
                reason: "WORKER_EXITED".into(),
                message: "killed by signal 9".into(),
                signal: Some(9),
                log_tail: vec!["loading".into(), "out of memory".into()],
                cause: FailureCause::OutOfMemory as i32,
                occurred_at: Some(at(-12)),
                ..WorkerFailure::default()
            }),
            ..Worker::default()
        }
    }

    fn text(worker: &Worker) -> String {
        card(worker, None, None, &NOW).render(Paint::OFF)
    }

    #[test]
    fn a_failed_worker_tells_its_last_words() {
        let text = text(&killed(WorkerState::Failed));
        for line in [
            "state    failed: WORKER_EXITED, for 12s\n",
            "memory   488.0 MiB when ready (500.0 MiB estimated), 2.0 GiB reserved\n",
            "limit    3.0 GiB\n",
            "failure  WORKER_EXITED, 12s ago\n",
            "why      killed by signal 9\n",
            "cause    out of memory\n",
            "log      loading\nlog      out of memory\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("exit code"), "{text}");
    }

    #[test]
    fn a_worker_that_waits_for_its_next_attempt_says_when_that_is() {
        let waiting = Worker {
            restart_count: 1,
            next_attempt_at: Some(at(8)),
            ..killed(WorkerState::Pending)
        };
        let text = text(&waiting);
        assert!(
            text.contains("pending: WORKER_EXITED, tries again in 8 s, for 12s\n"),
            "{text}"
        );
        assert!(text.contains("1 time by itself\n"), "{text}");
    }

    #[test]
    fn what_serves_again_tells_why_it_was_started_anew() {
        let text = text(&killed(WorkerState::Ready));
        assert!(text.contains("ready, for 12s\n"), "{text}");
        assert!(text.contains("last failure  WORKER_EXITED, 12s ago\n"), "{text}");
    }

    #[test]
    fn how_long_a_worker_is_kept_is_said_in_words() {
        let half_an_hour = Some(prost_types::Duration {
            seconds: 1800,
            nanos: 0,
        });
        let worker = |pinned, idle_ttl| Worker {
            pinned,
            idle_ttl,
            ..Worker::default()
        };
        assert_eq!(
            kept_words(&worker(false, half_an_hour)),
            "until it is idle for 30m, or room is made (--evict)"
        );
        assert_eq!(
            kept_words(&worker(true, None)),
            "pinned: spared when room is made"
        );
    }
}
