//! Several connections for one file.

use rbee_download::DownloadConfig;
use rbee_testkit::hub::{Fault, FaultRule, Host};
use tokio_util::sync::CancellationToken;

use crate::support::{Served, assert_resumable, downloader, fetch, quick};

const SIZE: u64 = 3_000_000;

fn parallel() -> DownloadConfig {
    DownloadConfig {
        connections_on_own_network: 4,
        parallel_above_bytes: 1_000_000,
        chunk_bytes: 250_000,
        ..quick()
    }
}

#[tokio::test]
async fn every_byte_once_in_chunks_after_one_redirect() {
    for known in [true, false] {
        let served = Served::new(SIZE).await;
        let mut what = served.what();
        if !known {
            what.expected.size_bytes = None;
        }
        served
            .accept(fetch(&downloader(&served.hub, parallel()), &what).await.unwrap())
            .await;
        let hosts = served.hub.hosts();
        assert_eq!(hosts.requests_to(Host::Api).len(), 1);
        assert_eq!(hosts.requests_to(Host::Cdn).len(), 12);
        assert_eq!(hosts.body_bytes(Host::Cdn), SIZE);
    }
}

#[tokio::test]
async fn one_connection_on_ones_own_network() {
    let served = Served::new(SIZE).await;
    let config = DownloadConfig {
        connections_on_own_network: 1,
        ..parallel()
    };
    served
        .accept(
            fetch(&downloader(&served.hub, config), &served.what())
                .await
                .unwrap(),
        )
        .await;
    let ranges: Vec<_> = served.hub.hosts().requests_to(Host::Cdn);
    let starts: Vec<_> = ranges
        .iter()
        .map(|request| request.range.clone().unwrap())
        .collect();
    let expected: Vec<_> = (0..12)
        .map(|at| format!("bytes={}-{}", at * 250_000, (at + 1) * 250_000 - 1))
        .collect();
    assert_eq!(starts, expected, "one after the other");
}

#[tokio::test]
async fn connections_that_break_and_one_that_ignores_ranges() {
    let faults = [
        Fault::DropAfter { bytes: 100_000 },
        Fault::ResetAfter { bytes: 1 },
        Fault::IgnoreRange,
        Fault::ShiftRange { bytes: 9 },
        Fault::ExpiredSignature,
        Fault::Reset,
    ];
    for fault in faults {
        let served = Served::new(SIZE).await;
        for nth in [2, 5, 6] {
            served
                .hub
                .hosts()
                .faults()
                .add(FaultRule::cdn().nth(nth).with(fault.clone()));
        }
        served
            .accept(
                fetch(&downloader(&served.hub, parallel()), &served.what())
                    .await
                    .unwrap(),
            )
            .await;
    }
}

#[tokio::test]
async fn what_was_written_ahead_is_resumed_too() {
    let served = Served::new(SIZE).await;
    // The first chunk stalls while the others come.
    let stall = FaultRule::cdn().first(1).with(Fault::StallAfter { bytes: 1000 });
    served.hub.hosts().faults().add(stall);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let cancelled = downloader(&served.hub, parallel())
        .download(&served.what(), &cancel, &move |progress| {
            if progress.bytes > SIZE - 250_000 {
                stop.cancel();
            }
        })
        .await;
    assert!(cancelled.is_err());
    let claimed = assert_resumable(served.folder.path(), &served.body.to_vec());
    assert_eq!(claimed, SIZE - 249_000);
    let done = fetch(&downloader(&served.hub, parallel()), &served.what())
        .await
        .unwrap();
    assert_eq!(done.resumed_bytes, claimed);
    served.accept(done).await;
    let last = served.hub.hosts().requests_to(Host::Cdn).pop().unwrap();
    assert_eq!(last.range.as_deref(), Some("bytes=1000-249999"));
}
