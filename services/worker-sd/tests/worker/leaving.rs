//! How it leaves: when its hive is gone, and when it is told to.

use std::time::Duration;

use rbee_proto::worker::v1::generate_image_response::Event;
use rbee_service_kit::{RemoteFault, reason};

use super::harness::{Worker, long, next, quick, until_a_step};

#[tokio::test]
async fn it_leaves_when_its_hive_is_gone_whatever_it_does() {
    let mut worker = Worker::ready(&[]);
    let mut stream = worker.begin(long()).await.unwrap();
    until_a_step(&mut stream).await;
    worker.abandon();
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!worker.socket.exists());
}

#[tokio::test]
async fn told_to_leave_it_first_ends_what_it_began() {
    let mut worker = Worker::ready(&["--drain-grace", "60s"]);
    let mut request = quick();
    request.steps = Some(20);
    let mut stream = worker.begin(request).await.unwrap();
    until_a_step(&mut stream).await;
    worker.terminate();
    loop {
        if let Event::Finished(_) = next(&mut stream).await.unwrap() {
            break;
        }
    }
    drop(stream);
    assert_eq!(worker.left().await.0, Some(0));
    assert!(!worker.socket.exists());
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_broken_off_and_told_why() {
    let mut worker = Worker::ready(&["--drain-grace", "200ms"]);
    let mut stream = worker.begin(long()).await.unwrap();
    until_a_step(&mut stream).await;
    worker.terminate();
    let fault: RemoteFault = loop {
        match next(&mut stream).await {
            Ok(Event::Finished(_)) => panic!("200 steps in 200 ms"),
            Ok(_) => {}
            Err(fault) => break fault,
        }
    };
    assert!(fault.is(reason::WORKER_STOPPING), "{fault:?}");
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
