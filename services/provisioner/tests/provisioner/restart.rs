//! Jobs outlive the program.

use rbee_proto::provisioner::v1::{GetJobRequest, Job, JobState, ListJobsRequest};
use rbee_proto::types::v1::ModelState;
use rbee_testkit::hub::Host;

use crate::pull::{AN_EIGHTH, until_under_way};
use crate::running::{DEADLINE, Running, brought, fixture};
use crate::scripted::{LARGE_BYTES, drip, gguf, hugging_face, on, repo, use_hub};

const ID: &str = "org/tiny:tiny-Q8_0.gguf";

async fn jobs(running: &Running) -> Vec<Job> {
    let request = ListJobsRequest::default();
    running
        .client()
        .list_jobs(request)
        .await
        .unwrap()
        .into_inner()
        .jobs
}

#[tokio::test]
async fn a_download_goes_on_by_itself_after_a_restart() {
    let body = gguf(LARGE_BYTES, 1);
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body.clone())]).await;
    drip(&hub);
    let running = on(&hub).await;
    let mut stream = running.provision(ID).await.unwrap();
    let id = until_under_way(&mut stream, AN_EIGHTH).await;
    drop(stream);
    let folder = running.stop().await;

    // What was signed then is good no longer, and the branch has moved on; the commit stays.
    hub.hosts().expire_signed_urls();
    hub.hosts().faults().clear();
    let endpoint = hub.endpoint();
    let running = Running::start_in(folder, |_, config| use_hub(config, endpoint)).await;
    let job = running.ended(&id).await;
    let model = brought(&job);
    assert_eq!(
        (job.id.as_str(), model.files[0].sha256.as_str()),
        (id.as_str(), body.sha256().as_str())
    );
    assert_eq!(model.state(), ModelState::Available);
    assert!(
        hub.hosts().body_bytes(Host::Cdn) < body.len() * 3 / 2,
        "it went on where it was"
    );
    assert!(running.parts().is_empty());
}

#[tokio::test]
async fn jobs_that_ended_are_listed_again_and_damaged_ones_are_set_aside() {
    let running = Running::start_with(|_, config| config.kept_jobs = 2).await;
    let mut before = Vec::new();
    for (name, source) in [("a", "plain"), ("b", "tied"), ("c", "none")] {
        let source = fixture(&format!("ok/{source}.gguf"));
        let steps = running
            .import_to_end(&source, name, rbee_proto::provisioner::v1::ImportMode::Copy)
            .await;
        before.insert(0, steps.last().unwrap().clone());
    }
    before.truncate(2);
    assert_eq!(before[0].state(), JobState::Failed);
    let folder = running.stop().await;
    let jobs_folder = folder.path().join("work/jobs");
    std::fs::write(jobs_folder.join("damaged.json"), "{\"schema_version\": 1,").unwrap();

    let running = Running::start_in(folder, |_, config| config.kept_jobs = 2).await;
    assert_eq!(jobs(&running).await, before, "as they were, the oldest forgotten");
    assert!(jobs_folder.join("damaged.damaged").exists());
    let request = GetJobRequest {
        id: before[0].id.clone(),
    };
    let job = running.client().get_job(request).await.unwrap().into_inner().job;
    assert_eq!(job.unwrap().failure.unwrap().reason, "FILE_NOT_FOUND");
}

#[tokio::test]
async fn a_cancelled_job_stays_cancelled_after_a_restart() {
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", gguf(LARGE_BYTES, 2))]).await;
    drip(&hub);
    let running = on(&hub).await;
    let mut stream = running.provision(ID).await.unwrap();
    let id = until_under_way(&mut stream, AN_EIGHTH).await;
    let request = rbee_proto::provisioner::v1::CancelJobRequest {
        id: id.clone(),
        discard: false,
    };
    running.client().cancel_job(request).await.unwrap();
    running.ended(&id).await;
    drop(stream);
    let folder = running.stop().await;
    let endpoint = hub.endpoint();
    let running = Running::start_in(folder, |_, config| use_hub(config, endpoint)).await;
    assert_eq!(running.ended(&id).await.state(), JobState::Cancelled);
    assert_eq!(running.model(ID).await, None);
}

#[tokio::test]
async fn two_provisioners_share_no_folder() {
    let running = Running::start().await;
    let config = rbee_provisioner::ProvisionerConfig {
        store: Some(running.folder.path().join("store").display().to_string()),
        work_dir: Some(running.folder.path().join("work")),
        ..Default::default()
    };
    let catalog = rbee_service_kit::Target {
        address: "http://127.0.0.1:9".into(),
        token: None,
        ..rbee_service_kit::Target::default()
    };
    let lifecycle = rbee_service_kit::Lifecycle::new();
    let refused = rbee_provisioner::Provisioner::start(config, catalog, &lifecycle)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("in use by another provisioner"),
        "{refused}"
    );
    running.lifecycle.finish(DEADLINE).await;
}
