//! Importing models.

use std::path::Path;
use std::time::Instant;

use rbee_proto::provisioner::v1::{ImportMode, Job, JobKind, JobPhase, JobState, job};
use rbee_proto::types::v1::model_type::Kind;
use rbee_proto::types::v1::{Model, ModelState, Vendor};

use crate::running::{Running, fixture, reason};

const ANY: ImportMode = ImportMode::Unspecified;

fn model(job: &Job) -> Model {
    match &job.result {
        Some(job::Result::Model(model)) => model.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_model_is_imported_with_what_its_header_says() {
    let running = Running::start().await;
    let source = running.copy_of(&fixture("ok/plain.gguf"), "Plain Model.gguf");
    let steps = running.import_to_end(&source, "plain", ANY).await;

    let last = steps.last().unwrap();
    assert_eq!(
        (last.state(), last.kind()),
        (JobState::Succeeded, JobKind::ImportModel)
    );
    assert_eq!(last.subject, "local:plain");
    let size_bytes = std::fs::metadata(&source).unwrap().len();
    assert_eq!(
        (last.done_bytes, last.total_bytes),
        (size_bytes, Some(size_bytes))
    );
    assert!(last.ended_at.is_some() && last.failure.is_none());
    assert!(
        steps.iter().rev().skip(1).all(|step| step.ended_at.is_none()),
        "one end"
    );

    let model = model(last);
    assert_eq!((model.id.as_str(), model.name.as_str()), ("local:plain", "plain"));
    assert_eq!(
        (model.state(), model.vendor()),
        (ModelState::Available, Vendor::Local)
    );
    let Some(Kind::Llm(llm)) = model.model_type.clone().unwrap().kind else {
        panic!("{model:?}")
    };
    assert!(!llm.architecture.is_empty());
    assert!(model.parameter_count.unwrap() > 0 && model.context_length.is_some());
    assert!(model.quantization.is_some());
    assert_eq!(model.metadata["format"], "gguf");
    assert!(model.metadata.contains_key("chat_template") && model.metadata.contains_key("tokenizer"));
    assert_eq!(model.files.len(), 1);
    assert_eq!(model.files[0].name, "Plain Model.gguf", "the user's own name");
    assert_eq!(model.files[0].sha256, sha256(&source));
    assert_eq!(running.catalog().await, [model]);
}

fn sha256(path: &Path) -> String {
    rbee_artifacts::Sha256::digest(&std::fs::read(path).unwrap()).to_string()
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_takes_no_room_and_a_copy_is_a_file_of_its_own() {
    use std::os::unix::fs::MetadataExt as _;
    let running = Running::start().await;
    for (name, mode, linked) in [
        ("any", ANY, true),
        ("linked", ImportMode::HardLink, true),
        ("copied", ImportMode::Copy, false),
    ] {
        let source = running.copy_of(&fixture("ok/plain.gguf"), &format!("{name}.gguf"));
        // Its content differs from that of the others, so that it is a blob of its own.
        let bytes = std::fs::OpenOptions::new().append(true).open(&source).unwrap();
        std::io::Write::write_all(&mut &bytes, name.as_bytes()).unwrap();
        let steps = running.import_to_end(&source, name, mode).await;
        assert_eq!(steps.last().unwrap().state(), JobState::Succeeded, "{steps:?}");
        let links = std::fs::metadata(&source).unwrap().nlink();
        assert_eq!(links == 2, linked, "{name}: {links} links");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_gives_its_own_name() {
    let running = Running::start().await;
    let target = running.copy_of(&fixture("ok/plain.gguf"), "0123abcd");
    let link = running.folder.path().join("nice-name.gguf");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let steps = running.import_to_end(&link, "m", ImportMode::HardLink).await;
    assert_eq!(model(steps.last().unwrap()).files[0].name, "nice-name.gguf");
}

#[tokio::test]
async fn the_same_again_succeeds_and_other_content_is_refused() {
    let running = Running::start().await;
    let first = running.copy_of(&fixture("ok/plain.gguf"), "first.gguf");
    let twin = running.copy_of(&fixture("ok/plain.gguf"), "twin.gguf");
    let created = model(running.import_to_end(&first, "m", ANY).await.last().unwrap());
    let stored = running.stored_bytes();
    for (path, mode) in [(&first, ANY), (&twin, ANY), (&twin, ImportMode::Copy)] {
        let again = running.import_to_end(path, "m", mode).await;
        assert_eq!(model(again.last().unwrap()), created, "{again:?}");
    }
    // The file that is the blob is not read again.
    let linked = running.import_to_end(&first, "m", ANY).await;
    assert!(
        linked.iter().all(|step| step.phase() != JobPhase::Storing),
        "{linked:?}"
    );

    // Another size shows before a job begins, the same size when the content was read.
    let longer = running.large_model("longer.gguf", 100_000);
    assert_eq!(reason(running.import(&longer, "m", ANY).await), "MODEL_EXISTS");
    let other = running.copy_of(&fixture("ok/plain.gguf"), "other.gguf");
    let mut bytes = std::fs::read(&other).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&other, bytes).unwrap();
    let (reason, message) = running.import_fails(&other, "m", ImportMode::Copy).await;
    assert_eq!(reason, "MODEL_EXISTS");
    assert!(message.contains("another name"), "{message}");
    assert_eq!(running.stored_bytes(), stored, "nothing is left behind");
    assert_eq!(running.catalog().await, [created]);
}

#[tokio::test]
async fn what_is_no_model_is_refused_and_leaves_nothing() {
    let running = Running::start().await;
    let file = |name: &str, content: &[u8]| {
        let path = running.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    std::fs::create_dir(running.folder.path().join("empty")).unwrap();
    let unsupported = "MODEL_FORMAT_UNSUPPORTED";
    for (path, expected, words) in [
        (
            file("old.bin", b"PK\x03\x04archive/data.pkl"),
            unsupported,
            "pickle",
        ),
        (file("bare.pt", b"\x80\x02}q\x00."), unsupported, "pickle"),
        (
            file("page.gguf", b"<!DOCTYPE html><title>404</title>"),
            unsupported,
            "web page",
        ),
        (file("text.txt", b"hello"), unsupported, "text.txt"),
        (file("magic.gguf", b"GGUX\x03\0\0\0"), "MODEL_CORRUPT", "magic"),
        (file("empty.gguf", b""), "MODEL_CORRUPT", "empty.gguf"),
        (
            running.folder.path().join("empty"),
            "MODEL_INCOMPLETE",
            "config.json",
        ),
        (
            running.folder.path().join("none.gguf"),
            "FILE_NOT_FOUND",
            "none.gguf",
        ),
    ] {
        let (reason, message) = running.import_fails(&path, "m", ANY).await;
        assert_eq!(reason, expected, "{message}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!((running.stored_bytes(), running.catalog().await), (0, vec![]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let running = Running::start().await;
    let pipe = running.folder.path().join("pipe.gguf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        running.import_fails(&pipe, "m", ANY).await.0,
        "NOT_A_REGULAR_FILE"
    );
}

#[tokio::test]
async fn every_broken_file_and_folder_is_refused_within_a_second_in_words() {
    let running = Running::start().await;
    let list = std::fs::read_to_string(fixture("bad/bad.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let files = list["files"].as_array().unwrap();
    let mut count = 0;
    // What shows only when a model is used, the worker says.
    for file in files.iter().filter(|file| file["stage"] != "use") {
        let name = file["path"].as_str().unwrap();
        let path = fixture("bad").join(name);
        let began = Instant::now();
        let (reason, message) = running.import_fails(&path, "m", ImportMode::Copy).await;
        assert!(
            [
                "MODEL_CORRUPT",
                "MODEL_FORMAT_UNSUPPORTED",
                "MODEL_INCOMPLETE",
                "FILE_UNREADABLE"
            ]
            .contains(&reason.as_str()),
            "{name}: {reason}"
        );
        let field = file["field"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{name}: {message} does not say {field}");
        assert!(name.ends_with('/') || message.contains(name), "{name}: {message}");
        assert!(
            began.elapsed().as_secs_f64() < 1.0,
            "{name} took {:?}",
            began.elapsed()
        );
        count += 1;
    }
    assert!(count > 120, "{count}");
    assert_eq!((running.stored_bytes(), running.catalog().await), (0, vec![]));
}

#[tokio::test]
async fn every_sound_model_is_imported_as_what_it_is() {
    let running = Running::start().await;
    let mut count = 0;
    for entry in std::fs::read_dir(fixture("ok")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gguf") || path.is_dir() {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let model = model(
                running
                    .import_to_end(&path, name, ImportMode::Copy)
                    .await
                    .last()
                    .unwrap(),
            );
            assert!(
                matches!(model.model_type.unwrap().kind, Some(Kind::Llm(_))),
                "{name}"
            );
            count += 1;
        }
    }
    for folder in std::fs::read_dir(fixture("tiny")).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "gguf") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let steps = running
                    .import_to_end(&path, &format!("tiny-{name}"), ImportMode::Copy)
                    .await;
                let model = model(steps.last().unwrap());
                assert!(
                    model.context_length.is_some() && model.quantization.is_some(),
                    "{name}"
                );
                count += 1;
            }
        }
    }
    assert!(count >= 14, "{count}");
    assert_eq!(running.catalog().await.len(), count);
}

#[tokio::test]
async fn a_folder_is_one_model_with_what_it_needs() {
    let running = Running::start().await;
    let folder = running.folder.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(fixture("ok/dir-plain")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.join("LICENSE"), "do as you like").unwrap();
    std::fs::write(folder.join("optimizer.pt"), [0; 1000]).unwrap();
    let first = model(running.import_to_end(&folder, "m", ANY).await.last().unwrap());
    let names: Vec<_> = first.files.iter().map(|file| file.name.as_str()).collect();
    assert!(
        names.contains(&"LICENSE") && names.contains(&"config.json") && !names.contains(&"optimizer.pt"),
        "{names:?}"
    );
    assert_eq!(
        first.size_bytes,
        first.files.iter().map(|file| file.size_bytes).sum::<u64>()
    );
    // The same again succeeds; other content does not.
    assert_eq!(
        model(
            running
                .import_to_end(&folder, "m", ImportMode::Copy)
                .await
                .last()
                .unwrap()
        ),
        first
    );
    std::fs::write(folder.join("LICENSE"), "do as you LIKE").unwrap();
    assert_eq!(
        running.import_fails(&folder, "m", ImportMode::Copy).await.0,
        "MODEL_EXISTS"
    );
    assert_eq!(running.catalog().await, [first]);
}

#[tokio::test]
async fn a_model_is_used_where_it_is() {
    let running = Running::start().await;
    let source = running.copy_of(&fixture("ok/plain.gguf"), "mine.gguf");
    let imported = model(
        running
            .import_to_end(&source, "m", ImportMode::InPlace)
            .await
            .last()
            .unwrap(),
    );
    assert_eq!(
        (imported.state(), imported.files[0].sha256.clone()),
        (ModelState::Available, sha256(&source))
    );
    assert!(source.exists());
}

#[tokio::test]
async fn a_bad_request_begins_no_job() {
    let running = Running::start().await;
    let source = fixture("ok/plain.gguf");
    for name in ["", "..", "a/b", "-x"] {
        assert_eq!(
            reason(running.import(&source, name, ANY).await),
            "INVALID_MODEL_ID",
            "{name}"
        );
    }
    assert_eq!(
        reason(running.import(Path::new("plain.gguf"), "m", ANY).await),
        "INVALID_ARGUMENT"
    );
    let jobs = running
        .client()
        .list_jobs(rbee_proto::provisioner::v1::ListJobsRequest::default())
        .await;
    assert!(jobs.unwrap().into_inner().jobs.is_empty());
}
