//! Jobs of the provisioner.

use rbee_proto::provisioner::v1 as provisioner;
use serde::Serialize;

use super::super::{human, words};
use super::artifacts::{Model, WorkerBinary};
use super::{some, time};

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
    verification: Option<Verification<'a>>,
    remaining_seconds: Option<f64>,
    file_name: Option<&'a str>,
    note: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Verification<'a> {
    model_count: u64,
    file_count: u64,
    size_bytes: u64,
    problems: Vec<FileProblem<'a>>,
}

#[derive(Debug, Serialize)]
struct FileProblem<'a> {
    model_id: &'a str,
    file_name: &'a str,
    kind: String,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct JobFailure<'a> {
    reason: &'a str,
    message: &'a str,
}

impl<'a> From<&'a provisioner::Job> for Job<'a> {
    fn from(job: &'a provisioner::Job) -> Self {
        use provisioner::job::Result as Outcome;
        let (mut model, mut worker_binary, mut verification) = (None, None, None);
        match &job.result {
            Some(Outcome::Model(result)) => model = Some(Model::from(result)),
            Some(Outcome::WorkerBinary(result)) => worker_binary = Some(WorkerBinary::from(result)),
            Some(Outcome::Verification(result)) => verification = Some(Verification::from(result)),
            None => {}
        }
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
            verification,
            remaining_seconds: job
                .remaining
                .as_ref()
                .and_then(human::from_proto)
                .map(|left| left.as_secs_f64()),
            file_name: some(&job.file_name),
            note: some(&job.note),
        }
    }
}

impl<'a> From<&'a provisioner::Verification> for Verification<'a> {
    fn from(verification: &'a provisioner::Verification) -> Self {
        Self {
            model_count: verification.model_count,
            file_count: verification.file_count,
            size_bytes: verification.size_bytes,
            problems: verification
                .problems
                .iter()
                .map(|problem| FileProblem {
                    model_id: &problem.model_id,
                    file_name: &problem.file_name,
                    kind: words::file_problem_kind(problem.kind),
                    message: &problem.message,
                })
                .collect(),
        }
    }
}

/// A job that is being followed, with what its programs printed since the line before.
#[derive(Debug, Serialize)]
pub(crate) struct JobUpdate<'a> {
    #[serde(flatten)]
    job: Job<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    output_lines: &'a [String],
}

impl<'a> JobUpdate<'a> {
    /// Of a job and what its programs printed.
    pub(crate) fn new(job: &'a provisioner::Job, output_lines: &'a [String]) -> Self {
        Self {
            job: job.into(),
            output_lines,
        }
    }
}

/// What was removed, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct Collected {
    dry_run: bool,
    blob_count: u64,
    blob_bytes: u64,
    part_count: u64,
    part_bytes: u64,
}

impl Collected {
    /// Of the provisioner's answer.
    pub(crate) fn new(answer: provisioner::CollectGarbageResponse, dry_run: bool) -> Self {
        Self {
            dry_run,
            blob_count: answer.blob_count,
            blob_bytes: answer.blob_bytes,
            part_count: answer.part_count,
            part_bytes: answer.part_bytes,
        }
    }
}
