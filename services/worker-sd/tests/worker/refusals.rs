//! Requests that are wrong: each is told by its field or its reason, and the worker goes on.

use rbee_proto::worker::v1::{self as proto, GenerateImageRequest, InitialImage, LoraUse};
use rbee_service_kit::{RemoteFault, reason};
use tonic::Code;

use super::harness::{Worker, png, quick, tiny};

fn initial(image: Vec<u8>, mask: Vec<u8>) -> Option<InitialImage> {
    Some(InitialImage {
        image,
        strength: None,
        mask,
    })
}

fn fields(fault: &RemoteFault) -> Vec<&str> {
    assert_eq!(fault.code, Code::InvalidArgument, "{fault:?}");
    assert!(fault.is(reason::INVALID_ARGUMENT));
    fault.violations.iter().map(|(field, _)| field.as_str()).collect()
}

#[tokio::test]
async fn each_wrong_field_is_named_and_the_worker_lives() {
    let worker = Worker::ready(&[]);
    let change = |change: fn(&mut GenerateImageRequest)| {
        let mut request = quick();
        change(&mut request);
        request
    };
    for (field, request) in [
        ("width", change(|request| request.width = Some(1))),
        ("height", change(|request| request.height = Some(20_000))),
        ("width", change(|request| request.width = Some(u32::MAX))),
        ("steps", change(|request| request.steps = Some(0))),
        // What a negative number becomes on the wire.
        ("steps", change(|request| request.steps = Some(-5_i32 as u32))),
        (
            "guidance_scale",
            change(|request| request.guidance_scale = Some(f32::NAN)),
        ),
        ("sampler", change(|request| request.sampler = 99)),
        ("prompt", change(|request| request.prompt = "x".repeat(20_000))),
        (
            "initial_image.image",
            change(|request| request.initial_image = initial(b"\x80\x02}q\x00.".to_vec(), Vec::new())),
        ),
        (
            "initial_image.image",
            change(|request| request.initial_image = initial(png(64, 64)[..200].to_vec(), Vec::new())),
        ),
        (
            "initial_image.mask",
            change(|request| request.initial_image = initial(png(64, 64), png(64, 72))),
        ),
        (
            "loras[0].model_id",
            change(|request| {
                request.loras = vec![LoraUse {
                    model_id: "/etc/passwd".into(),
                    ..LoraUse::default()
                }];
            }),
        ),
    ] {
        let fault = worker.refused(request).await;
        assert_eq!(fields(&fault), [field], "{fault:?}");
    }
    assert_eq!(worker.load().await.generated_images, 0);
    assert!(worker.generate(quick()).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn numbers_that_are_no_picture_are_an_error_and_never_a_black_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.safetensors");
    std::fs::write(&path, with_huge("model.diffusion_model.out.2.weight")).unwrap();
    let worker = Worker::start(&path, &[]);
    worker.until("ready");
    for _ in 0..2 {
        let fault = worker.refused(quick()).await;
        assert!(fault.is(reason::PICTURE_NOT_FINITE), "{fault:?}");
    }
    assert_eq!(worker.load().await.generated_images, 0);

    std::fs::write(&path, with_huge("first_stage_model.decoder.conv_out.weight")).unwrap();
    let worker = Worker::start(&path, &[]);
    worker.until("ready");
    let fault = worker.refused(quick()).await;
    assert!(fault.is(reason::PICTURE_NOT_FINITE), "{fault:?}");
}

/// The tiny model's file with one tensor of numbers that are as large as 32 bits hold, so that sums of them are not.
fn with_huge(tensor: &str) -> Vec<u8> {
    let file = std::fs::read(tiny()).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let data = &file[8 + length..];
    let entries = header.as_object_mut().unwrap();
    let mut names: Vec<_> = entries
        .keys()
        .filter(|name| *name != "__metadata__")
        .cloned()
        .collect();
    let offset =
        |entry: &serde_json::Value, index: usize| entry["data_offsets"][index].as_u64().unwrap() as usize;
    names.sort_by_key(|name| offset(&entries[name], 0));
    let mut changed = Vec::new();
    for name in names {
        let entry = entries.get_mut(&name).unwrap();
        let begin = changed.len();
        let old = &data[offset(entry, 0)..offset(entry, 1)];
        if name == tensor {
            assert_eq!(entry["dtype"], "F16");
            entry["dtype"] = "F32".into();
            changed.extend(old.chunks_exact(2).flat_map(|_| f32::MAX.to_le_bytes()));
        } else {
            changed.extend_from_slice(old);
        }
        entry["data_offsets"] = serde_json::json!([begin, changed.len()]);
    }
    let mut header = serde_json::to_vec(&header).unwrap();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, &changed].concat()
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_read() {
    let worker = Worker::ready(&[]);
    let mut request = quick();
    request.initial_image = initial(vec![0; 33 << 20], Vec::new());
    let fault = worker.refused(request.clone()).await;
    assert_eq!(fields(&fault), ["initial_image.image"]);
    request.initial_image = initial(vec![0; 70 << 20], Vec::new());
    let fault = worker.refused(request).await;
    assert_eq!(fault.code, Code::OutOfRange, "{fault:?}");
    assert!(worker.generate(quick()).await.is_ok());
}

#[tokio::test]
async fn an_answer_holds_no_prompt_but_in_the_picture() {
    let worker = Worker::ready(&[]);
    let secret = "the garden gate code is 4711";
    let mut request = quick();
    request.prompt = secret.into();
    worker.generate(request).await.unwrap();
    let watch = rbee_proto::events::v1::WatchEventsRequest {
        backlog: 100,
        minimum_level: 0,
    };
    let mut events = rbee_proto::events::v1::event_service_client::EventServiceClient::new(worker.channel())
        .watch_events(watch)
        .await
        .unwrap()
        .into_inner();
    loop {
        let event = events.message().await.unwrap().unwrap().event.unwrap();
        assert!(!format!("{event:?}").contains("4711"), "{event:?}");
        if event.message.starts_with("made a picture of 128x128") {
            break;
        }
    }
    let _: proto::WorkerLoad = worker.load().await;
}
