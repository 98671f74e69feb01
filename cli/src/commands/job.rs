//! `rbee job`, and following what a job does.

use rbee_proto::provisioner::v1::{CancelJobRequest, Job, JobState, ListJobsRequest, WatchJobRequest, job};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::JobCommand;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::identify;
use crate::render::job::{JobProgress, has_ended};
use crate::render::{human, lists, plain_text, views, words};

/// Does what was asked.
pub(super) async fn run(command: JobCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    match command {
        JobCommand::Ls { active } => list(&cluster, active, session).await,
        JobCommand::Watch { id } => {
            let id = find(&cluster, &id).await?.id;
            let doing = || format!("can't follow the job {id}");
            let request = WatchJobRequest { id: id.clone() };
            let stream = cluster
                .provisioner()
                .watch_job(request)
                .await
                .doing(doing)?
                .into_inner();
            let jobs = stream.filter_map(|message| message.map(|message| message.job).transpose());
            follow(jobs, session, doing).await
        }
        JobCommand::Cancel { id } => cancel(&cluster, &id, session).await,
    }
}

async fn jobs(cluster: &Cluster, active_only: bool) -> Result<Vec<Job>, Failure> {
    let answer = cluster
        .provisioner()
        .list_jobs(ListJobsRequest { active_only })
        .await;
    Ok(answer.doing(|| "can't list the jobs".into())?.into_inner().jobs)
}

async fn find(cluster: &Cluster, id: &str) -> Result<Job, Failure> {
    let jobs = jobs(cluster, false).await?;
    let job = identify::one(id, &jobs, |job| &job.id).map_err(|error| error.failure("job"))?;
    Ok(job.clone())
}

async fn list(cluster: &Cluster, active: bool, session: &Session) -> Result<(), Failure> {
    let jobs = jobs(cluster, active).await?;
    let documents: Vec<_> = jobs.iter().map(views::Job::from).collect();
    session
        .output
        .list(&documents, || lists::jobs(&jobs, &human::now()), "no jobs")?;
    Ok(())
}

async fn cancel(cluster: &Cluster, id: &str, session: &Session) -> Result<(), Failure> {
    let id = find(cluster, id).await?.id;
    let doing = format!("can't cancel the job {id}");
    let answer = cluster
        .provisioner()
        .cancel_job(CancelJobRequest { id })
        .await
        .doing(|| doing)?;
    let job = answer.into_inner().job.unwrap_or_default();
    if session.output.json {
        session.output.document(&views::Job::from(&job))?;
    } else if job.state == JobState::Cancelled as i32 || !has_ended(&job) {
        session
            .output
            .line(&format!("cancelled {}", plain_text::one_line(&job.id)))?;
    } else {
        let state = words::job_state(job.state);
        session.output.line(&format!(
            "job {} had ended before: {state}",
            plain_text::one_line(&job.id)
        ))?;
    }
    Ok(())
}

/// Shows a job until it ends. Leaving earlier does not cancel it.
pub(super) async fn follow(
    mut jobs: impl Stream<Item = Result<Job, Status>> + Unpin,
    session: &Session,
    doing: impl Fn() -> String,
) -> Result<(), Failure> {
    let output = session.output;
    let mut progress = JobProgress::new(output.remarks_on_terminal && !output.json);
    let mut last: Option<Job> = None;
    let outcome = or_ctrl_c(async {
        while let Some(job) = jobs.next().await {
            let job = job.doing(&doing)?;
            if output.json {
                output.json_line(&views::Job::from(&job))?;
            } else {
                progress.update(&job);
            }
            last = Some(job);
        }
        Ok::<(), Failure>(())
    })
    .await;
    progress.end();
    match outcome {
        Outcome::Interrupted => Err(left(last.as_ref())),
        Outcome::Done(result) => {
            result?;
            ended(last.as_ref(), session, doing)
        }
    }
}

/// What to say to who leaves a job alone.
fn left(job: Option<&Job>) -> Failure {
    let failure = Failure::new(Exit::Interrupted, "stopped watching");
    match job {
        Some(job) if !has_ended(job) => failure
            .because(format!("the job {} goes on", job.id))
            .hint(format!(
                "`rbee job watch {}` follows it, `rbee job cancel {}` cancels it",
                job.id, job.id
            )),
        _ => failure,
    }
}

/// What came out of a job.
fn ended(job: Option<&Job>, session: &Session, doing: impl Fn() -> String) -> Result<(), Failure> {
    let Some(job) = job.filter(|job| has_ended(job)) else {
        return Err(Failure::new(Exit::Failed, doing())
            .because("the server stopped telling about the job before it ended")
            .hint("`rbee job ls` shows how it went on"));
    };
    if let Some(failure) = &job.failure {
        return Err(Failure::new(Exit::of_reason(&failure.reason), doing())
            .because(&failure.message)
            .reason(&failure.reason));
    }
    if job.state == JobState::Cancelled as i32 {
        return Err(Failure::new(Exit::Failed, doing()).because(format!("the job {} was cancelled", job.id)));
    }
    if !session.output.json {
        session.output.line(&plain_text::one_line(&succeeded(job)))?;
    }
    Ok(())
}

/// `local:qwen is there: qwen2, Q4_K_M, 468.6 MiB`
fn succeeded(job: &Job) -> String {
    match &job.result {
        Some(job::Result::Model(model)) => {
            let kind = words::model_kind(model.model_type.as_ref().and_then(|kind| kind.kind.as_ref()));
            let facts: Vec<String> = [
                kind,
                model.quantization.clone(),
                Some(human::size(model.size_bytes)),
            ]
            .into_iter()
            .flatten()
            .collect();
            format!("{} is there: {}", model.id, facts.join(", "))
        }
        Some(job::Result::WorkerBinary(binary)) => {
            format!(
                "{} {} is installed",
                words::worker_type(binary.worker_type),
                binary.version
            )
        }
        None => format!("{} is done", job.subject),
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::provisioner::v1::JobFailure;
    use rbee_proto::types::v1::{LlmModel, Model, ModelType, model_type};

    use super::*;
    use crate::args::Cli;
    use crate::output::Output;
    use clap::Parser as _;

    fn session() -> Session {
        let options = Cli::parse_from(["rbee", "--json", "status"]).options;
        Session {
            options,
            output: Output::new(true),
        }
    }

    #[test]
    fn a_success_says_what_is_there() {
        let model = Model {
            id: "local:qwen".into(),
            model_type: Some(ModelType {
                kind: Some(model_type::Kind::Llm(LlmModel {
                    architecture: "qwen2".into(),
                })),
            }),
            quantization: Some("Q4_K_M".into()),
            size_bytes: 491_400_064,
            ..Model::default()
        };
        let job = Job {
            result: Some(job::Result::Model(model)),
            ..Job::default()
        };
        assert_eq!(succeeded(&job), "local:qwen is there: qwen2, Q4_K_M, 468.6 MiB");
    }

    #[test]
    fn a_failed_job_fails_the_command_with_its_reason() {
        let job = Job {
            state: JobState::Failed as i32,
            failure: Some(JobFailure {
                reason: "FILE_NOT_FOUND".into(),
                message: "no such file".into(),
            }),
            ..Job::default()
        };
        let failure = ended(Some(&job), &session(), || "can't import x".into()).unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.why, ["no such file"]);
        assert_eq!(failure.reason.as_deref(), Some("FILE_NOT_FOUND"));
    }

    #[test]
    fn a_stream_that_breaks_off_is_no_success() {
        let running = Job {
            state: JobState::Running as i32,
            ..Job::default()
        };
        for last in [None, Some(&running)] {
            assert!(ended(last, &session(), || "can't import x".into()).is_err());
        }
        let cancelled = Job {
            state: JobState::Cancelled as i32,
            ..Job::default()
        };
        assert!(ended(Some(&cancelled), &session(), || "can't import x".into()).is_err());
    }

    #[test]
    fn who_leaves_is_told_how_to_come_back() {
        let running = Job {
            id: "j1".into(),
            state: JobState::Running as i32,
            ..Job::default()
        };
        let failure = left(Some(&running));
        assert_eq!(failure.exit, Exit::Interrupted);
        assert!(failure.hints[0].contains("rbee job cancel j1"));
    }
}
