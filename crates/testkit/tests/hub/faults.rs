//! Every fault, on a file whose right bytes are known.

use std::io::Read as _;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultKind, FaultRule, FileBody, Host, RandomFaults, Wait};

use crate::client::{Reply, ask, bearer, follow, get, head};

const SIZE: u64 = 50_000;

fn right() -> Vec<u8> {
    FileBody::pattern(SIZE, 4).to_vec()
}

/// A hub with one file, and the file's signed address.
async fn hub() -> (HuggingFaceHub, String) {
    let repo = Repo::new("o/r").lfs("f.gguf", FileBody::pattern(SIZE, 4));
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await;
    let resolve = format!("{}/o/r/resolve/main/f.gguf", hub.endpoint());
    let cdn = head(&resolve, &[]).await.location().to_owned();
    (hub, cdn)
}

/// What one GET of the file meets with these faults; afterwards the file is right again.
async fn spoilt(faults: &[Fault], headers: &[(&str, &str)]) -> Result<Reply, String> {
    let (hub, cdn) = hub().await;
    let rule = FaultRule::cdn().method("GET").first(1);
    let rule = faults.iter().fold(rule, |rule, fault| rule.with(fault.clone()));
    hub.hosts().faults().add(rule);
    let reply = ask("GET", &cdn, headers).await;
    assert_eq!(hub.hosts().requests_to(Host::Cdn)[0].faults, faults);
    assert_eq!(get(&cdn, &[]).await.body, right(), "only the first is spoilt");
    reply
}

#[tokio::test]
async fn no_answer_at_all() {
    assert!(spoilt(&[Fault::Reset], &[]).await.is_err());
    assert!(spoilt(&[Fault::Close], &[]).await.is_err());
}

#[tokio::test]
async fn bodies_that_break_off() {
    let dropped = spoilt(&[Fault::DropAfter { bytes: 20_000 }], &[]).await.unwrap();
    assert!(!dropped.whole && !dropped.stalled);
    assert_eq!(dropped.header("content-length"), Some("50000"));
    assert_eq!(dropped.body, right()[..20_000]);
    // A reset may take bytes with it that were under way.
    let reset = spoilt(&[Fault::ResetAfter { bytes: 20_000 }], &[]).await.unwrap();
    assert!(!reset.whole && !reset.stalled && right().starts_with(&reset.body));
    let stalled = spoilt(&[Fault::StallAfter { bytes: 20_000 }], &[]).await.unwrap();
    assert!(stalled.stalled);
    assert_eq!(stalled.body, right()[..20_000]);
    let short = spoilt(&[Fault::EndAfter { bytes: 20_000 }], &[]).await.unwrap();
    assert!(short.whole, "HTTP sees nothing wrong");
    assert_eq!((short.header("content-length"), short.body.len()), (None, 20_000));
    // Within a part, bytes count from the part's beginning.
    let part = [("range", "bytes=40000-")];
    let dropped = spoilt(&[Fault::DropAfter { bytes: 100 }], &part).await.unwrap();
    assert_eq!(
        (dropped.status, &dropped.body[..]),
        (206, &right()[40_000..40_100])
    );
}

#[tokio::test]
async fn wrong_lengths() {
    let short = spoilt(&[Fault::LengthShort { bytes: 1000 }], &[]).await.unwrap();
    assert!(short.whole);
    assert_eq!(short.body, right()[..49_000]);
    let long = spoilt(&[Fault::LengthLong { bytes: 1000 }], &[]).await.unwrap();
    assert_eq!(
        (long.whole, long.header("content-length")),
        (false, Some("51000"))
    );
    assert_eq!(long.body, right());
    let absurd = spoilt(&[Fault::LengthAbsurd], &[]).await.unwrap();
    assert_eq!(absurd.header("content-length"), Some("9223372036854775807"));
    assert!(!absurd.whole);
}

#[tokio::test]
async fn wrong_bytes() {
    let flipped = spoilt(&[Fault::FlipBit { at: 49_999 }], &[]).await.unwrap();
    let wrong: Vec<usize> = right()
        .iter()
        .zip(&flipped.body)
        .enumerate()
        .filter_map(|(at, (right, got))| (right != got).then_some(at))
        .collect();
    assert_eq!((flipped.whole, wrong), (true, vec![49_999]));
    // The offset is the file's, not the part's.
    let part = spoilt(&[Fault::FlipBit { at: 10 }], &[("range", "bytes=40000-")])
        .await
        .unwrap();
    assert_eq!(part.body, right()[40_000..]);
    let shifted = spoilt(&[Fault::ShiftRange { bytes: 3 }], &[("range", "bytes=100-199")])
        .await
        .unwrap();
    assert_eq!(
        (shifted.status, shifted.header("content-range")),
        (206, Some("bytes 103-202/50000"))
    );
    assert_eq!(shifted.body, right()[103..203]);
    let ignored = spoilt(&[Fault::IgnoreRange], &[("range", "bytes=100-199")])
        .await
        .unwrap();
    assert_eq!((ignored.status, ignored.body), (200, right()));
    let packed = spoilt(&[Fault::Gzip], &[("range", "bytes=100-199")])
        .await
        .unwrap();
    assert_eq!(
        (packed.status, packed.header("content-encoding")),
        (200, Some("gzip"))
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, right());
}

#[tokio::test]
async fn pages_in_place_of_the_file() {
    let page = spoilt(&[Fault::HtmlPage], &[]).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let page = spoilt(&[Fault::JsonPage], &[]).await.unwrap();
    assert!(page.json()["error"].is_string());
    let expired = spoilt(&[Fault::ExpiredSignature], &[]).await.unwrap();
    assert_eq!(expired.status, 403);
}

#[tokio::test]
async fn statuses_with_and_without_a_word_on_waiting() {
    let status = |status, wait| [Fault::Status { status, wait }];
    for code in [401, 403, 404, 410, 429, 500, 503] {
        let reply = spoilt(&status(code, Wait::Unsaid), &[]).await.unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (code, None));
    }
    let reply = spoilt(&status(503, Wait::RetryAfter("7".to_owned())), &[])
        .await
        .unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("7")));
    let (hub, _) = hub().await;
    let wait = Wait::RateLimit { seconds: 55 };
    let fault = Fault::Status { status: 429, wait };
    hub.hosts().faults().add(FaultRule::api().with(fault));
    let reply = get(&format!("{}/api/models/o/r", hub.endpoint()), &[]).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, None));
    assert_eq!(reply.header("ratelimit"), Some("\"resolvers\";r=0;t=55"));
    assert!(reply.json()["error"].is_string(), "in the hub's manner");
}

#[tokio::test]
async fn redirects_to_where_nobody_should_take_a_token() {
    let (hub, cdn) = hub().await;
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().nth(1).with(Fault::RedirectToForeignHost));
    let token = bearer("secret");
    let reply = follow(&cdn, &[("authorization", &token), ("user-agent", "careless/1")]).await;
    assert_eq!(reply.body.len(), 4096, "nonsense, well served");
    let seen = &hub.hosts().requests_to(Host::Foreign)[0];
    assert!(seen.authorization, "the careless client is caught");
    assert_eq!(seen.user_agent.as_deref(), Some("careless/1"));
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().nth(1).with(Fault::RedirectToForeignHost));
    hub.hosts().serve_at_foreign_host(FileBody::pattern(SIZE, 4));
    assert_eq!(follow(&cdn, &[]).await.body, right());
    assert!(!hub.hosts().requests_to(Host::Foreign)[1].authorization);

    let location = format!("{}/elsewhere", hub.hosts().base(Host::Api));
    hub.hosts().faults().clear();
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().nth(1).with(Fault::RedirectTo {
            location: location.clone(),
        }));
    assert_eq!(get(&cdn, &[]).await.location(), location);
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().nth(1).with(Fault::RedirectLoop));
    let mut at = cdn;
    for _ in 0..5 {
        let reply = get(&at, &[]).await;
        assert_eq!(reply.status, 302);
        at = crate::client::join(&at, reply.location());
    }
}

#[tokio::test]
async fn a_slow_body_is_slow_and_faults_combine() {
    let pause = Duration::from_millis(5);
    let faults = [
        Fault::Drip { bytes: 1000, pause },
        Fault::FlipBit { at: 0 },
        Fault::DropAfter { bytes: 10_000 },
    ];
    let begun = Instant::now();
    let reply = spoilt(&faults, &[]).await.unwrap();
    assert!(begun.elapsed() >= pause * 10);
    assert!(!reply.whole);
    assert_eq!(
        (reply.body[0], &reply.body[1..]),
        (right()[0] ^ 1, &right()[1..10_000])
    );
}

#[tokio::test]
async fn faults_at_random_end_and_are_all_in_the_log() {
    let (hub, cdn) = hub().await;
    hub.hosts().faults().randomise(RandomFaults {
        seed: 11,
        percent: 100,
        most_per_path: 20,
        size_bytes: SIZE,
        kinds: FaultKind::ALL
            .into_iter()
            .filter(|kind| *kind != FaultKind::StallAfter)
            .collect(),
    });
    for _ in 0..20 {
        // Whatever it is, it is an answer or an error, never a hang.
        if let Ok(reply) = ask("GET", &cdn, &[]).await {
            assert!(!reply.stalled);
        }
    }
    assert_eq!(get(&cdn, &[]).await.body, right());
    let seen = hub.hosts().requests_to(Host::Cdn);
    let spoilt = seen.iter().filter(|request| !request.faults.is_empty());
    assert_eq!((seen.len(), spoilt.count()), (21, 20));
}
