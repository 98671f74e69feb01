//! `rbee job`.

use rbee_proto::provisioner::v1::{CancelJobRequest, Job, JobState, ListJobsRequest, WatchJobRequest};

use super::Session;
use super::follow::{Manner, follow};
use crate::args::JobCommand;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::identify;
use crate::render::job::has_ended;
use crate::render::{human, lists, plain_text, views, words};

/// Does what was asked.
pub(super) async fn run(command: JobCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    match command {
        JobCommand::Ls { active } => list(&cluster, active, session).await,
        JobCommand::Watch { id, quiet } => watch(&cluster, &id, quiet, session).await,
        JobCommand::Cancel { id, discard } => cancel(&cluster, &id, discard, session).await,
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

async fn watch(cluster: &Cluster, id: &str, quiet: bool, session: &Session) -> Result<(), Failure> {
    let id = find(cluster, id).await?.id;
    let doing = || format!("the job {id} did not succeed");
    let request = WatchJobRequest { id: id.clone() };
    let answer = cluster.provisioner().watch_job(request).await;
    let messages = answer
        .doing(|| format!("can't follow the job {id}"))?
        .into_inner();
    let manner = Manner { detach: false, quiet };
    follow(messages, manner, session, doing).await
}

async fn cancel(cluster: &Cluster, id: &str, discard: bool, session: &Session) -> Result<(), Failure> {
    let id = find(cluster, id).await?.id;
    let doing = format!("can't cancel the job {id}");
    let answer = cluster
        .provisioner()
        .cancel_job(CancelJobRequest { id, discard })
        .await
        .doing(|| doing)?;
    let job = answer.into_inner().job.unwrap_or_default();
    if session.output.json {
        session.output.document(&views::Job::from(&job))?;
    } else {
        session
            .output
            .line(&plain_text::one_line(&cancelled(&job, discard)))?;
    }
    Ok(())
}

/// What a cancellation came to.
fn cancelled(job: &Job, discard: bool) -> String {
    let mut said = if job.state == JobState::Cancelled as i32 || !has_ended(job) {
        format!("cancelled {}", job.id)
    } else {
        format!("job {} had ended before: {}", job.id, words::job_state(job.state))
    };
    if discard {
        said += "; what it had downloaded is removed";
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_says_what_it_came_to() {
        let job = |state: JobState| Job {
            id: "j1".into(),
            state: state as i32,
            ..Job::default()
        };
        assert_eq!(cancelled(&job(JobState::Running), false), "cancelled j1");
        assert_eq!(
            cancelled(&job(JobState::Succeeded), false),
            "job j1 had ended before: succeeded"
        );
        assert_eq!(
            cancelled(&job(JobState::Cancelled), true),
            "cancelled j1; what it had downloaded is removed"
        );
    }
}
