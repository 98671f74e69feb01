//! Files that are no model for it: each is told by its reason, with the exit code for that.

use std::path::Path;

use rbee_service_kit::reason;
use sd_worker_rbee::fidelity::Folder;

use super::harness::{Worker, fixture, quick, tiny};

/// What a worker says of a file that it can't serve.
async fn refusal(path: &Path, more: &[&str]) -> (String, String) {
    let mut worker = Worker::start(path, more);
    let status = worker.until("failed");
    assert_eq!(worker.left().await.0, Some(1));
    assert!(!worker.socket.exists());
    let text = |name: &str| status[name].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn what_is_no_image_model_is_refused_by_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let whole = std::fs::read(tiny()).unwrap();
    let pickle = b"\x80\x02}q\x00X\x05\x00\x00\x00modelq\x01Ns.".repeat(64);
    for (path, expected) in [
        (
            written("cut.safetensors", &whole[..whole.len() / 2]),
            reason::MODEL_CORRUPT,
        ),
        (
            written("header.safetensors", &whole[..100]),
            reason::MODEL_CORRUPT,
        ),
        (written("pickle.ckpt", &pickle), reason::MODEL_UNSUPPORTED),
        (
            written("zip.pt", &[&b"PK\x03\x04"[..], &[0; 600]].concat()),
            reason::MODEL_UNSUPPORTED,
        ),
        (
            written("nan.safetensors", &with_nan(whole.clone())),
            reason::MODEL_CORRUPT,
        ),
        (fixture("sd15-tiny/lora.safetensors"), reason::MODEL_UNSUPPORTED),
        (
            rbee_testkit::models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf"),
            reason::MODEL_UNSUPPORTED,
        ),
        (
            folder.path().join("nowhere.safetensors"),
            reason::MODEL_FILES_MISSING,
        ),
    ] {
        let (reason, message) = refusal(&path, &[]).await;
        assert_eq!(reason, expected, "{}: {message}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name), "{message}");
    }
}

/// With NaN all over one tensor of 16-bit floats.
fn with_nan(mut file: Vec<u8>) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let entry = &header["model.diffusion_model.out.2.weight"];
    assert_eq!(entry["dtype"], "F16");
    let offset = |index: usize| 8 + length + entry["data_offsets"][index].as_u64().unwrap() as usize;
    for number in file[offset(0)..offset(1)].chunks_exact_mut(2) {
        number.copy_from_slice(&0x7e00_u16.to_le_bytes());
    }
    file
}

#[tokio::test]
async fn a_folder_in_diffusers_form_is_the_same_model() {
    let pieces = Folder::open(&fixture("sd15-tiny")).unwrap();
    let single = Worker::ready(&[]);
    let folder = Worker::start(&pieces.folder().unwrap(), &[]);
    folder.until("ready");
    let of_single = single.generate(quick()).await.unwrap();
    let of_folder = folder.generate(quick()).await.unwrap();
    assert_eq!(of_folder.picture(), of_single.picture());
    assert_eq!(of_folder.images[0].parameters, of_single.images[0].parameters);
    assert_eq!(folder.info().await.model_info, single.info().await.model_info);
}

#[tokio::test]
async fn a_vae_that_is_none_is_refused() {
    let lora = fixture("sd15-tiny/lora.safetensors");
    let (reason, message) = refusal(&tiny(), &["--vae", lora.to_str().unwrap()]).await;
    assert_eq!(reason, rbee_service_kit::reason::MODEL_UNSUPPORTED, "{message}");
}

#[tokio::test]
async fn it_tells_how_far_it_is() {
    let worker = Worker::start(&tiny(), &[]);
    worker.until("ready");
    assert!(worker.load().await.slot_count == 1);
}
