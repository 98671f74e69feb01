//! Downloading models from hubs.

use rbee_proto::provisioner::v1::{
    CancelJobRequest, Job, JobKind, JobPhase, JobState, ProvisionModelResponse, ResolveModelRequest,
    SearchModelsRequest,
};
use rbee_proto::types::v1::model_type::Kind;
use rbee_proto::types::v1::{ModelState, Vendor};
use rbee_testkit::hub::civitai::{CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiVersion};
use rbee_testkit::hub::huggingface::{Gated, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};
use tonic::Streaming;

use crate::running::{DEADLINE, Running, brought, fixture, provision_steps, reason};
use crate::scripted::{
    LARGE_BYTES, downloads, drip, embedding, gguf, hugging_face, on, on_civitai, repo, use_hub,
};

const ID: &str = "org/tiny:tiny-Q8_0.gguf";

async fn next(stream: &mut Streaming<ProvisionModelResponse>) -> Job {
    let step = tokio::time::timeout(DEADLINE, stream.message()).await.unwrap();
    step.unwrap().unwrap().job.unwrap()
}

/// An eighth of a large file.
pub(crate) const AN_EIGHTH: u64 = LARGE_BYTES as u64 / 8;

/// Waits until so much of the file has come; answers with the job's id.
pub(crate) async fn until_under_way(
    stream: &mut Streaming<ProvisionModelResponse>,
    done_bytes: u64,
) -> String {
    loop {
        let job = next(stream).await;
        assert!(job.ended_at.is_none(), "{job:?}");
        if job.phase() == JobPhase::Downloading && job.done_bytes > done_bytes {
            return job.id;
        }
    }
}

async fn cancel(running: &Running, id: &str, discard: bool) -> Job {
    let id = id.to_owned();
    let request = CancelJobRequest {
        id: id.clone(),
        discard,
    };
    running.client().cancel_job(request).await.unwrap();
    running.ended(&id).await
}

#[tokio::test]
async fn a_model_comes_from_hugging_face_with_what_its_files_say() {
    let body = gguf(LARGE_BYTES, 1);
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body.clone())]).await;
    let running = on(&hub).await;

    let resolve = || ResolveModelRequest {
        model_id: "org/tiny".into(),
    };
    let resolution = running.client().resolve_model(resolve()).await.unwrap();
    let resolution = resolution.into_inner().resolution.unwrap();
    assert_eq!((resolution.model_id.as_str(), resolution.accessible), (ID, true));
    assert_eq!(resolution.license, "apache-2.0");
    assert_eq!(resolution.size_bytes, Some(body.len()));
    assert_eq!(resolution.download_bytes, Some(body.len()));
    assert_eq!(
        (resolution.fits_disk, resolution.already_here),
        (Some(true), false)
    );
    assert_eq!(resolution.files[0].sha256, body.sha256());
    assert_eq!(downloads(&hub), 0, "asking fetches nothing");

    let steps = running.provision_to_end("org/tiny").await;
    let last = steps.last().unwrap();
    let model = brought(last);
    assert_eq!(
        (last.kind(), last.subject.as_str()),
        (JobKind::ProvisionModel, ID)
    );
    assert_eq!(
        (last.done_bytes, last.total_bytes),
        (body.len(), Some(body.len()))
    );
    assert_eq!((model.id.as_str(), model.vendor()), (ID, Vendor::Huggingface));
    assert_eq!(model.state(), ModelState::Available);
    assert!(matches!(
        model.model_type.clone().unwrap().kind,
        Some(Kind::Llm(_))
    ));
    assert_eq!(model.metadata["revision"], resolution.revision);
    assert_eq!(model.metadata["license"], "apache-2.0");
    assert_eq!(
        (model.files.len(), model.files[0].sha256.as_str()),
        (1, body.sha256().as_str())
    );
    assert_eq!(running.catalog().await, std::slice::from_ref(&model));
    assert!(running.parts().is_empty(), "{:?}", running.parts());

    // Again, by either id: it is here.
    let before = downloads(&hub);
    for id in [ID, "org/tiny", "hf:org/tiny@main"] {
        assert_eq!(
            brought(running.provision_to_end(id).await.last().unwrap()),
            model,
            "{id}"
        );
    }
    assert_eq!(downloads(&hub), before);
    let resolution = running.client().resolve_model(resolve()).await.unwrap();
    let resolution = resolution.into_inner().resolution.unwrap();
    assert_eq!(
        (resolution.download_bytes, resolution.already_here),
        (Some(0), true)
    );
    let search = SearchModelsRequest {
        vendor: Vendor::Huggingface.into(),
        text: "tiny".into(),
        ..SearchModelsRequest::default()
    };
    let hits = running
        .client()
        .search_models(search)
        .await
        .unwrap()
        .into_inner()
        .hits;
    assert_eq!((hits.len(), hits[0].already_here), (1, true));
    assert_eq!(hits[0].local_model_id, ID);
}

#[tokio::test]
async fn two_clients_share_one_download() {
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", gguf(LARGE_BYTES, 2))]).await;
    drip(&hub);
    let running = on(&hub).await;
    let mut first = running.provision("org/tiny").await.unwrap();
    let mut second = running.provision(ID).await.unwrap();
    assert_eq!(next(&mut first).await.id, next(&mut second).await.id, "one job");
    let (first, second) = tokio::join!(provision_steps(first), provision_steps(second));
    assert_eq!(brought(first.last().unwrap()), brought(second.last().unwrap()));
    assert_eq!(downloads(&hub), 1);
    assert!(
        first
            .windows(2)
            .all(|pair| pair[0].done_bytes <= pair[1].done_bytes)
    );
    assert!(
        first
            .iter()
            .any(|step| step.bytes_per_second.is_some() && step.remaining.is_some())
    );
}

#[tokio::test]
async fn two_jobs_that_turn_out_to_be_one_model_download_once() {
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", gguf(LARGE_BYTES, 3))]).await;
    drip(&hub);
    // The first question about it is answered too late to know its own name before it gets its job.
    hub.hosts().faults().add(
        FaultRule::api()
            .path("/api/")
            .first(1)
            .with(Fault::StallAfter { bytes: 0 }),
    );
    let running = on(&hub).await;
    let first = running.provision("org/tiny").await.unwrap();
    let second = running.provision(ID).await.unwrap();
    let (first, second) = tokio::join!(provision_steps(first), provision_steps(second));
    let (first, second) = (first.last().unwrap(), second.last().unwrap());
    assert_ne!(first.id, second.id);
    assert_eq!(brought(first), brought(second));
    assert_eq!(downloads(&hub), 1);
}

#[tokio::test]
async fn a_cancelled_download_goes_on_later_unless_it_is_discarded() {
    let body = gguf(LARGE_BYTES, 4);
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body.clone())]).await;
    drip(&hub);
    let running = on(&hub).await;
    let mut stream = running.provision(ID).await.unwrap();
    let id = until_under_way(&mut stream, AN_EIGHTH).await;
    let shown = running.model(ID).await.unwrap();
    assert_eq!((shown.state(), shown.files.len()), (ModelState::Downloading, 0));
    assert_eq!(cancel(&running, &id, false).await.state(), JobState::Cancelled);
    assert_eq!(running.model(ID).await, None, "there is nothing to show");
    assert!(!running.parts().is_empty());

    // It goes on, at another address, since the one before is good no longer.
    hub.hosts().expire_signed_urls();
    hub.hosts().faults().clear();
    let model = brought(running.provision_to_end(ID).await.last().unwrap());
    assert_eq!(model.files[0].sha256, body.sha256());
    let requests = hub.hosts().requests_to(Host::Cdn);
    assert!(requests.last().unwrap().range.is_some(), "{requests:?}");
    assert!(
        hub.hosts().body_bytes(Host::Cdn) < body.len() * 3 / 2,
        "not all of it again"
    );
    assert!(running.parts().is_empty());

    for discard_later in [false, true] {
        let body = gguf(LARGE_BYTES, 5 + u8::from(discard_later));
        let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body)]).await;
        drip(&hub);
        let running = on(&hub).await;
        let mut stream = running.provision(ID).await.unwrap();
        let id = until_under_way(&mut stream, AN_EIGHTH).await;
        if discard_later {
            cancel(&running, &id, false).await;
            assert!(!running.parts().is_empty());
        }
        assert_eq!(cancel(&running, &id, true).await.state(), JobState::Cancelled);
        assert!(running.parts().is_empty(), "{:?}", running.parts());
        assert_eq!(running.stored_bytes(), 0);
    }
}

#[tokio::test]
async fn a_wrong_file_is_never_taken_and_the_catalog_says_so() {
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", gguf(LARGE_BYTES, 7))]).await;
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().method("GET").with(Fault::FlipBit { at: 77_777 }));
    let running = on(&hub).await;
    let (reason, message) = running.provision_fails(ID).await;
    assert_eq!(reason, "DOWNLOAD_CORRUPT", "{message}");
    let model = running.model(ID).await.unwrap();
    assert_eq!(model.state(), ModelState::Failed);
    assert!(model.failure.contains("corrupt"), "{}", model.failure);
    assert_eq!((running.parts(), running.stored_bytes()), (vec![], 0));
    // Once the hub is sound, it comes.
    hub.hosts().faults().clear();
    let model = brought(running.provision_to_end(ID).await.last().unwrap());
    assert_eq!(
        (model.state(), model.failure.as_str()),
        (ModelState::Available, "")
    );
}

#[tokio::test]
async fn what_is_no_model_is_refused_and_not_kept() {
    let body = FileBody::pattern(50_000, 3);
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body)]).await;
    let running = on(&hub).await;
    let (reason, message) = running.provision_fails(ID).await;
    assert!(
        ["MODEL_CORRUPT", "MODEL_FORMAT_UNSUPPORTED"].contains(&reason.as_str()),
        "{reason}"
    );
    assert!(message.contains("tiny-Q8_0.gguf"), "{message}");
    assert_eq!((running.parts(), running.stored_bytes()), (vec![], 0));
}

#[tokio::test]
async fn a_full_disk_is_said_before_and_the_service_goes_on() {
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", gguf(LARGE_BYTES, 8))]).await;
    let endpoint = hub.endpoint();
    let running = Running::start_with(|_, config| {
        use_hub(config, endpoint);
        config.keep_free = bytesize::ByteSize::eib(8);
    })
    .await;
    let (reason, message) = running.provision_fails(ID).await;
    assert_eq!(reason, "DISK_FULL");
    assert!(message.contains("are available"), "{message}");
    assert_eq!((downloads(&hub), running.parts().len()), (0, 0));
    let request = ResolveModelRequest { model_id: ID.into() };
    let resolution = running
        .client()
        .resolve_model(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(resolution.resolution.unwrap().fits_disk, Some(false));
    let any = rbee_proto::provisioner::v1::ImportMode::Unspecified;
    let steps = running.import_to_end(&fixture("ok/plain.gguf"), "m", any).await;
    assert_eq!(steps.last().unwrap().state(), JobState::Succeeded);
}

#[tokio::test]
async fn what_the_hub_says_is_not_believed_against_the_file() {
    let model = CivitaiModel::new(1, "Liar").kind("LORA").version({
        let mut version =
            CivitaiVersion::new(11).file(CivitaiFile::new(111, "liar.safetensors", embedding()));
        version.base_model = "SDXL 1.0".into();
        version
    });
    let hub = CivitaiHub::start(CivitaiConfig::of([model])).await;
    let running = on_civitai(&hub).await;
    let steps = running.provision_to_end("civitai:11").await;
    let last = steps.last().unwrap();
    let model = brought(last);
    let Some(Kind::AddOn(add_on)) = model.model_type.clone().unwrap().kind else {
        panic!("{model:?}")
    };
    assert_eq!(add_on.kind(), rbee_proto::types::v1::AddOnKind::Embedding);
    assert!(
        model.metadata["contradiction.kind"].contains("LORA"),
        "{:?}",
        model.metadata
    );
    assert!(last.note.contains("but the file is"), "{}", last.note);
    assert_eq!(model.vendor(), Vendor::Civitai);
}

#[tokio::test]
async fn a_folder_of_a_repository_comes_with_all_it_needs_and_shares_blobs() {
    let folder = fixture("ok/dir-plain");
    let mut repo = Repo::new("org/folder").tags(&["safetensors", "text-generation"]);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let (name, bytes) = (
            entry.file_name().into_string().unwrap(),
            std::fs::read(entry.path()).unwrap(),
        );
        repo = match name.ends_with(".safetensors") {
            true => repo.lfs(&name, FileBody::bytes(bytes)),
            false => repo.small(&name, FileBody::bytes(bytes)),
        };
    }
    let hub = hugging_face([repo]).await;
    let running = on(&hub).await;
    // The same weights are here already, under another name.
    let any = rbee_proto::provisioner::v1::ImportMode::Copy;
    let imported = brought(running.import_to_end(&folder, "mine", any).await.last().unwrap());
    assert!(imported.files.len() >= 3, "{imported:?}");
    let model = brought(running.provision_to_end("org/folder").await.last().unwrap());
    let weights = |model: &rbee_proto::types::v1::Model| {
        let found = model.files.iter().find(|file| file.name == "model.safetensors");
        found.unwrap().sha256.clone()
    };
    assert_eq!(weights(&model), weights(&imported));
    assert_eq!(downloads(&hub), 0, "weights that are here are not downloaded");
    assert_eq!(model.model_type, imported.model_type);
    assert!(model.files.iter().any(|file| file.name == "tokenizer.json"));
}

#[tokio::test]
async fn what_the_hub_refuses_is_said_in_its_own_reason() {
    let gated = repo("org/gated", "m.gguf", gguf(0, 9)).gated(Gated::Manual);
    let hub = hugging_face([gated]).await;
    let running = on(&hub).await;
    assert_eq!(running.provision_fails("org/gated:m.gguf").await.0, "MODEL_GATED");
    let request = ResolveModelRequest {
        model_id: "org/gated".into(),
    };
    let resolution = running
        .client()
        .resolve_model(request)
        .await
        .unwrap()
        .into_inner();
    assert!(!resolution.resolution.unwrap().accessible);
    // Missing and private look alike.
    let (reason_of_missing, _) = running.provision_fails("org/none").await;
    assert!(
        ["MODEL_NOT_AT_VENDOR", "VENDOR_LOGIN_REQUIRED"].contains(&reason_of_missing.as_str()),
        "{reason_of_missing}"
    );
    for id in ["", "nonsense", "local:m"] {
        assert_eq!(reason(running.provision(id).await), "INVALID_MODEL_ID", "{id}");
    }
    assert!(
        running
            .catalog()
            .await
            .iter()
            .all(|model| model.state() != ModelState::Available)
    );
}

/// A file system of its own with room for this much. `None` where nobody may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(folder: &std::path::Path, bytes: usize) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            _ => None,
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .output();
    }
}

/// The one test that needs a right which not everybody has; `a_full_disk_is_said_before_and_the_service_goes_on` shows
/// the same without it, but for the middle of a download.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_fills_up_on_the_way_ends_the_download_and_no_more() {
    let body = gguf(LARGE_BYTES, 10);
    let hub = hugging_face([repo("org/tiny", "tiny-Q8_0.gguf", body.clone())]).await;
    drip(&hub);
    let endpoint = hub.endpoint();
    let mut disk = None;
    let running = Running::start_with(|folder, config| {
        use_hub(config, endpoint);
        config.keep_free = bytesize::ByteSize(0);
        disk = SmallDisk::mount(&folder.join("work"), 2 * LARGE_BYTES);
    })
    .await;
    let Some(disk) = disk else {
        println!("NOT RUN: no tmpfs can be mounted here, which only root may");
        return;
    };
    let mut stream = running.provision(ID).await.unwrap();
    until_under_way(&mut stream, AN_EIGHTH).await;
    // Somebody else takes what is left.
    let filler = disk.0.join("filler");
    let filled = std::fs::write(&filler, vec![0; 2 * LARGE_BYTES]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let last = provision_steps(stream).await.pop().unwrap();
    let failure = last.failure.expect("it ends with a failure");
    assert_eq!(failure.reason, "DISK_FULL", "{}", failure.message);
    // With room again, it goes on.
    std::fs::remove_file(&filler).unwrap();
    hub.hosts().faults().clear();
    let model = brought(running.provision_to_end(ID).await.last().unwrap());
    assert_eq!(model.files[0].sha256, body.sha256());
    println!("run on a tmpfs");
    running.stop().await;
}
