//! The queue, and those who leave it.

use std::time::{Duration, Instant};

use rbee_proto::worker::v1::generate_image_response::Event;
use rbee_service_kit::reason;
use tonic::Code;

use super::harness::{Worker, long, next, quick, until_a_step};

#[tokio::test]
async fn who_waits_is_told_the_place_and_who_is_too_many_when_to_come_back() {
    let worker = Worker::ready(&["--queue", "1"]);
    let mut first = worker.begin(long()).await.unwrap();
    until_a_step(&mut first).await;
    let mut second = worker.begin(quick()).await.unwrap();
    let Event::Queued(queued) = next(&mut second).await.unwrap() else {
        panic!("it waits")
    };
    assert_eq!(queued.position, 1);
    let full = worker.refused(quick()).await;
    assert_eq!(full.code, Code::ResourceExhausted);
    assert!(
        full.is(reason::QUEUE_FULL) && full.retry_after.is_some(),
        "{full:?}"
    );
    assert_eq!(full.metadata["queue_length"], "1");
    let load = worker.load().await;
    assert_eq!((load.running_requests, load.waiting_requests), (1, 1));
    drop(first);
    loop {
        match next(&mut second).await.unwrap() {
            Event::Finished(_) => break,
            Event::Queued(queued) => panic!("{queued:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn who_leaves_in_mid_denoise_frees_the_worker_within_one_step() {
    let worker = Worker::ready(&[]);
    for _ in 0..5 {
        let mut stream = worker.begin(long()).await.unwrap();
        until_a_step(&mut stream).await;
        let before = worker.load().await.denoised_steps;
        drop(stream);
        let after = worker
            .until_load("it is free", |load| load.running_requests == 0)
            .await
            .denoised_steps;
        // The steps until the news came, and the one in which it came.
        assert!(after - before <= 20, "{} more steps", after - before);
    }
    assert_eq!(worker.load().await.generated_images, 0);
    assert!(worker.generate(quick()).await.is_ok());
}

#[tokio::test]
async fn who_leaves_in_mid_decode_frees_the_worker_too() {
    let worker = Worker::ready(&[]);
    let mut request = quick();
    // Few steps and many pixels: most of the time goes into making them visible.
    (request.width, request.height, request.steps) = (Some(512), Some(512), Some(1));
    let mut stream = worker.begin(request).await.unwrap();
    until_a_step(&mut stream).await;
    drop(stream);
    let since = Instant::now();
    worker
        .until_load("it is free", |load| load.running_requests == 0)
        .await;
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert_eq!(worker.load().await.generated_images, 0, "nobody wanted it");
    assert!(worker.generate(quick()).await.is_ok());
}

#[tokio::test]
async fn who_leaves_the_queue_gives_the_place_free_at_once() {
    let worker = Worker::ready(&["--queue", "1"]);
    let mut first = worker.begin(long()).await.unwrap();
    until_a_step(&mut first).await;
    for _ in 0..3 {
        let second = worker.begin(quick()).await.unwrap();
        drop(second);
        worker
            .until_load("nobody waits", |load| load.waiting_requests == 0)
            .await;
    }
    assert_eq!(worker.load().await.running_requests, 1, "the first goes on");
}
