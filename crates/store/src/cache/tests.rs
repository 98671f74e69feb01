use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use object_store::ObjectStoreExt as _;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::disk::{Faults, Step};
use crate::error::StoreError;
use crate::keys::blob_key;
use crate::store::object_path;

/// Never, as far as a test waits.
const NEVER: Duration = Duration::from_secs(3600);

/// A store in a folder, looked at as if it were elsewhere, and a cache.
struct Scene {
    folder: TempDir,
    store: Store,
    faults: Arc<Hooks>,
}

/// Counts what is begun, and refuses what it is told to.
#[derive(Debug, Default)]
struct Hooks {
    begun: AtomicUsize,
    refuse: Mutex<Option<&'static str>>,
    panic: AtomicBool,
}

fn step_name(step: Step<'_>) -> &'static str {
    match step {
        Step::CreateFile(_) => "create",
        Step::Append(..) => "append",
        Step::SyncFile(_) => "sync",
        Step::Rename(..) => "rename",
        Step::SyncFolder(_) => "sync folder",
        _ => "other",
    }
}

impl Faults for Hooks {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        if matches!(step, Step::CreateFile(_)) {
            self.begun.fetch_add(1, Ordering::SeqCst);
        }
        assert!(
            !(self.panic.load(Ordering::SeqCst) && matches!(step, Step::Append(..))),
            "as the test says"
        );
        match *self.refuse.lock().unwrap() {
            Some(name) if name == step_name(step) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

fn content(number: u8, size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| number.wrapping_add(at.to_le_bytes()[0]))
        .collect()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("store")).unwrap();
        let objects = LocalFileSystem::new_with_prefix(folder.path().join("store")).unwrap();
        Self {
            store: Store::on("remote:".into(), Arc::new(objects)),
            folder,
            faults: Arc::default(),
        }
    }

    /// A store of this blob that says nothing before `call`, and is as slow as this for each byte.
    async fn slow(call: Duration, byte: Duration, content: &[u8]) -> Store {
        let objects = InMemory::new();
        let key = blob_key(&Sha256::digest(content));
        objects
            .put(&object_path(&key), content.to_vec().into())
            .await
            .unwrap();
        let config = ThrottleConfig {
            wait_get_per_call: call,
            wait_get_per_byte: byte,
            ..ThrottleConfig::default()
        };
        Store::on("slow:".into(), Arc::new(ThrottledStore::new(objects, config)))
    }

    fn put(&self, content: &[u8]) -> Sha256 {
        let sha256 = Sha256::digest(content);
        self.put_as(&sha256, content);
        sha256
    }

    fn put_as(&self, sha256: &Sha256, content: &[u8]) {
        let path = self.folder.path().join("store").join(blob_key(sha256));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn cache(&self, limit_bytes: u64) -> BlobCache {
        let disk = Disk::with_faults(Some(self.faults.clone()));
        // The last fetch of one that was just dropped holds it for a moment more.
        for _ in 0..3000 {
            let folder = self.folder.path().join("cache");
            match BlobCache::open_on(folder, CacheOptions::new(limit_bytes), disk.clone()).await {
                Err(OpenCacheError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                opened => return opened.unwrap(),
            }
        }
        panic!("the cache is never given up");
    }

    fn entries(&self, folder: &str) -> BTreeMap<String, u64> {
        fs::read_dir(self.folder.path().join("cache").join(folder))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, entry.metadata().unwrap().len())
            })
            .collect()
    }

    fn fetches(&self) -> usize {
        self.faults.begun.load(Ordering::SeqCst)
    }
}

async fn get(
    cache: &BlobCache,
    store: &Store,
    sha256: Sha256,
    size: usize,
) -> Result<CachedBlob, FetchError> {
    cache
        .fetch(store, sha256, size as u64, |_| ControlFlow::Continue(()))
        .await
}

/// Waits until what was begun for nobody is cleared away.
async fn settled(cache: &BlobCache) {
    for _ in 0..3000 {
        if cache.inner.ledger().flights() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a flight never ends");
}

#[tokio::test]
async fn a_blob_is_fetched_verified_and_then_there() {
    let scene = Scene::new();
    let cache = scene.cache(10 << 20).await;
    let bytes = content(1, 3_000_000);
    let sha256 = scene.put(&bytes);
    let mut seen = Vec::new();
    let blob = cache
        .fetch(&scene.store, sha256, 3_000_000, |done| {
            seen.push(done);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(fs::read(blob.path()).unwrap(), bytes);
    assert!(fs::metadata(blob.path()).unwrap().permissions().readonly());
    assert!(seen.is_sorted() && seen[0] == 0, "{seen:?}");
    assert!(cache.contains(&sha256));
    assert_eq!(cache.used_bytes(), 3_000_000);
    let again = get(&cache, &scene.store, sha256, 3_000_000).await.unwrap();
    assert_eq!(again.path(), blob.path());
    assert_eq!(scene.fetches(), 1);
    assert!(scene.entries("parts").is_empty());
}

#[tokio::test]
async fn an_empty_blob_is_one_too() {
    let scene = Scene::new();
    let cache = scene.cache(0).await;
    let sha256 = scene.put(b"");
    let blob = get(&cache, &scene.store, sha256, 0).await.unwrap();
    assert_eq!(fs::read(blob.path()).unwrap(), b"");
}

#[tokio::test]
async fn a_store_on_this_host_is_used_in_place() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20).await;
    let local = Store::open(scene.folder.path().join("local").to_str().unwrap())
        .await
        .unwrap();
    let source = scene.folder.path().join("source");
    fs::write(&source, b"weights").unwrap();
    let stored = local
        .put_file(source, crate::Ingest::Copy, None, |_| ControlFlow::Continue(()))
        .await
        .unwrap();
    let blob = get(&cache, &local, stored.sha256, 7).await.unwrap();
    assert_eq!(blob.path(), local.local_path(&stored.sha256).unwrap());
    assert_eq!((cache.used_bytes(), scene.fetches()), (0, 0));
    for (sha256, size) in [(stored.sha256, 8), (Sha256::digest(b"none"), 4)] {
        let error = get(&cache, &local, sha256, size).await.unwrap_err();
        assert!(matches!(error, FetchError::Missing { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_fetch() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20).await;
    let sha256 = scene.put(&content(1, 1000));
    let slow = Scene::slow(Duration::from_millis(200), Duration::ZERO, &content(1, 1000)).await;
    let asking = (0..20).map(|_| get(&cache, &slow, sha256, 1000));
    for blob in futures_util::future::join_all(asking).await {
        assert_eq!(fs::read(blob.unwrap().path()).unwrap(), content(1, 1000));
    }
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn what_is_missing_or_damaged_leaves_nothing() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20).await;
    let bytes = content(1, 1000);
    let sha256 = Sha256::digest(&bytes);
    let error = get(&cache, &scene.store, sha256, 1000).await.unwrap_err();
    assert!(matches!(error, FetchError::Missing { .. }), "{error:?}");
    let cases = [content(2, 1000), content(1, 999), content(1, 1001), Vec::new()];
    for wrong in cases {
        scene.put_as(&sha256, &wrong);
        let (one, two) = tokio::join!(
            get(&cache, &scene.store, sha256, 1000),
            get(&cache, &scene.store, sha256, 1000)
        );
        for error in [one.unwrap_err(), two.unwrap_err()] {
            assert!(matches!(error, FetchError::Damaged { .. }), "{error:?}");
        }
        assert_eq!(cache.used_bytes(), 0);
        assert!(scene.entries("parts").is_empty() && scene.entries("blobs").is_empty());
    }
    scene.put(&bytes);
    assert!(
        get(&cache, &scene.store, sha256, 1000).await.is_ok(),
        "it is tried anew"
    );
}

#[tokio::test]
async fn one_that_leaves_does_not_end_it_for_the_others() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20).await;
    let sha256 = scene.put(&content(1, 1000));
    let slow = Scene::slow(Duration::from_millis(300), Duration::ZERO, &content(1, 1000)).await;
    let cancelled = cache.fetch(&slow, sha256, 1000, |_| ControlFlow::Break(()));
    let (cancelled, got) = tokio::join!(cancelled, get(&cache, &slow, sha256, 1000));
    assert!(matches!(cancelled, Err(FetchError::Cancelled { .. })));
    assert!(got.is_ok());
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_given_up_though_the_store_is_silent() {
    let scene = Scene::new();
    let cache = scene.cache(1500).await;
    let sha256 = scene.put(&content(1, 1000));
    for silent in [
        Scene::slow(NEVER, Duration::ZERO, &content(1, 1000)).await,
        Scene::slow(Duration::ZERO, NEVER, &content(1, 1000)).await,
    ] {
        let left = tokio::time::timeout(Duration::from_millis(50), get(&cache, &silent, sha256, 1000)).await;
        assert!(left.is_err());
        settled(&cache).await;
        assert_eq!(cache.used_bytes(), 0);
        assert!(get(&cache, &scene.store, sha256, 1000).await.is_ok());
        assert_eq!(cache.used_bytes(), 1000);
        assert!(scene.entries("parts").is_empty());
        // Out again, for the next turn.
        let other = scene.put(&content(2, 1400));
        drop(get(&cache, &scene.store, other, 1400).await.unwrap());
        assert!(!cache.contains(&sha256));
    }
}

#[tokio::test]
async fn room_is_made_by_what_was_used_longest_ago_and_never_by_what_is_in_use() {
    let scene = Scene::new();
    let cache = scene.cache(3500).await;
    let names: Vec<_> = (0..5).map(|number| scene.put(&content(number, 1000))).collect();
    let first = get(&cache, &scene.store, names[0], 1000).await.unwrap();
    drop(get(&cache, &scene.store, names[1], 1000).await.unwrap());
    drop(get(&cache, &scene.store, names[2], 1000).await.unwrap());
    drop(get(&cache, &scene.store, names[1], 1000).await.unwrap());
    let fourth = get(&cache, &scene.store, names[3], 1000).await.unwrap();
    assert!(!cache.contains(&names[2]), "it was used longest ago");
    assert!(cache.contains(&names[1]), "no more than needed");
    assert_eq!(fs::read(first.path()).unwrap(), content(0, 1000));

    let second = get(&cache, &scene.store, names[1], 1000).await.unwrap();
    let error = get(&cache, &scene.store, names[4], 1000).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::InUse {
                in_use_bytes: 3000,
                ..
            }
        ),
        "{error:?}"
    );
    let large = scene.put(&content(9, 3501));
    let error = get(&cache, &scene.store, large, 3501).await.unwrap_err();
    assert!(error.to_string().contains("limited to 3500 bytes"), "{error}");
    drop((first, second, fourth));
    assert!(get(&cache, &scene.store, names[4], 1000).await.is_ok());
    assert!(cache.used_bytes() <= 3500);
}

#[tokio::test]
async fn a_cache_is_one_processs_and_what_was_left_unfinished_goes() {
    let scene = Scene::new();
    let cache = scene.cache(10_000).await;
    let names: Vec<_> = (0..4).map(|number| scene.put(&content(number, 1000))).collect();
    for sha256 in &names {
        drop(get(&cache, &scene.store, *sha256, 1000).await.unwrap());
    }
    let folder = scene.folder.path().join("cache");
    let error = BlobCache::open(&folder, CacheOptions::new(10_000))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenCacheError::InUse { .. }), "{error:?}");
    drop(cache);
    fs::write(folder.join("parts/half"), b"half").unwrap();
    // The last to be used, whatever the clock's resolution.
    let path = folder.join("blobs").join(names[0].to_string());
    let later = SystemTime::now() + Duration::from_secs(10);
    fs::File::open(path).unwrap().set_modified(later).unwrap();

    let cache = scene.cache(2500).await;
    assert!(scene.entries("parts").is_empty());
    assert_eq!(cache.used_bytes(), 2000);
    assert!(cache.contains(&names[0]));
    let before = scene.fetches();
    drop(get(&cache, &scene.store, names[0], 1000).await.unwrap());
    assert_eq!(scene.fetches(), before, "it was there");
}

#[tokio::test]
async fn the_beginning_that_an_earlier_process_left_is_gone_on_from() {
    let scene = Scene::new();
    let bytes = content(1, 1000);
    let sha256 = scene.put(&bytes);
    drop(scene.cache(2000).await);
    let parts = scene.folder.path().join("cache/parts");
    let part = parts.join(sha256.to_string());
    fs::write(&part, &bytes[..600]).unwrap();
    let cache = scene.cache(2000).await;
    assert_eq!(cache.used_bytes(), 600);
    let mut seen = Vec::new();
    let blob = cache
        .fetch(&scene.store, sha256, 1000, |done| {
            seen.push(done);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(fs::read(blob.path()).unwrap(), bytes);
    assert_eq!(scene.fetches(), 0, "no file was begun");
    assert_eq!(cache.usage().fetched_bytes, 400);
    assert_eq!(cache.used_bytes(), 1000);
}

#[tokio::test]
async fn a_beginning_that_is_damaged_is_fetched_anew() {
    let scene = Scene::new();
    let bytes = content(1, 1000);
    let sha256 = scene.put(&bytes);
    for wrong in [content(2, 600), content(2, 1000), content(1, 1001)] {
        let cache_folder = scene.folder.path().join("cache");
        drop(scene.cache(5000).await);
        let _ = fs::remove_file(cache_folder.join("blobs").join(sha256.to_string()));
        fs::write(cache_folder.join("parts").join(sha256.to_string()), wrong).unwrap();
        let cache = scene.cache(5000).await;
        let blob = get(&cache, &scene.store, sha256, 1000).await.unwrap();
        assert_eq!(fs::read(blob.path()).unwrap(), bytes);
        assert!(scene.entries("parts").is_empty());
    }
}

#[tokio::test]
async fn a_beginning_makes_room_for_others_as_a_whole_does() {
    let scene = Scene::new();
    let (half, other) = (content(1, 1000), content(2, 1000));
    let (half_name, other_name) = (scene.put(&half), scene.put(&other));
    drop(scene.cache(1500).await);
    let part = scene
        .folder
        .path()
        .join("cache/parts")
        .join(half_name.to_string());
    fs::write(part, &half[..600]).unwrap();
    let cache = scene.cache(1500).await;
    let held = get(&cache, &scene.store, other_name, 1000).await.unwrap();
    assert_eq!(cache.used_bytes(), 1000);
    assert!(scene.entries("parts").is_empty());
    let error = get(&cache, &scene.store, half_name, 1000).await.unwrap_err();
    assert!(matches!(error, FetchError::InUse { .. }), "{error:?}");
    let error = cache.expect_room(&[(half_name, 1000)]).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::InUse {
                in_use_bytes: 1000,
                ..
            }
        ),
        "{error:?}"
    );
    drop(held);
    cache.expect_room(&[(half_name, 1000)]).await.unwrap();
    let error = cache
        .expect_room(&[(half_name, 1000), (other_name, 1000)])
        .await
        .unwrap_err();
    assert!(
        matches!(error, FetchError::TooLarge { size_bytes: 2000, .. }),
        "{error:?}"
    );
    assert!(get(&cache, &scene.store, half_name, 1000).await.is_ok());
}

#[tokio::test]
async fn a_file_that_was_removed_or_cut_short_by_hand_is_fetched_anew() {
    let scene = Scene::new();
    let cache = scene.cache(10_000).await;
    let sha256 = scene.put(&content(1, 1000));
    let path = get(&cache, &scene.store, sha256, 1000)
        .await
        .unwrap()
        .path()
        .to_owned();
    fs::remove_file(&path).unwrap();
    drop(get(&cache, &scene.store, sha256, 1000).await.unwrap());
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"short").unwrap();
    let blob = get(&cache, &scene.store, sha256, 1000).await.unwrap();
    assert_eq!(fs::read(blob.path()).unwrap(), content(1, 1000));
    assert_eq!(cache.used_bytes(), 1000);
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let scene = Scene::new();
    let cache = scene.cache(u64::MAX).await;
    let error = get(&cache, &scene.store, Sha256::digest(b"x"), usize::MAX >> 1)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("bytes are needed"), "{error}");
    let sha256 = scene.put(&content(1, 1000));
    for step in ["create", "append", "sync", "rename", "sync folder"] {
        *scene.faults.refuse.lock().unwrap() = Some(step);
        let error = get(&cache, &scene.store, sha256, 1000).await.unwrap_err();
        let no_space =
            matches!(&error, FetchError::Store(error) if matches!(**error, StoreError::NoSpace { .. }));
        assert!(no_space, "{step}: {error:?}");
        assert_eq!(cache.used_bytes(), 0);
        assert!(scene.entries("parts").is_empty() && scene.entries("blobs").is_empty());
    }
    *scene.faults.refuse.lock().unwrap() = None;
    assert!(get(&cache, &scene.store, sha256, 1000).await.is_ok());
}

#[tokio::test]
async fn a_fetch_that_panics_is_an_error_and_not_a_wait_for_ever() {
    let scene = Scene::new();
    let cache = scene.cache(10_000).await;
    let sha256 = scene.put(&content(1, 1000));
    scene.faults.panic.store(true, Ordering::SeqCst);
    let error = get(&cache, &scene.store, sha256, 1000).await.unwrap_err();
    assert!(matches!(error, FetchError::Interrupted { .. }), "{error:?}");
    assert_eq!(cache.used_bytes(), 0);
    assert!(scene.entries("parts").is_empty());
    scene.faults.panic.store(false, Ordering::SeqCst);
    assert!(get(&cache, &scene.store, sha256, 1000).await.is_ok());
}

#[derive(Debug, Clone)]
enum Action {
    Get(usize),
    Hold(usize),
    Leave(usize),
    LetGo(usize),
    Reopen,
    Refuse(Option<&'static str>),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let step = proptest::sample::select(vec!["create", "append", "sync", "rename"]);
    let action = prop_oneof![
        4 => (0..8_usize).prop_map(Action::Get),
        3 => (0..8_usize).prop_map(Action::Hold),
        1 => (0..8_usize).prop_map(Action::Leave),
        2 => (0..8_usize).prop_map(Action::LetGo),
        1 => Just(Action::Reopen),
        1 => proptest::option::of(step).prop_map(Action::Refuse),
    ];
    proptest::collection::vec(action, 0..40)
}

/// Sizes of the blobs of the property test, of which about half fit.
const SIZES: [usize; 8] = [100, 200, 300, 400, 500, 600, 700, 1001];
const LIMIT: u64 = 1000;

async fn play(actions: Vec<Action>) {
    let scene = Scene::new();
    let names: Vec<_> = SIZES
        .iter()
        .zip(0..)
        .map(|(size, number)| scene.put(&content(number, *size)))
        .collect();
    let mut cache = scene.cache(LIMIT).await;
    let mut held: BTreeMap<usize, CachedBlob> = BTreeMap::new();
    let mut refusing = false;
    for action in actions {
        match action {
            Action::Get(at) | Action::Hold(at) => {
                let held_bytes: usize = held.keys().filter(|key| **key != at).map(|key| SIZES[*key]).sum();
                let fits = held_bytes + SIZES[at] <= 1000;
                let got = get(&cache, &scene.store, names[at], SIZES[at]).await;
                assert!(got.is_ok() <= fits, "{at} can't fit");
                assert!(got.is_ok() || !fits || refusing, "{at} fits: {got:?}");
                if let (Ok(blob), Action::Hold(_)) = (got, action) {
                    held.insert(at, blob);
                }
            }
            Action::Leave(at) => {
                let _ = cache
                    .fetch(&scene.store, names[at], SIZES[at] as u64, |_| {
                        ControlFlow::Break(())
                    })
                    .await;
                settled(&cache).await;
            }
            Action::LetGo(at) => drop(held.remove(&at)),
            Action::Reopen => {
                held.clear();
                drop(cache);
                cache = scene.cache(LIMIT).await;
            }
            Action::Refuse(step) => {
                refusing = step.is_some();
                *scene.faults.refuse.lock().unwrap() = step;
            }
        }
        let (blobs, parts) = (scene.entries("blobs"), scene.entries("parts"));
        assert_eq!(
            blobs.values().sum::<u64>() + parts.values().sum::<u64>(),
            cache.used_bytes(),
            "what is counted is what is there"
        );
        assert!(cache.used_bytes() <= LIMIT);
        let known: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
        assert!(blobs.keys().chain(parts.keys()).all(|name| known.contains(name)));
        assert!(
            !blobs.keys().any(|name| parts.contains_key(name)),
            "what is whole has no part"
        );
        for (at, blob) in &held {
            let bytes = fs::read(blob.path()).unwrap();
            assert_eq!(Sha256::digest(&bytes), names[*at], "what is held stays as it is");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_promises_hold_whatever_happens(actions in actions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(actions));
    }
}
