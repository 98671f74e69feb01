//! Each way to misbehave, on the way to the file: once, and it is got over; for ever, and it is told.

use std::time::Duration;

use rbee_download::http::HttpError;
use rbee_download::{AnswerProblem, DownloadError, Expected};
use rbee_testkit::hub::{Fault, FaultKind, FaultRule, FileBody, Host, Wait};

use crate::support::{Served, assert_resumable, downloader, fetch, names, quick};

const SIZE: u64 = 50_000;

/// A fault of each kind, with numbers that hurt.
fn example(kind: FaultKind) -> Fault {
    let status = |status| Fault::Status {
        status,
        wait: Wait::Unsaid,
    };
    let bytes = 20_000;
    match kind {
        FaultKind::Reset => Fault::Reset,
        FaultKind::Close => Fault::Close,
        FaultKind::DropAfter => Fault::DropAfter { bytes },
        FaultKind::ResetAfter => Fault::ResetAfter { bytes },
        FaultKind::EndAfter => Fault::EndAfter { bytes },
        FaultKind::StallAfter => Fault::StallAfter { bytes },
        FaultKind::Drip => Fault::Drip {
            bytes: 5000,
            pause: Duration::from_millis(2),
        },
        FaultKind::IgnoreRange => Fault::IgnoreRange,
        FaultKind::ShiftRange => Fault::ShiftRange { bytes: 3 },
        FaultKind::LengthShort => Fault::LengthShort { bytes: 1000 },
        FaultKind::LengthLong => Fault::LengthLong { bytes: 1000 },
        FaultKind::LengthAbsurd => Fault::LengthAbsurd,
        FaultKind::FlipBit => Fault::FlipBit { at: 30_000 },
        FaultKind::TooManyRequests => Fault::Status {
            status: 429,
            wait: Wait::RateLimit { seconds: 1 },
        },
        FaultKind::ServerError => status(503),
        FaultKind::Unauthorized => status(401),
        FaultKind::Forbidden => status(403),
        FaultKind::NotFound => status(404),
        FaultKind::Gone => status(410),
        FaultKind::RedirectToForeignHost => Fault::RedirectToForeignHost,
        FaultKind::RedirectLoop => Fault::RedirectLoop,
        FaultKind::ExpiredSignature => Fault::ExpiredSignature,
        FaultKind::Gzip => Fault::Gzip,
        FaultKind::HtmlPage => Fault::HtmlPage,
        FaultKind::JsonPage => Fault::JsonPage,
    }
}

/// What is never got over by trying again: the answer to a fault that happens once.
fn is_told_at_once(kind: FaultKind, host: Host) -> bool {
    match kind {
        FaultKind::RedirectLoop | FaultKind::HtmlPage | FaultKind::JsonPage => true,
        // At the CDN it may be the signature.
        kind if kind.is_refusal() || kind == FaultKind::ExpiredSignature => host == Host::Api,
        _ => false,
    }
}

#[tokio::test]
async fn once_at_the_cdn() {
    for kind in FaultKind::ALL {
        once(kind, Host::Cdn).await;
    }
}

#[tokio::test]
async fn once_at_the_api() {
    for kind in FaultKind::ALL {
        once(kind, Host::Api).await;
    }
}

async fn once(kind: FaultKind, host: Host) {
    let served = Served::new(SIZE).await;
    let rule = match host {
        Host::Api => FaultRule::api(),
        _ => FaultRule::cdn(),
    };
    served.hub.hosts().faults().add(rule.first(1).with(example(kind)));
    let downloader = downloader(&served.hub, quick());
    match fetch(&downloader, &served.what()).await {
        Ok(done) => {
            assert!(!is_told_at_once(kind, host), "{kind:?} at {host:?}");
            served.accept(done).await;
        }
        Err(error) => {
            assert!(is_told_at_once(kind, host), "{kind:?} at {host:?}: {error}");
            assert_eq!(
                names(served.folder.path()),
                [""; 0],
                "nothing came, nothing is left"
            );
        }
    }
    let foreign = served.hub.hosts().requests_to(Host::Foreign);
    assert!(foreign.iter().all(|request| !request.authorization));
}

/// After half of the file, then for ever: the right error, and what came before is kept.
#[tokio::test]
async fn for_ever_on_resume() {
    for kind in FaultKind::ALL {
        let served = Served::new(SIZE).await;
        let faults = served.hub.hosts().faults();
        faults.add(FaultRule::cdn().first(1).with(Fault::DropAfter { bytes: 25_000 }));
        faults.add(FaultRule::cdn().from_nth(2).with(example(kind)));
        let downloader = downloader(&served.hub, quick());
        let result = fetch(&downloader, &served.what()).await;
        let right = served.body.to_vec();
        match (kind, result) {
            // These do no harm, or let every attempt come further.
            (
                FaultKind::Drip
                | FaultKind::IgnoreRange
                | FaultKind::DropAfter
                | FaultKind::ResetAfter
                | FaultKind::EndAfter
                | FaultKind::StallAfter,
                Ok(done),
            ) => served.accept(done).await,
            (FaultKind::FlipBit, Err(DownloadError::Corrupt { expected, found, .. })) => {
                assert_ne!(expected, found);
                assert_eq!(names(served.folder.path()), [""; 0], "a wrong file is not kept");
            }
            // The whole file again, with its length contradicted or its bytes compressed; or a stranger's.
            (_, Err(error)) => {
                check(kind, &error);
                assert_resumable(served.folder.path(), &right);
            }
            (_, Ok(_)) => panic!("{kind:?} for ever cannot end well"),
        }
        // Once the hub behaves, the same download ends well, whatever lay there.
        faults.clear();
        served
            .accept(fetch(&downloader, &served.what()).await.unwrap())
            .await;
    }
}

/// Whether the error is the one that tells what happened.
fn check(kind: FaultKind, error: &DownloadError) {
    let http = |error: &DownloadError| match error {
        DownloadError::Http(error) => Some(error.status().map_or(0, |status| status.as_u16())),
        _ => None,
    };
    let fits = match kind {
        FaultKind::Reset | FaultKind::Close => {
            matches!(
                error,
                DownloadError::Http(HttpError::Broken { .. } | HttpError::Connect { .. })
            )
        }
        FaultKind::ShiftRange => matches!(
            error,
            DownloadError::Answer {
                problem: AnswerProblem::WrongRange { asked: 25_000, .. },
                ..
            }
        ),
        FaultKind::LengthShort | FaultKind::LengthLong | FaultKind::LengthAbsurd => matches!(
            error,
            DownloadError::Answer {
                problem: AnswerProblem::WrongLength { .. },
                ..
            }
        ),
        FaultKind::TooManyRequests => http(error) == Some(429),
        FaultKind::ServerError => http(error) == Some(503),
        FaultKind::Unauthorized => http(error) == Some(401),
        FaultKind::Forbidden | FaultKind::ExpiredSignature => http(error) == Some(403),
        FaultKind::NotFound => http(error) == Some(404),
        FaultKind::Gone => http(error) == Some(410),
        // The stranger serves another file.
        FaultKind::RedirectToForeignHost => {
            matches!(error, DownloadError::Answer { .. } | DownloadError::Http(_))
        }
        FaultKind::RedirectLoop => {
            matches!(error, DownloadError::Http(HttpError::TooManyRedirects { .. }))
        }
        FaultKind::Gzip => matches!(error, DownloadError::Http(HttpError::Encoded { .. })),
        FaultKind::HtmlPage | FaultKind::JsonPage => {
            matches!(error, DownloadError::Http(HttpError::Page { .. }))
        }
        _ => false,
    };
    assert!(fits, "{kind:?}: {error:?}");
    let text = error.to_string();
    assert!(!text.contains("Signature=") && !text.contains('?'), "{text}");
}

#[tokio::test]
async fn without_a_size_or_a_digest_answers_still_have_to_agree() {
    for kind in FaultKind::ALL {
        // Nothing can tell a flipped bit or a stranger's file then; a body cut in good order says it is whole.
        if [
            FaultKind::FlipBit,
            FaultKind::RedirectToForeignHost,
            FaultKind::LengthShort,
        ]
        .contains(&kind)
        {
            continue;
        }
        let served = Served::new(SIZE).await;
        let faults = served.hub.hosts().faults();
        faults.add(FaultRule::cdn().first(1).with(example(kind)));
        let mut what = served.what();
        what.expected = Expected::default();
        match fetch(&downloader(&served.hub, quick()), &what).await {
            Ok(done) => served.accept(done).await,
            Err(error) => assert!(is_told_at_once(kind, Host::Cdn), "{kind:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn small_files_by_their_git_name() {
    let served = Served::new(SIZE).await;
    let downloader = downloader(&served.hub, quick());
    served
        .accept(fetch(&downloader, &served.small()).await.unwrap())
        .await;
    // The relative redirect went back to the API.
    assert!(served.hub.hosts().requests_to(Host::Cdn).is_empty());
    let asked = served.hub.hosts().requests();
    assert!(
        asked
            .iter()
            .all(|request| request.accept_encoding.as_deref() == Some("identity"))
    );
    served.hub.hosts().faults().add(
        FaultRule::api()
            .path("resolve-cache")
            .with(Fault::FlipBit { at: 9 }),
    );
    let error = fetch(&downloader, &served.small()).await.unwrap_err();
    let DownloadError::Corrupt { expected, found, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(expected.to_string().starts_with("git-blob-sha1:") && expected != found);
}

#[tokio::test]
async fn an_empty_file_and_one_byte() {
    for size in [0, 1] {
        for known in [true, false] {
            let served = Served::new(size).await;
            let mut what = served.what();
            if !known {
                what.expected.size_bytes = None;
            }
            served
                .accept(fetch(&downloader(&served.hub, quick()), &what).await.unwrap())
                .await;
        }
    }
}

#[tokio::test]
async fn json_is_a_file_only_if_it_was_to_be_one() {
    let served = Served::new(10).await;
    let page = || FaultRule::cdn().first(1).with(Fault::JsonPage);
    served.hub.hosts().faults().add(page());
    let mut what = served.what();
    what.expected = Expected::default();
    let downloader = downloader(&served.hub, quick());
    let refused = fetch(&downloader, &what).await.unwrap_err();
    assert!(
        matches!(refused, DownloadError::Http(HttpError::Page { .. })),
        "{refused}"
    );
    // The same under a harmless type, as object stores give everything.
    let disguised = FileBody::bytes("{\"error\": \"no such thing\"}");
    served.hub.hosts().serve_at_foreign_host(disguised);
    served.hub.hosts().faults().clear();
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::RedirectToForeignHost));
    let refused = fetch(&downloader, &what).await.unwrap_err();
    assert!(
        matches!(refused, DownloadError::Http(HttpError::Page { .. })),
        "{refused}"
    );
    assert_eq!(names(served.folder.path()), [""; 0]);
    what.expected.text = true;
    fetch(&downloader, &what).await.unwrap();
}
