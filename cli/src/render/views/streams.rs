//! Lines of streams: what happens, and the steps of a spawn.

use std::collections::BTreeMap;

use rbee_proto::events::v1 as events;
use rbee_proto::hive::v1 as hive;
use serde::Serialize;

use super::super::words;
use super::hosts::Hive;
use super::workers::Worker;
use super::{some, time};

/// A narration event.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    at: Option<String>,
    level: String,
    service: &'a str,
    message: &'a str,
    job_id: Option<&'a str>,
    worker_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    fields: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a events::Event> for Event<'a> {
    fn from(event: &'a events::Event) -> Self {
        Self {
            at: time(event.at.as_ref()),
            level: words::event_level(event.level),
            service: &event.service,
            message: &event.message,
            job_id: some(&event.job_id),
            worker_id: some(&event.worker_id),
            trace_id: some(&event.trace_id),
            fields: &event.fields,
        }
    }
}

/// A line of a worker's log. Numbers that are missing were written faster than they could be kept.
#[derive(Debug, Serialize)]
pub(crate) struct LogLine<'a> {
    number: u64,
    time: Option<String>,
    stream: String,
    text: &'a str,
}

impl<'a> From<&'a hive::LogLine> for LogLine<'a> {
    fn from(line: &'a hive::LogLine) -> Self {
        Self {
            number: line.number,
            time: time(line.time.as_ref()),
            stream: words::log_stream(line.stream),
            text: &line.text,
        }
    }
}

/// What happens while a hive is emptied, as a line of a stream.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Drain<'a> {
    /// A worker came into another state.
    Worker {
        /// The worker.
        worker: Box<Worker<'a>>,
    },
    /// No process runs any more.
    Drained {
        /// The hive.
        hive: Box<Hive<'a>>,
        /// The workers that come back when it is resumed.
        worker_ids: &'a [String],
    },
}

/// One step of a spawn, as a line of a stream.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Spawn<'a> {
    /// A step began.
    StepStarted {
        /// The worker's id.
        worker_id: &'a str,
        /// Which.
        step: String,
    },
    /// A step succeeded.
    StepFinished {
        /// The worker's id.
        worker_id: &'a str,
        /// Which.
        step: String,
        /// What came out of it.
        detail: &'a str,
    },
    /// The model is being loaded.
    Loading {
        /// The worker's id.
        worker_id: &'a str,
        /// Share of the model that is loaded.
        fraction: f32,
    },
    /// Files that the host lacks are being fetched.
    Fetching {
        /// The worker's id.
        worker_id: &'a str,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// Another worker was stopped to make room.
    Evicted {
        /// The worker's id.
        worker_id: &'a str,
        /// Id of the worker that was stopped.
        evicted_worker_id: &'a str,
        /// The model that it served.
        evicted_model_id: &'a str,
    },
    /// The worker is ready.
    Ready {
        /// The worker's id.
        worker_id: &'a str,
        /// The worker.
        worker: Box<Worker<'a>>,
    },
}

impl<'a> Spawn<'a> {
    /// A line for a message of the stream; absent for what this program doesn't know.
    pub(crate) fn new(message: &'a hive::SpawnWorkerResponse) -> Option<Self> {
        use hive::spawn_worker_response::Event;
        let worker_id = message.worker_id.as_str();
        Some(match message.event.as_ref()? {
            Event::StepStarted(started) => Self::StepStarted {
                worker_id,
                step: words::spawn_step(started.step),
            },
            Event::StepFinished(finished) => Self::StepFinished {
                worker_id,
                step: words::spawn_step(finished.step),
                detail: &finished.detail,
            },
            Event::Loading(loading) => Self::Loading {
                worker_id,
                fraction: loading.fraction,
            },
            Event::Ready(worker) => Self::Ready {
                worker_id,
                worker: Box::new(worker.into()),
            },
            Event::Fetching(fetching) => Self::Fetching {
                worker_id,
                done_bytes: fetching.done_bytes,
                total_bytes: fetching.total_bytes,
            },
            Event::Evicted(evicted) => Self::Evicted {
                worker_id,
                evicted_worker_id: &evicted.worker_id,
                evicted_model_id: &evicted.model_id,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_a_line() {
        let message = hive::SpawnWorkerResponse {
            worker_id: "w1".into(),
            event: Some(hive::spawn_worker_response::Event::StepFinished(
                hive::SpawnStepFinished {
                    step: hive::SpawnStep::Model as i32,
                    detail: "qwen2".into(),
                },
            )),
        };
        assert_eq!(
            serde_json::to_value(Spawn::new(&message)).unwrap(),
            json!({"event": "step_finished", "worker_id": "w1", "step": "model", "detail": "qwen2"})
        );
    }
}
