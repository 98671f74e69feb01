//! Several requests side by side.

use super::*;

/// A picture of this width.
fn wide(prompt: &str, steps: u32, width: u32) -> ImageRequest {
    ImageRequest {
        width: Some(width),
        ..request(prompt, steps)
    }
}

async fn until_started(stream: &mut PictureStream) {
    while !matches!(news(stream).await, Event::Started(_)) {}
}

#[tokio::test]
async fn who_comes_later_joins_at_a_step_and_each_hears_of_its_own() {
    let (engine, hand, _) = engine_of(2, 8);
    let mut first = engine.generate(request("1", 3), 5).unwrap();
    until_started(&mut first).await;
    hand.send(()).unwrap();
    assert!(matches!(
        news(&mut first).await,
        Event::Step(Step { step: 1, .. })
    ));
    let mut second = engine.generate(request("2", 2), 6).unwrap();
    // It waits for the step that is under way.
    assert_eq!(news(&mut second).await, Event::Queued { ahead: 1 });
    hand.send(()).unwrap();
    until_started(&mut second).await;
    assert_eq!(engine.load().running, 2);
    // A third finds no place, and knows how many are before it.
    let mut third = engine.generate(request("3", 1), 0).unwrap();
    assert_eq!(news(&mut third).await, Event::Queued { ahead: 2 });
    for _ in 0..8 {
        hand.send(()).unwrap();
    }
    for (stream, seed, last) in [(&mut first, 5, 3), (&mut second, 6, 2)] {
        let mut steps = 0;
        loop {
            match news(stream).await {
                Event::Step(step) => steps = step.step,
                Event::Picture(picture) => assert_eq!(picture.seed, seed),
                Event::Finished(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(steps, last);
    }
    until_started(&mut third).await;
}

#[tokio::test]
async fn who_does_not_go_with_the_others_is_not_passed_by() {
    let (engine, hand, painted) = engine_of(4, 8);
    let mut first = engine.generate(wide("1", 2, 64), 0).unwrap();
    until_started(&mut first).await;
    let mut other = engine.generate(wide("other", 1, 128), 0).unwrap();
    let mut like_first = engine.generate(wide("like 1", 1, 64), 0).unwrap();
    hand.send(()).unwrap();
    assert!(matches!(news(&mut first).await, Event::Step(_)));
    assert_eq!(*painted.lock(), ["1"]);
    hand.send(()).unwrap();
    until_started(&mut other).await;
    assert_eq!(engine.load().running, 1);
    hand.send(()).unwrap();
    until_started(&mut like_first).await;
    assert_eq!(*painted.lock(), ["1", "other", "like 1"]);
}

#[tokio::test]
async fn one_that_leaves_or_fails_leaves_the_others() {
    let (engine, hand, _) = engine_of(3, 8);
    let mut first = engine.generate(request("1", 4), 0).unwrap();
    until_started(&mut first).await;
    let leaves = engine.generate(request("2", 200), 0).unwrap();
    let mut fails = engine.generate(request("fails", 200), 0).unwrap();
    hand.send(()).unwrap();
    until_started(&mut fails).await;
    assert_eq!(engine.load().running, 3);
    drop(leaves);
    hand.send(()).unwrap();
    let failed = loop {
        match fails.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert_eq!(failed, Some(Err(EngineError::NotFinite)));
    while engine.load().running > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hand.send(()).unwrap();
    hand.send(()).unwrap();
    while !matches!(news(&mut first).await, Event::Finished(_)) {}
}

#[tokio::test]
async fn a_panic_is_heard_by_all() {
    let (engine, hand, _) = engine_of(2, 8);
    let mut first = engine.generate(request("1", 4), 0).unwrap();
    until_started(&mut first).await;
    let second = engine.generate(request("panic", 4), 0).unwrap();
    hand.send(()).unwrap();
    for stream in [first, second] {
        let events: Vec<_> = stream.collect().await;
        let Some(Err(EngineError::Failed { message })) = events.last() else {
            panic!("{events:?}")
        };
        assert!(message.contains("the brush broke"));
    }
}

#[tokio::test]
async fn the_queue_is_beside_the_slots() {
    let (engine, hand, _) = engine_of(2, 1);
    let mut first = engine.generate(request("1", 9), 0).unwrap();
    until_started(&mut first).await;
    let mut second = engine.generate(request("2", 9), 0).unwrap();
    hand.send(()).unwrap();
    until_started(&mut second).await;
    let _third = engine.generate(request("3", 9), 0).unwrap();
    let Err(EngineError::QueueFull {
        slots: 2, queue: 1, ..
    }) = engine.generate(request("4", 9), 0)
    else {
        panic!("it must be full")
    };
}
