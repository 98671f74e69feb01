//! Requests that are computed together.

use rbee_proto::worker::v1::{GenerateImageRequest, Sampler, generate_image_response::Event};

use super::harness::{Made, Worker, long, next, quick, until_a_step};

/// Reads a stream to its end.
async fn rest(mut stream: tonic::Streaming<rbee_proto::worker::v1::GenerateImageResponse>) -> Made {
    let mut made = Made::default();
    loop {
        match next(&mut stream).await.unwrap() {
            Event::Started(started) => made.started = Some(started),
            Event::Step(step) => made.steps.push(step),
            Event::Image(image) => made.images.push(image),
            Event::Finished(_) => return made,
            Event::Queued(_) | Event::Preview(_) => {}
        }
    }
}

fn of(sampler: Sampler, seed: u64, steps: u32) -> GenerateImageRequest {
    GenerateImageRequest {
        sampler: sampler.into(),
        seed: Some(seed),
        steps: Some(steps),
        ..quick()
    }
}

#[tokio::test]
async fn who_is_computed_together_gets_the_pictures_of_alone() {
    let worker = Worker::ready(&["--slots", "4"]);
    assert_eq!(worker.load().await.slot_count, 4);
    let wanted = [
        of(Sampler::Euler, 1, 9),
        of(Sampler::Dpmpp2mSde, 2, 7),
        of(Sampler::Heun, 3, 5),
    ];
    let mut alone = Vec::new();
    for request in &wanted {
        alone.push(worker.generate(request.clone()).await.unwrap());
    }
    // Somebody who holds the first place until all are there.
    let mut first = worker
        .begin(GenerateImageRequest {
            width: Some(128),
            height: Some(128),
            ..long()
        })
        .await
        .unwrap();
    until_a_step(&mut first).await;
    let mut streams = Vec::new();
    for request in &wanted {
        streams.push(worker.begin(request.clone()).await.unwrap());
    }
    let most = worker
        .until_load("all are computed", |load| load.running_requests == 4)
        .await;
    assert_eq!(most.waiting_requests, 0);
    for (stream, alone) in streams.into_iter().zip(alone) {
        let made = rest(stream).await;
        assert_eq!(made.steps.len(), alone.steps.len());
        let pairs = made
            .picture()
            .into_raw()
            .into_iter()
            .zip(alone.picture().into_raw());
        let off = pairs.map(|(one, other)| one.abs_diff(other)).max();
        assert!(off <= Some(1), "levels are off by {off:?}");
    }
    drop(first);
    worker
        .until_load("it is free", |load| load.running_requests == 0)
        .await;
}

#[tokio::test]
async fn one_that_leaves_does_not_disturb_the_other() {
    let worker = Worker::ready(&["--slots", "2"]);
    let wanted = of(Sampler::Unipc, 5, 60);
    let alone = worker.generate(wanted.clone()).await.unwrap();
    let mut stays = worker.begin(wanted).await.unwrap();
    until_a_step(&mut stays).await;
    let mut leaves = worker.begin(of(Sampler::Euler, 6, 200)).await.unwrap();
    until_a_step(&mut leaves).await;
    drop(leaves);
    worker
        .until_load("one is left, or none", |load| load.running_requests < 2)
        .await;
    let made = rest(stays).await;
    let pairs = made
        .picture()
        .into_raw()
        .into_iter()
        .zip(alone.picture().into_raw());
    assert!(pairs.map(|(one, other)| one.abs_diff(other)).max() <= Some(1));
}

#[tokio::test]
async fn another_size_waits_for_its_turn() {
    let worker = Worker::ready(&["--slots", "2"]);
    let mut first = worker.begin(of(Sampler::Euler, 1, 200)).await.unwrap();
    until_a_step(&mut first).await;
    let mut wide = quick();
    wide.width = Some(192);
    let mut other = worker.begin(wide).await.unwrap();
    assert!(matches!(next(&mut other).await.unwrap(), Event::Queued(_)));
    // Steps of the first go by, and nobody joins it.
    for _ in 0..3 {
        until_a_step(&mut first).await;
    }
    let load = worker.load().await;
    assert_eq!((load.running_requests, load.waiting_requests), (1, 1));
    drop(first);
    assert_eq!(rest(other).await.picture().dimensions(), (192, 128));
}
