//! Sizes, disk space, bandwidth, progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rbee_download::{
    AnswerProblem, AvailableBytes, Bandwidth, DownloadConfig, DownloadError, Downloader, Progress,
};
use rbee_testkit::hub::{Fault, FaultRule, Host};
use tokio_util::sync::CancellationToken;

use crate::support::{Served, assert_resumable, client, downloader, fetch, names, quick};

#[tokio::test]
async fn absurd_sizes_are_refused_before_anything_is_written() {
    let served = Served::new(5000).await;
    let config = DownloadConfig {
        max_size_bytes: 4999,
        ..quick()
    };
    let small = downloader(&served.hub, config);
    let too_large = |error: &DownloadError| {
        matches!(
            error,
            DownloadError::TooLarge {
                size_bytes: 5000,
                limit_bytes: 4999,
                ..
            }
        )
    };
    let error = fetch(&small, &served.what()).await.unwrap_err();
    assert!(too_large(&error), "{error}");
    assert!(served.hub.hosts().requests().is_empty(), "not even asked for");
    let mut what = served.what();
    what.expected.size_bytes = None;
    let error = fetch(&small, &what).await.unwrap_err();
    assert!(too_large(&error), "{error}");
    // A body that tells no length is cut off at the limit.
    served.hub.hosts().faults().add(
        FaultRule::cdn()
            .with(Fault::EndAfter { bytes: 5000 })
            .with(Fault::IgnoreRange),
    );
    let error = fetch(&small, &what).await.unwrap_err();
    assert!(matches!(error, DownloadError::TooLarge { .. }), "{error}");
    served.hub.hosts().faults().clear();
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::LengthAbsurd));
    let error = fetch(&downloader(&served.hub, quick()), &served.what())
        .await
        .unwrap_err();
    let absurd = AnswerProblem::WrongSize {
        expected_bytes: 5000,
        declared_bytes: i64::MAX as u64,
    };
    assert!(
        matches!(&error, DownloadError::Answer { problem, .. } if *problem == absurd),
        "{error}"
    );
}

fn on_a_disk_of(served: &Served, available: AvailableBytes, config: DownloadConfig) -> Downloader {
    Downloader::new(
        client(&served.hub),
        config,
        Arc::new(Bandwidth::new(None)),
        available,
    )
}

#[tokio::test]
async fn a_full_disk_is_told_before_and_during() {
    let served = Served::new(1_000_000).await;
    let config = || DownloadConfig {
        keep_free_bytes: 1000,
        ..quick()
    };
    let little = AvailableBytes::by(|_| Ok(Some(1_000_999)));
    let error = fetch(&on_a_disk_of(&served, little, config()), &served.what())
        .await
        .unwrap_err();
    let DownloadError::DiskFull {
        needed_bytes,
        available_bytes,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((needed_bytes, available_bytes), (1_001_000, 1_000_999));
    assert!(served.hub.hosts().requests().is_empty());
    assert_eq!(names(served.folder.path()), [""; 0]);
    // Somebody else fills it meanwhile.
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let shrinking = {
        let left = Arc::clone(&left);
        AvailableBytes::by(move |_| Ok(Some(left.swap(10, Ordering::Relaxed))))
    };
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::StallAfter { bytes: 30_000 }));
    let error = fetch(&on_a_disk_of(&served, shrinking, config()), &served.what())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            DownloadError::DiskFull {
                available_bytes: 10,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        assert_resumable(served.folder.path(), &served.body.to_vec()),
        30_000
    );
    // Where it cannot be measured, the disk itself is the judge.
    served.hub.hosts().faults().clear();
    let unknown = AvailableBytes::by(|_| Ok(None));
    served
        .accept(
            fetch(&on_a_disk_of(&served, unknown, config()), &served.what())
                .await
                .unwrap(),
        )
        .await;
}

#[tokio::test]
async fn bandwidth_is_shared_and_progress_is_measured() {
    let served = Served::new(600_000).await;
    let bandwidth = Arc::new(Bandwidth::new(Some(1_000_000)));
    let plenty = AvailableBytes::by(|_| Ok(Some(u64::MAX)));
    let downloader = Downloader::new(client(&served.hub), quick(), bandwidth, plenty);
    let seen: Mutex<Vec<(Instant, Progress)>> = Mutex::default();
    let begun = Instant::now();
    let done = downloader
        .download(&served.what(), &CancellationToken::new(), &|progress| {
            seen.lock().unwrap().push((Instant::now(), progress));
        })
        .await
        .unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(450), "{took:?}");
    served.accept(done).await;
    let seen = seen.into_inner().unwrap();
    let (_, last) = seen.last().unwrap();
    assert_eq!((last.bytes, last.total_bytes), (600_000, Some(600_000)));
    // The last comes when it is done; all others a tenth of a second apart.
    let ticks = &seen[..seen.len() - 1];
    assert!(
        ticks
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 >= Duration::from_millis(80))
    );
    assert!(
        ticks.len() as u128 <= 2 + took.as_millis() / 100,
        "{}",
        ticks.len()
    );
    assert!(seen[0].1.bytes_per_second.is_none() && seen[0].1.eta.is_none());
    assert!(seen.windows(2).all(|pair| pair[0].1.bytes <= pair[1].1.bytes));
}

#[tokio::test]
async fn progress_of_a_stalled_download_has_no_estimate() {
    let served = Served::new(600_000).await;
    let mut what = served.what();
    what.expected.size_bytes = None;
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::StallAfter { bytes: 0 }));
    let seen: Mutex<Vec<Progress>> = Mutex::default();
    let config = quick();
    let result = downloader(&served.hub, config)
        .download(&what, &CancellationToken::new(), &|progress| {
            seen.lock().unwrap().push(progress);
        })
        .await;
    assert!(result.is_err());
    for progress in seen.into_inner().unwrap() {
        assert_eq!((progress.bytes, progress.eta), (0, None));
        // As soon as an answer told it.
        assert!([None, Some(600_000)].contains(&progress.total_bytes));
    }
    assert_eq!(served.hub.hosts().body_bytes(Host::Cdn), 0);
}

#[tokio::test]
async fn a_connection_that_only_drips_is_given_up_for_another() {
    let served = Served::new(100_000).await;
    let drip = Fault::Drip {
        bytes: 10,
        pause: Duration::from_millis(5),
    };
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().first(2).with(drip));
    let config = DownloadConfig {
        slow_after: Duration::from_millis(200),
        slow_bytes: 10_000,
        ..quick()
    };
    let begun = Instant::now();
    served
        .accept(
            fetch(&downloader(&served.hub, config), &served.what())
                .await
                .unwrap(),
        )
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "to its end it would take 50 s"
    );
    assert_eq!(served.hub.hosts().requests_to(Host::Cdn).len(), 3);
}
