//! A hub that is not there, and what the log keeps of one that is.

use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};

use crate::client::{ask, follow, get, head};

async fn hub() -> (HuggingFaceHub, String) {
    let repo = Repo::new("o/r").lfs("f.gguf", FileBody::pattern(9000, 1));
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await;
    let url = format!("{}/o/r/resolve/main/f.gguf", hub.endpoint());
    (hub, url)
}

#[tokio::test]
async fn a_server_goes_down_and_comes_back_where_it_was() {
    let (hub, url) = hub().await;
    let cdn = head(&url, &[]).await.location().to_owned();
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().nth(1).with(Fault::StallAfter { bytes: 10 }));
    let cut = tokio::spawn({
        let cdn = cdn.clone();
        async move { get(&cdn, &[]).await }
    });
    while hub.hosts().body_bytes(Host::Cdn) < 10 {
        tokio::task::yield_now().await;
    }
    hub.hosts().go_down(Host::Cdn).await;
    let cut = cut.await.unwrap();
    assert!(!cut.whole && !cut.stalled, "open connections close");
    let refused = ask("GET", &cdn, &[]).await.unwrap_err();
    assert!(refused.to_lowercase().contains("refused"), "{refused}");
    assert_eq!(head(&url, &[]).await.status, 302, "the API is still there");
    hub.hosts().come_back(Host::Cdn).await;
    assert_eq!(get(&cdn, &[]).await.body.len(), 9000);
}

#[tokio::test]
async fn the_log_keeps_what_was_asked_and_counts_what_was_sent() {
    let (hub, url) = hub().await;
    let headers = [
        ("authorization", "Bearer s3cret"),
        ("range", "bytes=8000-"),
        ("if-range", "\"x\""),
        ("user-agent", "rbee/0.1"),
    ];
    assert_eq!(
        head(&format!("{url}?a=b"), &headers).await.status,
        401,
        "nobody issued that token"
    );
    follow(&url, &[("range", "bytes=8000-")]).await;
    let log = hub.hosts().requests();
    assert_eq!((log[0].method.as_str(), log[0].query.as_str()), ("HEAD", "a=b"));
    assert_eq!(log[0].path, "/o/r/resolve/main/f.gguf");
    assert_eq!(log[0].range.as_deref(), Some("bytes=8000-"));
    assert_eq!(log[0].if_range.as_deref(), Some("\"x\""));
    assert_eq!(log[0].user_agent.as_deref(), Some("rbee/0.1"));
    assert_eq!(
        (log[0].authorization, log[0].status, log[0].body_bytes),
        (true, Some(401), 0)
    );
    assert!(!format!("{log:?}").contains("s3cret"));
    assert_eq!(
        (log[2].host, log[2].status, log[2].body_bytes),
        (Host::Cdn, Some(206), 1000)
    );
    assert_eq!(hub.hosts().body_bytes(Host::Cdn), 1000);
}
