//! Stores that are away, silent, cut off, or have something else.

use std::time::{Duration, Instant};

use rbee_service_kit::reason;

use crate::scene::{MIB, Scene, content, until_fetched};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_refused_and_leaves_nothing() {
    let scene = Scene::start(&[]).await;
    let file = content(5, 2 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    let mut damaged = file.clone();
    damaged[MIB] ^= 1;
    scene.s3.put(&scene.path(&file), damaged);
    let spawned = scene.spawn(&model).await;
    assert_eq!(spawned.reason(), reason::MODEL_CORRUPT);
    assert!(scene.cache().await.used_bytes < 1 << 20, "nothing of it is kept");
    scene.s3.put(&scene.path(&file), file);
    scene.spawn(&model).await.result.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_are_taken_up_again() {
    let scene = Scene::start(&[]).await;
    let file = content(6, 6 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.cut_after(Some(1 << 20));
    scene.spawn(&model).await.result.unwrap();
    let path = scene.path(&file);
    let reads = scene.s3.gets().into_iter().filter(|get| path.ends_with(&get.key));
    assert!(reads.count() >= 6, "{:?}", scene.s3.gets());
    assert!(scene.sent(&file) < 2 * file.len() as u64, "little is sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_falls_silent_is_given_up_in_time_and_gone_on_with() {
    let scene = Scene::start(&["--store-patience", "2s"]).await;
    let file = content(7, 8 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.slow_down(Some(4 << 20));
    let mut spawn = scene.begin(&model).await;
    until_fetched(&mut spawn, 2 << 20).await;
    scene.s3.be_silent(true);
    let begun = Instant::now();
    let status = loop {
        match spawn.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error is told"),
            Err(status) => break status,
        }
    };
    let fault = rbee_service_kit::RemoteFault::from(&status);
    assert!(fault.is(reason::STORE_UNAVAILABLE), "{fault:?}");
    assert!(fault.retry_after.is_some(), "{fault:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let again = scene.spawn(&model).await;
    assert_eq!(again.reason(), reason::STORE_UNAVAILABLE);

    scene.s3.be_silent(false);
    scene.s3.slow_down(None);
    scene.spawn(&model).await.result.unwrap();
    let path = scene.path(&file);
    let gets = scene.s3.gets();
    assert!(
        gets.iter()
            .any(|get| path.ends_with(&get.key) && get.start >= 1 << 20)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_for_a_moment_is_sat_out() {
    let scene = Scene::start(&[]).await;
    let file = content(8, 4 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.slow_down(Some(2 << 20));
    let mut spawn = scene.begin(&model).await;
    until_fetched(&mut spawn, 1 << 20).await;
    scene.s3.fail(true);
    scene.s3.cut_after(Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.s3.fail(false);
    scene.s3.cut_after(None);
    let spawned = crate::harness::Spawned::read(spawn).await;
    spawned.result.unwrap();
}
