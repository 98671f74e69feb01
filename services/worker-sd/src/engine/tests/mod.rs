mod easel;
mod together;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use rbee_worker_kit::Engine as _;

use super::*;
use crate::domain::ImageRequest;
use easel::Easel;

fn request(prompt: &str, steps: u32) -> ImageRequest {
    let mut request = ImageRequest {
        prompt: prompt.into(),
        ..ImageRequest::default()
    };
    request.sampling.steps = Some(steps);
    request
}

fn engine(queue: usize) -> (Engine, Sender<()>, Arc<Mutex<Vec<String>>>) {
    engine_of(1, queue)
}

/// Paints as many side by side, a step of each for each word.
fn engine_of(slots: usize, queue: usize) -> (Engine, Sender<()>, Arc<Mutex<Vec<String>>>) {
    let (hand, receiver) = channel();
    let (painter, painted) = Easel::set_up(Some(receiver));
    let config = EngineConfig {
        slots,
        queue,
        model_id: "local:easel".into(),
    };
    (Engine::start(painter, config).unwrap(), hand, painted)
}

fn free_engine() -> Engine {
    let (painter, _) = Easel::set_up(None);
    let config = EngineConfig {
        slots: 1,
        queue: 8,
        model_id: "local:easel".into(),
    };
    Engine::start(painter, config).unwrap()
}

async fn next(stream: &mut PictureStream) -> Event {
    tokio::time::timeout(Duration::from_secs(10), stream.next())
        .await
        .expect("it goes on")
        .unwrap()
        .unwrap()
}

/// Passes over previews.
async fn news(stream: &mut PictureStream) -> Event {
    loop {
        match next(stream).await {
            Event::Preview { .. } => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_request_becomes_steps_pictures_and_an_end() {
    let engine = free_engine();
    let mut wanted = request("a bee", 2);
    wanted.count = 2;
    let events: Vec<_> = engine.generate(wanted, 41).unwrap().collect().await;
    let events: Vec<_> = events
        .into_iter()
        .map(Result::unwrap)
        .filter(|event| !matches!(event, Event::Preview { .. }))
        .collect();
    let [
        Event::Started(started),
        Event::Step(_),
        Event::Step(_),
        Event::Picture(first),
        Event::Step(_),
        Event::Step(_),
        Event::Picture(second),
        Event::Finished(_),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((started.seed, started.steps), (41, 2));
    assert_eq!((first.seed, second.seed), (41, 42));
    assert_eq!((second.width, second.height), (64, 64));
    let text = rbee_pictures::read(&second.data).unwrap().unwrap();
    assert_eq!(text, second.parameters);
    assert!(text.starts_with("a bee\nSteps: 2, ") && text.contains("Seed: 42, Size: 64x64, Model: easel"));
    let load = engine.load();
    assert_eq!((load.running + load.waiting, load.images, load.steps), (0, 2, 4));
}

#[tokio::test]
async fn who_waits_is_told_how_many_are_before() {
    let (engine, hand, _) = engine(8);
    let mut first = engine.generate(request("1", 1), 0).unwrap();
    assert!(matches!(next(&mut first).await, Event::Started(_)));
    let mut second = engine.generate(request("2", 1), 0).unwrap();
    let mut third = engine.generate(request("3", 1), 0).unwrap();
    assert_eq!(next(&mut second).await, Event::Queued { ahead: 1 });
    assert_eq!(next(&mut third).await, Event::Queued { ahead: 2 });
    // One that waited leaves: the next moves up at once, without a step being made.
    drop(second);
    assert_eq!(next(&mut third).await, Event::Queued { ahead: 1 });
    assert_eq!(engine.load().waiting, 1);
    hand.send(()).unwrap();
    assert!(matches!(next(&mut third).await, Event::Started(_)));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let (engine, _hand, _) = engine(1);
    let mut first = engine.generate(request("1", 1), 0).unwrap();
    next(&mut first).await;
    let _second = engine.generate(request("2", 1), 0).unwrap();
    let Err(EngineError::QueueFull {
        slots: 1,
        queue: 1,
        retry_after,
    }) = engine.generate(request("3", 1), 0)
    else {
        panic!("it must be full")
    };
    assert!(retry_after >= Duration::from_secs(1));
}

#[tokio::test]
async fn who_leaves_frees_the_engine_within_one_step() {
    let (engine, hand, painted) = engine(8);
    let mut first = engine.generate(request("long", 200), 0).unwrap();
    assert!(matches!(next(&mut first).await, Event::Started(_)));
    let mut second = engine.generate(request("short", 1), 0).unwrap();
    drop(first);
    // One step ends and finds nobody, or was not begun any more.
    hand.send(()).unwrap();
    loop {
        if matches!(next(&mut second).await, Event::Started(_)) {
            break;
        }
    }
    assert_eq!(*painted.lock(), ["long", "short"]);
    let steps = engine.load().steps;
    assert!(steps <= 1, "{steps}");
}

#[tokio::test]
async fn previews_that_nobody_reads_are_left_out() {
    let engine = free_engine();
    let stream = engine.generate(request("a bee", 100), 0).unwrap();
    while engine.load().images == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let previews = stream
        .filter(|event| std::future::ready(matches!(event, Ok(Event::Preview { .. }))))
        .count()
        .await;
    assert!((1..100).contains(&previews), "{previews}");
}

#[tokio::test]
async fn a_request_that_fails_leaves_the_next_alone() {
    let engine = free_engine();
    let failed: Vec<_> = engine.generate(request("nan", 1), 0).unwrap().collect().await;
    assert_eq!(failed, [Err(EngineError::NotFinite)]);
    let next: Vec<_> = engine.generate(request("a bee", 1), 0).unwrap().collect().await;
    assert!(matches!(next.last(), Some(Ok(Event::Finished(_)))));
}

#[tokio::test]
async fn a_panic_ends_all_streams_and_shows() {
    let engine = free_engine();
    let first = engine.generate(request("panic", 1), 0).unwrap();
    let events: Vec<_> = first.collect().await;
    let [Err(EngineError::Failed { message })] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(message.contains("the brush broke"));
    let EngineExit::Panicked { .. } = engine.exited().await else {
        panic!("it must show")
    };
    let later = engine.generate(request("a bee", 1), 0);
    assert!(matches!(
        later.err(),
        Some(EngineError::Failed { .. } | EngineError::Stopping)
    ));
}

#[tokio::test]
async fn a_drain_ends_what_was_taken_and_takes_no_more() {
    let (engine, hand, _) = engine(8);
    let mut first = engine.generate(request("1", 1), 0).unwrap();
    let mut second = engine.generate(request("2", 1), 0).unwrap();
    next(&mut first).await;
    let draining = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain().await }
    });
    while !matches!(engine.generate(request("3", 1), 0), Err(EngineError::Stopping)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hand.send(()).unwrap();
    hand.send(()).unwrap();
    while !matches!(news(&mut second).await, Event::Finished(_)) {}
    assert_eq!(draining.await.unwrap(), EngineExit::Stopped);
}

#[tokio::test]
async fn an_abort_breaks_off_after_the_step() {
    let (engine, hand, _) = engine(8);
    let mut first = engine.generate(request("1", 100), 0).unwrap();
    let second = engine.generate(request("2", 1), 0).unwrap();
    next(&mut first).await;
    let aborting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.abort().await }
    });
    // Told before the step is over.
    assert_eq!(first.next().await, Some(Err(EngineError::Stopping)));
    hand.send(()).unwrap();
    assert_eq!(aborting.await.unwrap(), EngineExit::Stopped);
    let last: Vec<_> = second.collect().await;
    assert_eq!(last.last(), Some(&Err(EngineError::Stopping)));
}
