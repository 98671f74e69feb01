//! How it leaves: when its hive is gone, when it is told to, and what it leaves behind.

use std::time::Duration;

use rbee_proto::worker::v1 as proto;
use tokio_stream::StreamExt as _;

use super::harness::{TOKEN, Worker, complete, greedy, likeliest, read, tiny, user};

#[tokio::test]
async fn it_leaves_when_its_hive_is_gone() {
    let mut worker = Worker::ready(&tiny(), &[]);
    // A client is connected, which must not keep it.
    let _info = worker.info().await;
    worker.abandon();
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!worker.socket.exists());
}

#[tokio::test]
async fn it_leaves_when_its_hive_goes_while_it_starts() {
    let mut worker = Worker::start(&tiny(), &[]);
    worker.abandon();
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!worker.socket.exists());
}

#[tokio::test]
async fn told_to_leave_it_first_ends_what_it_began() {
    let mut worker = Worker::ready(&tiny(), &[]);
    let request = proto::CompleteRequest {
        prompt: "def add(a, b):\n".into(),
        sampling: Some(likeliest()),
        stop: None,
        ..proto::CompleteRequest::default()
    };
    let mut stream = worker.text().complete(request).await.unwrap().into_inner();
    let first = stream.next().await.unwrap().unwrap();
    worker.terminate();
    // The model never ends by itself; the whole context comes.
    assert!(matches!(
        first.event,
        Some(proto::complete_response::Event::Started(_))
    ));
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = event.unwrap().event;
    }
    let Some(proto::complete_response::Event::Finished(finished)) = last else {
        panic!("{last:?}")
    };
    assert_eq!(finished.reason(), proto::FinishReason::Length);
    let (code, _) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(!worker.socket.exists());
}

#[tokio::test]
async fn told_to_leave_it_does_not_wait_for_clients_that_only_watch() {
    let mut worker = Worker::ready(&tiny(), &["--drain-grace", "30s"]);
    let mut events = rbee_proto::events::v1::event_service_client::EventServiceClient::new(worker.channel())
        .watch_events(rbee_proto::events::v1::WatchEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    worker.terminate();
    while let Some(Ok(_)) = events.next().await {}
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn what_it_tells_of_its_work_is_not_what_was_said() {
    let worker = Worker::ready(&tiny(), &[]);
    let secret = "the garden gate code is 4711";
    super::harness::chat(&worker, greedy(vec![user(secret)], 3))
        .await
        .unwrap();
    let request = proto::CompleteRequest {
        prompt: secret.into(),
        sampling: Some(likeliest()),
        stop: super::harness::stop(3),
        ..proto::CompleteRequest::default()
    };
    complete(&worker, request).await.unwrap();

    let watch = rbee_proto::events::v1::WatchEventsRequest {
        backlog: 100,
        minimum_level: 0,
    };
    let mut events = rbee_proto::events::v1::event_service_client::EventServiceClient::new(worker.channel())
        .watch_events(watch)
        .await
        .unwrap()
        .into_inner();
    let mut answered = 0;
    while answered < 2 {
        let event = events.next().await.unwrap().unwrap().event.unwrap();
        assert_eq!(event.worker_id, "w1", "{event:?}");
        assert!(!format!("{event:?}").contains("4711"), "{event:?}");
        assert!(!format!("{event:?}").contains(TOKEN), "{event:?}");
        if event.message.starts_with("answered with 3 tokens") {
            answered += 1;
        }
    }
}

#[tokio::test]
async fn a_dropped_stream_frees_its_slot() {
    let worker = Worker::ready(&tiny(), &["--slots", "1", "--queue", "0"]);
    for _ in 0..20 {
        let mut stream = worker
            .text()
            .chat(greedy(vec![user("hi")], 400))
            .await
            .unwrap()
            .into_inner();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        worker
            .until_load("the slot is free", |load| load.running_requests == 0)
            .await;
    }
    let stream = worker
        .text()
        .chat(greedy(vec![user("hi")], 2))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read(stream).await.unwrap().usage().completion_tokens, 2);
}
