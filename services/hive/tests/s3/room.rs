//! The cache's limit.

use rbee_service_kit::reason;

use crate::scene::{MIB, Scene, content};

#[tokio::test(flavor = "multi_thread")]
async fn what_workers_use_stays_and_the_rest_makes_room() {
    let scene = Scene::start(&["--cache-limit", "7MiB"]).await;
    let files: Vec<_> = (10..14).map(|seed| content(seed, 2 * MIB)).collect();
    let mut models = Vec::new();
    for (number, file) in files.iter().enumerate() {
        models.push(scene.model(&format!("m{number}"), &[file]).await);
    }
    let used = scene.spawn(&models[0]).await.result.unwrap();
    for model in &models[1..3] {
        let worker = scene.spawn(model).await.result.unwrap();
        scene.stop(&worker.id).await;
    }
    // Of the two that nobody uses, the one used longest ago goes.
    let last = scene.spawn(&models[3]).await.result.unwrap();
    let cache = scene.cache().await;
    assert!(cache.used_bytes <= cache.limit_bytes && cache.limit_bytes == 7 << 20);
    let third = scene.spawn(&models[2]).await.result.unwrap();
    assert_eq!(scene.sent(&files[2]), 2 << 20, "it was there still");

    // All three are in use now.
    let spawned = scene.spawn(&models[1]).await;
    assert_eq!(spawned.reason(), reason::CACHE_TOO_SMALL);
    let metadata = spawned.result.unwrap_err().metadata;
    assert_eq!(metadata["size_bytes"], (2 << 20).to_string());
    assert_eq!(metadata["limit_bytes"], (7 << 20).to_string());
    assert!(
        metadata["in_use_bytes"].parse::<u64>().unwrap() >= 6 << 20,
        "{metadata:?}"
    );
    scene.stop(&last.id).await;
    scene.spawn(&models[1]).await.result.unwrap();
    // Its worker has served all the while.
    assert_eq!(scene.ready(&models[0]).await, used.id);
    assert_eq!(scene.ready(&models[2]).await, third.id);

    let large = [content(20, 4 * MIB), content(21, 4 * MIB)];
    let model = scene.model("large", &[&large[0], &large[1]]).await;
    let spawned = scene.spawn(&model).await;
    assert_eq!(spawned.reason(), reason::CACHE_TOO_SMALL);
    assert_eq!(
        spawned.result.unwrap_err().metadata["size_bytes"],
        (8 << 20).to_string()
    );
    assert_eq!(
        scene.sent(&large[0]),
        0,
        "that is told before anything is fetched"
    );
}
