//! LoRAs and VAEs that come while the worker lives.

use rbee_proto::worker::v1::{
    EmbeddingUse, GenerateImageRequest, LoraUse, Previews, get_info_response::ModelInfo,
};
use rbee_service_kit::reason;
use tonic::Code;

use super::files::{embedding, part, word_width};
use super::harness::{Worker, fixture, pixels, quick, tiny};

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

#[tokio::test]
async fn an_embedding_is_said_by_its_word() {
    let worker = Worker::ready(&[]);
    let width = word_width(&std::fs::read(tiny()).unwrap());
    let write = |name: &str, file: Vec<u8>| std::fs::write(worker.add_ons.join(name), file).unwrap();
    write("honey.safetensors", embedding(2, width));
    write("wide.safetensors", embedding(1, 3 * width));
    let with = |prompt: &str, id: &str| {
        let mut request = quick();
        request.prompt = prompt.into();
        request.embeddings = vec![EmbeddingUse {
            model_id: id.into(),
            word: "sweetness".into(),
        }];
        request
    };
    let said = worker
        .generate(with("a bee, sweetness", "local:honey"))
        .await
        .unwrap();
    let mut plain = quick();
    plain.prompt = "a bee, sweetness".into();
    let plain = worker.generate(plain).await.unwrap();
    assert_ne!(said.picture(), plain.picture(), "the word is the embedding's");
    let unsaid = worker
        .generate(with("a bee on a flower", "local:honey"))
        .await
        .unwrap();
    let without = worker.generate(quick()).await.unwrap();
    assert_eq!(unsaid.picture(), without.picture(), "nobody said it");
    let again = worker
        .generate(with("a bee, sweetness", "local:honey"))
        .await
        .unwrap();
    assert_eq!(again.picture(), said.picture());

    let fault = worker.refused(with("a bee, sweetness", "local:wide")).await;
    assert!(fault.is(reason::ADD_ON_UNSUITABLE), "{fault:?}");
    assert!(fault.message.contains(&width.to_string()), "{}", fault.message);
    let fault = worker.refused(with("a bee", "local:missing")).await;
    assert!(fault.is(reason::ADD_ON_NOT_FOUND), "{fault:?}");
}

#[tokio::test]
async fn a_vae_takes_the_place_of_the_models_own_and_goes_again() {
    let worker = Worker::ready(&[]);
    let own = std::fs::read(tiny()).unwrap();
    let other = std::fs::read(fixture("sd21-tiny/model.safetensors")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, model) in [("own", &own), ("other", &other)] {
        let file = part(model, "first_stage_model.");
        std::fs::write(worker.add_ons.join(format!("{name}.safetensors")), &file).unwrap();
        std::fs::write(folder.path().join(format!("{name}.safetensors")), &file).unwrap();
    }
    let with = |id: &str| {
        let mut request = quick();
        request.vae_model_id = id.into();
        request
    };
    let plain = worker.generate(quick()).await.unwrap().picture();
    let made = worker.generate(with("local:other")).await.unwrap();
    assert_ne!(made.picture(), plain);
    let text = &made.images[0].parameters;
    assert!(text.contains("VAE: other"), "{text}");
    assert_eq!(worker.generate(with("local:own")).await.unwrap().picture(), plain);
    assert_eq!(worker.generate(quick()).await.unwrap().picture(), plain);

    // A worker that was started with another one.
    let file = folder.path().join("other.safetensors");
    let started = Worker::ready(&["--vae", file.to_str().unwrap()]);
    assert_eq!(started.generate(quick()).await.unwrap().picture(), made.picture());
}

#[tokio::test]
async fn previews_are_decoded_with_a_preview_vae() {
    let worker = Worker::ready(&[]);
    worker.give("taesd", "preview-vae/decoder.safetensors");
    worker.give("honey", "sd15-tiny/lora.safetensors");
    let with = |id: &str| {
        let mut request = quick();
        request.previews = Some(Previews {
            every_steps: 1,
            vae_model_id: id.into(),
        });
        request
    };
    let plain = worker.generate(with("")).await.unwrap();
    let made = worker.generate(with("local:taesd")).await.unwrap();
    assert_eq!(made.picture(), plain.picture(), "only previews differ");
    let sizes = |previews: &[rbee_proto::worker::v1::ImagePreview]| -> Vec<(u32, u32)> {
        previews
            .iter()
            .map(|preview| pixels(&preview.png).dimensions())
            .collect()
    };
    assert_eq!(sizes(&plain.previews), [(16, 16); 2]);
    assert_eq!(sizes(&made.previews), [(128, 128); 2]);
    assert_eq!(
        sizes(&worker.generate(with("")).await.unwrap().previews),
        [(16, 16); 2]
    );
    let fault = worker.refused(with("local:honey")).await;
    assert!(fault.is(reason::ADD_ON_UNSUITABLE), "{fault:?}");
    assert!(fault.message.contains("preview VAE"), "{}", fault.message);
}
