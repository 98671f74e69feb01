//! Files come, once, and as far as they came they stay.

use rbee_artifacts::Sha256;

use crate::scene::{MIB, Scene, content, fetched, until_fetched};

#[tokio::test(flavor = "multi_thread")]
async fn two_spawns_at_once_fetch_a_model_once_and_tell_how_far_it_is() {
    let mut scene = Scene::start(&[]).await;
    let file = content(1, 8 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.slow_down(Some(8 << 20));
    let (one, two) = tokio::join!(scene.spawn(&model), scene.spawn(&model));
    for spawned in [&one, &two] {
        let worker = spawned.result.as_ref().unwrap();
        assert_eq!(worker.model_id, model);
    }
    let told = fetched(&one.events);
    let (last, total) = *told.last().unwrap();
    assert!(told.len() > 5 && told.is_sorted(), "{told:?}");
    assert!(last == total && total > 8 << 20, "{told:?}");
    assert_eq!(scene.sent(&file), file.len() as u64, "it was sent once");
    let cache = scene.cache().await;
    assert!(cache.in_use_bytes >= 8 << 20 && cache.used_bytes >= cache.in_use_bytes);

    // What is here needs no store: both come back while it is away.
    scene.s3.fail(true);
    scene.kill_and_restart().await;
    scene.ready(&model).await;
    let begun = std::time::Instant::now();
    while scene.cache().await.in_use_bytes < 8 << 20 {
        assert!(begun.elapsed() < crate::harness::DEADLINE);
    }
    // And so does one that is spawned now.
    scene.spawn(&model).await.result.unwrap();
    assert_eq!(scene.sent(&file), file.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hive_that_is_killed_in_the_middle_goes_on_where_it_was() {
    let mut scene = Scene::start(&[]).await;
    let file = content(3, 12 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.slow_down(Some(6 << 20));
    let mut spawn = scene.begin(&model).await;
    until_fetched(&mut spawn, 4 << 20).await;
    scene.s3.slow_down(None);
    // The spawn was taken in, and its worker is wanted still.
    scene.kill_and_restart().await;
    scene.ready(&model).await;
    let path = scene.path(&file);
    let resumed = scene
        .s3
        .gets()
        .into_iter()
        .any(|get| path.ends_with(&get.key) && get.start >= 3 << 20);
    assert!(resumed, "{:?}", scene.s3.gets());
    let blob = scene
        .cache_folder()
        .join("blobs")
        .join(Sha256::digest(&file).to_string());
    assert!(std::fs::read(blob).unwrap() == file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_that_is_stopped_stops_fetching_and_the_next_goes_on() {
    let scene = Scene::start(&[]).await;
    let file = content(4, 8 * MIB);
    let model = scene.model("qwen", &[&file]).await;
    scene.s3.slow_down(Some(3 << 20));
    let mut spawn = scene.begin(&model).await;
    let id = spawn.message().await.unwrap().unwrap().worker_id;
    until_fetched(&mut spawn, 2 << 20).await;
    scene.stop(&id).await;
    let begun = std::time::Instant::now();
    while scene.cache().await.in_use_bytes > 0 {
        assert!(
            begun.elapsed() < crate::harness::DEADLINE,
            "the fetch goes on for nobody"
        );
    }
    let kept = scene.cache().await.used_bytes;
    assert!((1 << 20..8 << 20).contains(&kept), "{kept} bytes are kept");
    scene.s3.slow_down(None);
    scene.spawn(&model).await.result.unwrap();
    let path = scene.path(&file);
    assert!(
        scene
            .s3
            .gets()
            .iter()
            .any(|get| path.ends_with(&get.key) && get.start >= 1 << 20),
        "{:?}",
        scene.s3.gets()
    );
}
