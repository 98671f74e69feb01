//! Following a job, whoever began it.

use rbee_proto::provisioner::v1::{
    ImportModelResponse, InstallWorkerResponse, Job, JobState, ProvisionModelResponse, Verification,
    VerifyModelsResponse, WatchJobResponse, job,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::note;
use crate::render::job::{JobProgress, has_ended};
use crate::render::{human, plain_text, views, words};

/// Problems of files that are told one by one.
const TOLD_PROBLEMS: usize = 20;

/// How a job is followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Only see that the job is there, and leave it to its work.
    pub(super) detach: bool,
    /// Don't show what its programs print.
    pub(super) quiet: bool,
}

/// A message of any call that streams a job.
#[derive(Debug)]
pub(super) struct Step {
    job: Option<Job>,
    output_lines: Vec<String>,
}

macro_rules! steps {
    ($($message:ident => $lines:expr;)*) => {
        $(impl From<$message> for Step {
            fn from(message: $message) -> Self {
                let lines: fn($message) -> Vec<String> = $lines;
                Self { job: message.job.clone(), output_lines: lines(message) }
            }
        })*
    };
}

steps! {
    ProvisionModelResponse => |_| Vec::new();
    ImportModelResponse => |_| Vec::new();
    VerifyModelsResponse => |_| Vec::new();
    InstallWorkerResponse => |message| message.output_lines;
    WatchJobResponse => |message| message.output_lines;
}

/// Shows a job until it ends. Leaving earlier does not cancel it.
pub(super) async fn follow<M: Into<Step>>(
    mut messages: impl Stream<Item = Result<M, Status>> + Unpin,
    manner: Manner,
    session: &Session,
    doing: impl Fn() -> String,
) -> Result<(), Failure> {
    let output = session.output;
    let mut progress = JobProgress::new(output.remarks_on_terminal && !output.json, !manner.quiet);
    let mut last: Option<Job> = None;
    let outcome = or_ctrl_c(async {
        while let Some(message) = messages.next().await {
            let Step { job, output_lines } = match message {
                Ok(message) => message.into(),
                Err(status) => return Err(broken(&status, last.as_ref(), &doing)),
            };
            let Some(job) = job else { continue };
            let leaves = manner.detach && !has_ended(&job);
            if output.json {
                output.json_line(&views::JobUpdate::new(&job, &output_lines))?;
            } else if !manner.detach {
                progress.update(&job, &output_lines);
            }
            last = Some(job);
            if leaves {
                break;
            }
        }
        Ok::<(), Failure>(())
    })
    .await;
    progress.end();
    match outcome {
        Outcome::Interrupted => Err(left(last.as_ref())),
        Outcome::Done(result) => {
            result?;
            match last.as_ref().filter(|job| manner.detach && !has_ended(job)) {
                Some(job) => detached(job, session),
                None => ended(last.as_ref(), session, doing),
            }
        }
    }
}

/// The job's id is all that goes to stdout, for scripts.
fn detached(job: &Job, session: &Session) -> Result<(), Failure> {
    if !session.output.json {
        let id = plain_text::one_line(&job.id);
        session.output.line(&id)?;
        note(&format!(
            "`rbee job watch {id}` follows it, `rbee job cancel {id}` cancels it"
        ));
    }
    Ok(())
}

/// What to say when the stream breaks off. The job outlives it.
fn broken(status: &Status, job: Option<&Job>, doing: impl Fn() -> String) -> Failure {
    let failure = Failure::of_status(doing(), status);
    match job {
        Some(job) if failure.exit == Exit::Unreachable && !has_ended(job) => failure.hint(format!(
            "the job goes on as soon as the server is there again: `rbee job watch {}`",
            job.id
        )),
        _ => failure,
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
    if job.state == JobState::Failed as i32 {
        return Err(Failure::new(Exit::Failed, doing()).because("the server does not say why"));
    }
    if let Some(job::Result::Verification(verification)) = &job.result
        && !verification.problems.is_empty()
    {
        return Err(damaged(verification));
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
        Some(job::Result::Verification(verification)) => format!("{}: all good", read(verification)),
        None => format!("{} is done", job.subject),
    }
}

/// `2 models, 3 files, 1.2 GiB`
fn read(verification: &Verification) -> String {
    format!(
        "{}, {}, {}",
        human::number(verification.model_count, "model"),
        human::number(verification.file_count, "file"),
        human::size(verification.size_bytes)
    )
}

/// What to say when files are not what they were.
fn damaged(verification: &Verification) -> Failure {
    let files = human::number(verification.problems.len() as u64, "file");
    let message = format!("{files} of {} can't be used", read(verification));
    let mut failure = Failure::new(Exit::Failed, message);
    for problem in verification.problems.iter().take(TOLD_PROBLEMS) {
        let kind = words::file_problem_kind(problem.kind);
        let mut why = format!("{}: {} is {kind}", problem.model_id, problem.file_name);
        if !problem.message.is_empty() {
            why += &format!(": {}", problem.message);
        }
        failure = failure.because(why);
    }
    let more = verification.problems.len().saturating_sub(TOLD_PROBLEMS);
    if more > 0 {
        failure = failure.because(format!("and {more} more; --json lists all"));
    }
    failure.hint("`rbee model pull ID` fetches the bad files of a hub's model again; import a local one anew")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use rbee_proto::provisioner::v1::{FileProblem, FileProblemKind, JobFailure};
    use rbee_proto::types::v1::{LlmModel, Model, ModelType, model_type};

    use super::*;
    use crate::args::Cli;
    use crate::output::Output;

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
        let in_state = |state: JobState| Job {
            state: state as i32,
            ..Job::default()
        };
        let running = in_state(JobState::Running);
        for last in [None, Some(&running)] {
            assert!(ended(last, &session(), || "can't import x".into()).is_err());
        }
        for state in [JobState::Cancelled, JobState::Failed] {
            assert!(ended(Some(&in_state(state)), &session(), || "can't import x".into()).is_err());
        }
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

        let failure = broken(&Status::unavailable("gone"), Some(&running), || {
            "can't pull x".into()
        });
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(
            failure.hints.last().unwrap().contains("rbee job watch j1"),
            "{failure:?}"
        );
    }

    #[test]
    fn damage_that_was_found_fails_the_command() {
        let job = |problems| Job {
            state: JobState::Succeeded as i32,
            result: Some(job::Result::Verification(Verification {
                model_count: 2,
                file_count: 1,
                size_bytes: 3 << 20,
                problems,
            })),
            ..Job::default()
        };
        let good = job(Vec::new());
        assert_eq!(succeeded(&good), "2 models, 1 file, 3.0 MiB: all good");
        assert!(ended(Some(&good), &session(), String::new).is_ok());

        let problem = FileProblem {
            model_id: "local:a".into(),
            file_name: "a.gguf".into(),
            kind: FileProblemKind::Damaged as i32,
            message: String::new(),
        };
        let failure = ended(Some(&job(vec![problem; 21])), &session(), String::new).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.why[0], "local:a: a.gguf is damaged");
        assert_eq!(failure.why.last().unwrap(), "and 1 more; --json lists all");
    }
}
