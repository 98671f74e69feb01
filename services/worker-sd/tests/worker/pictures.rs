//! What comes of requests that are right.

use rbee_proto::worker::v1::{
    self as proto, Convention, HighResolutionPass, ImageFormat, InitialImage, ListSamplersRequest, Previews,
    get_info_response::ModelInfo,
};

use super::harness::{Worker, pixels, png, quick};

#[tokio::test]
async fn a_prompt_becomes_steps_and_a_picture_with_its_settings() {
    let worker = Worker::ready(&[]);
    let made = worker.generate(quick()).await.unwrap();
    let started = made.started.as_ref().unwrap();
    assert_eq!(
        (started.seed, started.width, started.height, started.steps),
        (7, 128, 128, 3)
    );
    assert_eq!(started.sampler(), proto::Sampler::Dpmpp2m);
    assert_eq!(started.schedule(), proto::Schedule::Karras);
    let steps: Vec<_> = made
        .steps
        .iter()
        .map(|step| (step.step, step.total_steps))
        .collect();
    assert_eq!(steps, [(1, 3), (2, 3), (3, 3)]);
    assert!(made.steps.windows(2).all(|pair| pair[1].sigma < pair[0].sigma));
    assert!(made.steps.iter().all(|step| step.duration.is_some()));
    assert_eq!(made.picture().dimensions(), (128, 128));
    let image = &made.images[0];
    assert_eq!(
        rbee_pictures::read(&image.data).unwrap().as_ref(),
        Some(&image.parameters)
    );
    let settings = rbee_pictures::Parameters::parse(&image.parameters);
    assert_eq!(settings.prompt, "a bee on a flower");
    assert_eq!(settings.get("Seed"), Some("7"));
    assert_eq!(settings.get("Sampler"), Some("DPM++ 2M"));
    assert!(made.timings.unwrap().denoise.is_some());
    let load = worker.load().await;
    assert_eq!((load.generated_images, load.denoised_steps), (1, 3));
}

#[tokio::test]
async fn the_same_request_gives_the_same_picture_and_a_seed_another_one() {
    let worker = Worker::ready(&[]);
    let first = worker.generate(quick()).await.unwrap();
    let mut two = quick();
    two.count = Some(2);
    let both = worker.generate(two).await.unwrap();
    assert_eq!(both.images[0].data, first.images[0].data);
    assert_eq!(both.images[1].seed, 8);
    assert_ne!(pixels(&both.images[1].data), first.picture());
    let mut next = quick();
    next.seed = Some(8);
    let alone = worker.generate(next).await.unwrap();
    assert_eq!(
        alone.picture(),
        pixels(&both.images[1].data),
        "a batch changes nothing"
    );
}

#[tokio::test]
async fn every_sampler_that_is_listed_paints() {
    let worker = Worker::ready(&[]);
    let listed = worker
        .images()
        .list_samplers(ListSamplersRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.samplers.len(), 10);
    assert_eq!(listed.default_sampler(), proto::Sampler::Dpmpp2m);
    for sampler in &listed.samplers {
        for convention in [Convention::A1111, Convention::Comfyui, Convention::Diffusers] {
            let mut request = quick();
            request.sampler = sampler.sampler;
            request.convention = convention.into();
            (request.width, request.steps) = (Some(64), Some(2));
            let made = worker.generate(request).await;
            let made = made.unwrap_or_else(|fault| panic!("{} {convention:?}: {fault:?}", sampler.name));
            assert_eq!(made.started.as_ref().unwrap().sampler, sampler.sampler);
            assert_eq!(made.picture().dimensions(), (64, 128));
        }
    }
    let mut request = quick();
    request.width = Some(64);
    for sampler in &listed.samplers {
        for schedule in &sampler.schedules {
            request.sampler = sampler.sampler;
            request.schedule = *schedule;
            request.steps = Some(2);
            let made = worker.generate(request.clone()).await;
            assert!(
                made.is_ok(),
                "{} with schedule {schedule}: {made:?}",
                sampler.name
            );
        }
    }
}

#[tokio::test]
async fn pictures_come_in_the_format_that_is_asked_for() {
    let worker = Worker::ready(&[]);
    let plain = worker.generate(quick()).await.unwrap().picture();
    for (format, first_bytes) in [
        (ImageFormat::Jpeg, &b"\xff\xd8\xff"[..]),
        (ImageFormat::Webp, b"RIFF"),
    ] {
        let mut request = quick();
        request.format = format.into();
        let made = worker.generate(request.clone()).await.unwrap();
        let image = &made.images[0];
        assert_eq!(image.format(), format);
        assert!(image.data.starts_with(first_bytes));
        assert_eq!(
            rbee_pictures::read(&image.data).unwrap().as_ref(),
            Some(&image.parameters)
        );
        if format == ImageFormat::Webp {
            assert_eq!(made.picture(), plain, "without loss");
        }
        request.without_parameters = true;
        let made = worker.generate(request).await.unwrap();
        assert_eq!(rbee_pictures::read(&made.images[0].data).unwrap(), None);
        assert!(!made.images[0].parameters.is_empty(), "it is told all the same");
    }
}

#[tokio::test]
async fn previews_are_small_and_come_as_often_as_asked_for() {
    let worker = Worker::ready(&[]);
    let mut request = quick();
    request.steps = Some(4);
    request.previews = Some(Previews {
        every_steps: 2,
        ..Previews::default()
    });
    let made = worker.generate(request).await.unwrap();
    assert!(
        !made.previews.is_empty() && made.previews.len() <= 2,
        "{}",
        made.previews.len()
    );
    for preview in &made.previews {
        assert_eq!(preview.step % 2, 0);
        assert_eq!(pixels(&preview.png).dimensions(), (16, 16));
    }
}

#[tokio::test]
async fn a_picture_to_begin_from_is_scaled_and_changed_as_much_as_asked_for() {
    let worker = Worker::ready(&[]);
    let with = |strength, mask| {
        let mut request = quick();
        request.steps = Some(10);
        request.initial_image = Some(InitialImage {
            image: png(200, 100),
            strength: Some(strength),
            mask,
        });
        request
    };
    let made = worker.generate(with(0.5, Vec::new())).await.unwrap();
    assert_eq!(made.picture().dimensions(), (128, 128));
    assert!(
        made.steps.len() < 10,
        "a share of the steps: {}",
        made.steps.len()
    );
    let text = &made.images[0].parameters;
    assert!(text.contains("Denoising strength: 0.5"), "{text}");
    let masked = worker.generate(with(0.5, png(200, 100))).await.unwrap();
    assert_ne!(masked.picture(), made.picture());
}

#[tokio::test]
async fn a_second_pass_makes_it_larger() {
    let worker = Worker::ready(&[]);
    let mut request = quick();
    request.high_resolution = Some(HighResolutionPass {
        scale: 1.5,
        ..HighResolutionPass::default()
    });
    let made = worker.generate(request).await.unwrap();
    let started = made.started.as_ref().unwrap();
    assert_eq!((started.width, started.height), (192, 192));
    assert_eq!(started.steps as usize, made.steps.len());
    assert_eq!(made.picture().dimensions(), (192, 192));
}

#[tokio::test]
async fn the_worker_tells_what_its_model_is() {
    let worker = Worker::ready(&[]);
    let info = worker.info().await;
    assert_eq!(info.worker_type(), rbee_proto::types::v1::WorkerType::CpuSd);
    let Some(ModelInfo::Sd(sd)) = info.model_info else {
        panic!("it is an image worker")
    };
    assert_eq!((sd.version.as_str(), sd.prediction.as_str()), ("v1-5", "epsilon"));
    assert_eq!((sd.native_edge, sd.inpainting), (512, false));
}
