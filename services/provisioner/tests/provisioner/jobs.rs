//! Jobs: shared, followed, left, cancelled.

use rbee_proto::provisioner::v1::{
    CancelJobRequest, GetJobRequest, ImportMode, Job, JobState, ListJobsRequest, WatchJobRequest,
};
use rbee_service_kit::RemoteFault;

use crate::running::{DEADLINE, Running, fixture, next, reason, steps};

/// Takes long enough to be cancelled, and no room unless it is copied to the end.
const LARGE_BYTES: u64 = 2 << 30;

async fn watch(running: &Running, id: &str) -> Vec<Job> {
    let mut stream = running
        .client()
        .watch_job(WatchJobRequest { id: id.to_owned() })
        .await
        .unwrap()
        .into_inner();
    let mut steps = Vec::new();
    while let Some(step) = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap()
    {
        steps.push(step.job.unwrap());
    }
    steps
}

async fn cancel(running: &Running, id: &str) {
    running
        .client()
        .cancel_job(CancelJobRequest {
            id: id.to_owned(),
            discard: false,
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn progress_goes_forward_and_is_not_told_too_often() {
    let running = Running::start().await;
    let source = running.large_model("m.gguf", 512 << 20);
    let began = std::time::Instant::now();
    let steps = running.import_to_end(&source, "m", ImportMode::HardLink).await;
    let took = began.elapsed();
    assert_eq!(steps.last().unwrap().state(), JobState::Succeeded);
    assert!(
        steps
            .windows(2)
            .all(|pair| pair[0].done_bytes <= pair[1].done_bytes)
    );
    assert!(
        steps
            .windows(2)
            .all(|pair| pair[0].phase() <= pair[1].phase() || pair[1].phase() as i32 == 0)
    );
    assert!(
        steps
            .iter()
            .any(|step| step.done_bytes > 0 && step.done_bytes < 512 << 20),
        "{steps:?}"
    );
    // Ten a second, and a step for each phase and the ends.
    let most = 10.0 * took.as_secs_f64() + 8.0;
    assert!((steps.len() as f64) < most, "{} steps in {took:?}", steps.len());
}

#[tokio::test]
async fn cancelling_ends_a_copy_at_once_and_leaves_nothing() {
    let running = Running::start().await;
    let source = running.large_model("m.gguf", LARGE_BYTES);
    let mut stream = running.import(&source, "m", ImportMode::Copy).await.unwrap();
    let id = loop {
        let job = next(&mut stream).await;
        assert!(job.ended_at.is_none(), "{job:?}");
        if job.done_bytes > 0 {
            break job.id;
        }
    };
    cancel(&running, &id).await;
    let rest = steps(stream).await;
    let last = rest.last().unwrap();
    assert_eq!(last.state(), JobState::Cancelled);
    assert!(last.done_bytes < LARGE_BYTES && last.failure.is_none() && last.result.is_none());
    assert_eq!((running.stored_bytes(), running.catalog().await), (0, vec![]));

    // A job that has ended stays as it is, and its name is free.
    cancel(&running, &id).await;
    let job = running
        .client()
        .get_job(GetJobRequest { id: id.clone() })
        .await
        .unwrap()
        .into_inner()
        .job;
    assert_eq!(job.unwrap().state(), JobState::Cancelled);
    let again = running
        .import_to_end(&fixture("ok/plain.gguf"), "m", ImportMode::Copy)
        .await;
    assert_eq!(again.last().unwrap().state(), JobState::Succeeded);
}

#[tokio::test]
async fn two_who_ask_for_the_same_share_a_job() {
    let running = Running::start().await;
    let source = running.large_model("m.gguf", LARGE_BYTES);
    let other = running.copy_of(&fixture("ok/plain.gguf"), "other.gguf");
    let mut first = running.import(&source, "m", ImportMode::HardLink).await.unwrap();
    let mut second = running.import(&source, "m", ImportMode::HardLink).await.unwrap();
    let id = next(&mut first).await.id;
    assert_eq!(next(&mut second).await.id, id);

    let refused = running
        .import(&other, "m", ImportMode::HardLink)
        .await
        .unwrap_err();
    let fault = RemoteFault::from(&refused);
    assert!(fault.is("JOB_CONFLICT"), "{fault:?}");
    assert_eq!(fault.metadata["job_id"], id);

    let active = ListJobsRequest { active_only: true };
    let jobs = running
        .client()
        .list_jobs(active)
        .await
        .unwrap()
        .into_inner()
        .jobs;
    assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&id]);
    cancel(&running, &id).await;
    for stream in [first, second] {
        assert_eq!(steps(stream).await.last().unwrap().state(), JobState::Cancelled);
    }
    assert!(
        running
            .client()
            .list_jobs(active)
            .await
            .unwrap()
            .into_inner()
            .jobs
            .is_empty()
    );
    assert_eq!(
        running
            .client()
            .list_jobs(ListJobsRequest::default())
            .await
            .unwrap()
            .into_inner()
            .jobs
            .len(),
        1
    );
}

#[tokio::test]
async fn a_job_outlives_the_client_that_asked_for_it() {
    let running = Running::start().await;
    let source = running.large_model("m.gguf", 256 << 20);
    let mut stream = running.import(&source, "m", ImportMode::HardLink).await.unwrap();
    let id = next(&mut stream).await.id;
    drop(stream);
    let steps = watch(&running, &id).await;
    assert_eq!(steps.last().unwrap().state(), JobState::Succeeded, "{steps:?}");
    assert_eq!(running.catalog().await.len(), 1);
    let late = watch(&running, &id).await;
    assert_eq!(late.len(), 1, "one that has ended is told once");
}

#[tokio::test]
async fn what_is_no_job_is_said_to_be_none() {
    let running = Running::start().await;
    let mut client = running.client();
    for id in ["", "nonsense!", "0193f5b0-0000-7000-8000-000000000000"] {
        let id = id.to_owned();
        assert_eq!(
            reason(client.get_job(GetJobRequest { id: id.clone() }).await),
            "JOB_NOT_FOUND"
        );
        assert_eq!(
            reason(client.watch_job(WatchJobRequest { id: id.clone() }).await),
            "JOB_NOT_FOUND"
        );
        assert_eq!(
            reason(client.cancel_job(CancelJobRequest { id, discard: false }).await),
            "JOB_NOT_FOUND"
        );
    }
}

#[tokio::test]
async fn a_shutdown_stops_jobs_and_leaves_nothing_half_made() {
    let running = Running::start().await;
    let source = running.large_model("m.gguf", LARGE_BYTES);
    let mut stream = running.import(&source, "m", ImportMode::Copy).await.unwrap();
    while next(&mut stream).await.done_bytes == 0 {}
    assert!(running.lifecycle.finish(DEADLINE).await, "all tasks ended");
    assert_eq!(running.stored_bytes(), 0);
    // The stream ends: with the job's last step, or saying that the service leaves.
    loop {
        match tokio::time::timeout(DEADLINE, stream.message()).await.unwrap() {
            Ok(Some(step)) => assert_ne!(step.job.unwrap().state(), JobState::Succeeded),
            Ok(None) => break,
            Err(status) => {
                assert!(RemoteFault::from(&status).is("SHUTTING_DOWN"), "{status:?}");
                break;
            }
        }
    }
}
