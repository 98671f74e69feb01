//! The client's calls.

use std::time::{Duration, Instant};

use rbee_download::http::{Ask, HttpError};
use rbee_testkit::hub::{Fault, FaultRule, Host, Wait};
use serde_json::Value;

use crate::support::{Served, client};

fn ask(served: &Served, path: &str) -> Ask {
    Ask::new(format!("{}{path}", served.hub.endpoint()).parse().unwrap())
}

#[tokio::test]
async fn json_and_what_is_not() {
    let served = Served::new(1000).await;
    let client = client(&served.hub);
    let model = ask(&served, "/api/models/o/r");
    let answer = client.json::<Value>(&model, 1 << 20).await.unwrap();
    assert_eq!(answer.value["id"], "o/r");
    assert_eq!(answer.url, *model.url());
    let error = client.json::<Value>(&model, 10).await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit_bytes: 10, .. }),
        "{error}"
    );
    let faults = served.hub.hosts().faults();
    faults.add(FaultRule::api().first(1).with(Fault::HtmlPage));
    let error = client.json::<Value>(&model, 1 << 20).await.unwrap_err();
    let HttpError::Page {
        content_type,
        excerpt,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(content_type, "text/html");
    assert!(excerpt.contains("Sign in"));
    let error = client.json::<Vec<u8>>(&model, 1 << 20).await.unwrap_err();
    assert!(matches!(error, HttpError::Json { .. }), "{error}");
    // Chunked and endless is bounded too.
    faults.clear();
    faults.add(FaultRule::api().with(Fault::EndAfter { bytes: 1 << 20 }));
    let error = client.json::<Value>(&model, 10).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn trouble_is_got_over_and_refusals_are_not() {
    let served = Served::new(1000).await;
    let client = client(&served.hub);
    let model = ask(&served, "/api/models/o/r");
    let faults = served.hub.hosts().faults();
    let status = |status, wait| Fault::Status { status, wait };
    for fault in [
        Fault::Reset,
        Fault::Close,
        Fault::DropAfter { bytes: 5 },
        Fault::StallAfter { bytes: 5 },
        Fault::Gzip,
        status(503, Wait::Unsaid),
        status(500, Wait::Unsaid),
    ] {
        faults.clear();
        faults.add(FaultRule::api().first(2).with(fault.clone()));
        client
            .json::<Value>(&model, 1 << 20)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
    for refused in [400, 401, 403, 404, 410, 501] {
        faults.clear();
        faults.add(FaultRule::api().with(status(refused, Wait::Unsaid)));
        let before = served.hub.hosts().requests().len();
        let error = client.json::<Value>(&model, 1 << 20).await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), refused);
        assert!(error.refusal().unwrap().json.is_some());
        assert_eq!(
            served.hub.hosts().requests().len(),
            before + 1,
            "{refused} is final"
        );
    }
}

#[tokio::test]
async fn waits_are_honoured_up_to_a_limit() {
    let served = Served::new(1000).await;
    let client = client(&served.hub);
    let model = ask(&served, "/api/models/o/r");
    let faults = served.hub.hosts().faults();
    let busy = |wait| Fault::Status { status: 429, wait };
    for wait in [Wait::RetryAfter("1".to_owned()), Wait::RateLimit { seconds: 1 }] {
        faults.clear();
        faults.add(FaultRule::api().first(1).with(busy(wait)));
        let begun = Instant::now();
        client.json::<Value>(&model, 1 << 20).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1));
    }
    faults.clear();
    faults.add(FaultRule::api().with(busy(Wait::RateLimit { seconds: 55 })));
    let begun = Instant::now();
    let error = client.json::<Value>(&model, 1 << 20).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1), "too long to wait for");
    assert_eq!(error.wait(), Some(Duration::from_secs(55)));
    assert!(error.to_string().contains("55 s"), "{error}");
}

#[tokio::test]
async fn probes_stop_where_another_host_begins() {
    let served = Served::new(1000).await;
    let client = client(&served.hub);
    let probe = client
        .probe(&ask(&served, "/o/r/resolve/main/f.gguf"))
        .await
        .unwrap();
    assert_eq!(probe.status.as_u16(), 302);
    assert_eq!(probe.headers["x-linked-size"], "1000");
    let location = probe.location.unwrap();
    assert!(location.as_str().starts_with(&served.hub.hosts().base(Host::Cdn)));
    assert!(served.hub.hosts().requests_to(Host::Cdn).is_empty());
    // A small file's redirect is relative, and followed.
    let probe = client
        .probe(&ask(&served, "/o/r/resolve/main/c.txt"))
        .await
        .unwrap();
    assert_eq!((probe.status.as_u16(), probe.location), (200, None));
    assert!(probe.url.path().starts_with("/api/resolve-cache/"));
    let error = client
        .probe(&ask(&served, "/o/r/resolve/main/none"))
        .await
        .unwrap_err();
    assert_eq!(error.refusal().unwrap().headers["x-error-code"], "EntryNotFound");
}

#[tokio::test]
async fn prefixes_of_files() {
    let served = Served::new(1000).await;
    let client = client(&served.hub);
    let right = served.body.to_vec();
    for path in ["/o/r/resolve/main/f.gguf", "/o/r/resolve/main/c.txt"] {
        for (asked, got) in [(10, 10), (1000, 1000), (5000, 1000)] {
            let prefix = client.prefix(&ask(&served, path), asked).await.unwrap();
            assert_eq!((prefix.total, &prefix.bytes[..]), (Some(1000), &right[..got]));
        }
    }
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::any().with(Fault::IgnoreRange));
    let prefix = client
        .prefix(&ask(&served, "/o/r/resolve/main/f.gguf"), 10)
        .await
        .unwrap();
    assert_eq!((prefix.total, &prefix.bytes[..]), (Some(1000), &right[..10]));
    let empty = Served::new(0).await;
    let prefix = client.prefix(&ask(&empty, "/o/r/resolve/main/f.gguf"), 10).await;
    let error = prefix.unwrap_err();
    assert!(
        matches!(error, HttpError::AddressRefused { .. }),
        "that hub was not configured: {error}"
    );
    let prefix = crate::support::client(&empty.hub)
        .prefix(&ask(&empty, "/o/r/resolve/main/f.gguf"), 10)
        .await;
    assert_eq!(prefix.unwrap().total, Some(0));
}
