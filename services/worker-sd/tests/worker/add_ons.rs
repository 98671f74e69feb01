//! LoRAs and VAEs that come while the worker lives.

use rbee_proto::worker::v1::{GenerateImageRequest, LoraUse, get_info_response::ModelInfo};
use rbee_service_kit::reason;
use tonic::Code;

use super::harness::{Worker, fixture, quick};

fn with_lora(id: &str, weight: f32) -> GenerateImageRequest {
    let mut request = quick();
    request.loras = vec![LoraUse {
        model_id: id.into(),
        weight: Some(weight),
        text_encoder_weight: None,
    }];
    request
}

impl Worker {
    /// Gives it a file as the add-on `local:<name>`.
    fn give(&self, name: &str, file: &str) {
        std::fs::copy(fixture(file), self.add_ons.join(format!("{name}.safetensors"))).unwrap();
    }
}

#[tokio::test]
async fn a_lora_changes_the_picture_and_leaves_no_trace() {
    let worker = Worker::ready(&[]);
    let plain = worker.generate(quick()).await.unwrap().picture();
    let missing = worker.refused(with_lora("local:honey", 1.0)).await;
    assert!(missing.is(reason::ADD_ON_NOT_FOUND), "{missing:?}");
    assert_eq!(missing.metadata["model_id"], "local:honey");

    worker.give("honey", "sd15-tiny/lora.safetensors");
    let made = worker.generate(with_lora("local:honey", 1.0)).await.unwrap();
    assert_eq!(made.started.as_ref().unwrap().lora_model_ids, ["local:honey"]);
    assert_ne!(made.picture(), plain);
    let text = &made.images[0].parameters;
    assert!(text.contains("<lora:honey:1>"), "{text}");
    let weaker = worker.generate(with_lora("local:honey", 0.3)).await.unwrap();
    assert_ne!(weaker.picture(), made.picture());
    assert_eq!(
        worker.generate(quick()).await.unwrap().picture(),
        plain,
        "bit for bit"
    );

    let Some(ModelInfo::Sd(sd)) = worker.info().await.model_info else {
        panic!("it is an image worker")
    };
    assert_eq!(sd.add_on_model_ids, ["local:honey"]);
}

#[tokio::test]
async fn what_does_not_go_with_the_model_is_refused_by_name() {
    let worker = Worker::ready(&[]);
    worker.give("xl", "sdxl-tiny/lora.safetensors");
    worker.give("model", "sd21-tiny/model.safetensors");
    std::fs::write(
        worker.add_ons.join("pickle.safetensors"),
        b"\x80\x02}q\x00.".repeat(50),
    )
    .unwrap();
    let lora = std::fs::read(fixture("sd15-tiny/lora.safetensors")).unwrap();
    std::fs::write(worker.add_ons.join("cut.safetensors"), &lora[..lora.len() / 2]).unwrap();
    let plain = worker.generate(quick()).await.unwrap().picture();
    for name in ["xl", "model", "pickle", "cut"] {
        let id = format!("local:{name}");
        let fault = worker.refused(with_lora(&id, 1.0)).await;
        assert!(fault.is(reason::ADD_ON_UNSUITABLE), "{name}: {fault:?}");
        assert_eq!(fault.code, Code::FailedPrecondition);
        assert_eq!(fault.metadata["model_id"], id);
        let path = worker.add_ons.to_str().unwrap();
        assert!(!fault.message.contains(path), "no paths: {}", fault.message);
    }
    let mut request = quick();
    request.vae_model_id = "local:cut".into();
    let fault = worker.refused(request).await;
    assert!(fault.is(reason::ADD_ON_UNSUITABLE), "{fault:?}");
    assert_eq!(
        worker.generate(quick()).await.unwrap().picture(),
        plain,
        "it goes on as before"
    );
}
