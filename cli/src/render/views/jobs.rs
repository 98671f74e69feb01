//! Jobs of the provisioner.

use rbee_proto::provisioner::v1 as provisioner;
use serde::Serialize;

use super::super::words;
use super::artifacts::{Model, WorkerBinary};
use super::time;

/// A job.
#[derive(Debug, Serialize)]
pub(crate) struct Job<'a> {
    id: &'a str,
    kind: String,
    subject: &'a str,
    state: String,
    phase: Option<String>,
    done_bytes: u64,
    total_bytes: Option<u64>,
    bytes_per_second: Option<f64>,
    failure: Option<JobFailure<'a>>,
    created_at: Option<String>,
    ended_at: Option<String>,
    model: Option<Model<'a>>,
    worker_binary: Option<WorkerBinary<'a>>,
}

#[derive(Debug, Serialize)]
struct JobFailure<'a> {
    reason: &'a str,
    message: &'a str,
}

impl<'a> From<&'a provisioner::Job> for Job<'a> {
    fn from(job: &'a provisioner::Job) -> Self {
        use provisioner::job::Result as Outcome;
        let (model, worker_binary) = match &job.result {
            Some(Outcome::Model(model)) => (Some(Model::from(model)), None),
            Some(Outcome::WorkerBinary(binary)) => (None, Some(WorkerBinary::from(binary))),
            None => (None, None),
        };
        Self {
            id: &job.id,
            kind: words::job_kind(job.kind),
            subject: &job.subject,
            state: words::job_state(job.state),
            phase: (job.phase != 0).then(|| words::job_phase(job.phase)),
            done_bytes: job.done_bytes,
            total_bytes: job.total_bytes,
            bytes_per_second: job.bytes_per_second,
            failure: job.failure.as_ref().map(|failure| JobFailure {
                reason: &failure.reason,
                message: &failure.message,
            }),
            created_at: time(job.created_at.as_ref()),
            ended_at: time(job.ended_at.as_ref()),
            model,
            worker_binary,
        }
    }
}
