//! The facts of Hugging Face.

use std::io::Read as _;

use flate2::read::GzDecoder;
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Repo, RepoFile, Token};
use rbee_testkit::hub::{FileBody, Host, git_blob_sha1};
use serde_json::{Value, json};

use crate::client::{Reply, bearer, follow, get, head, join};

const IDENTITY: (&str, &str) = ("accept-encoding", "identity");
const README: &str = "# tiny\nsmall small small small small small small small small small\n";

fn model() -> FileBody {
    FileBody::pattern(100_000, 1)
}

async fn hub(prefix: &str) -> HuggingFaceHub {
    let public = Repo::new("org/tiny")
        .previously("org/old")
        .license("apache-2.0")
        .tags(&["gguf"])
        .popularity(90, 4)
        .lfs("tiny.gguf", model())
        .small("README.md", FileBody::bytes(README))
        .small("odd/a b#c%d?e+f.txt", FileBody::bytes("odd"))
        .revision("refs/pr/1")
        .small("README.md", FileBody::bytes("pull request"));
    let gated = |id: &str, gated| Repo::new(id).gated(gated).lfs("m.gguf", model()).tags(&["gguf"]);
    let config = HuggingFaceConfig::of([
        public,
        gated("org/auto", Gated::Auto).popularity(80, 0),
        gated("org/manual", Gated::Manual).popularity(70, 0),
        Repo::new("org/hidden")
            .private()
            .tags(&["gguf"])
            .lfs("m.gguf", model()),
        Repo::new("bare").small("config.json", FileBody::bytes("{}")),
    ])
    .token(Token::new("member", &["org/auto", "org/hidden"]))
    .token(Token::new("nobody", &[]))
    .path_prefix(prefix);
    HuggingFaceHub::start(config).await
}

fn error(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.header("x-error-code"))
}

#[tokio::test]
async fn a_large_file_is_a_302_to_a_signed_address_and_three_names_for_its_state() {
    let hub = hub("").await;
    let url = format!("{}/org/tiny/resolve/main/tiny.gguf", hub.endpoint());
    for reply in [head(&url, &[IDENTITY]).await, get(&url, &[]).await] {
        assert_eq!(reply.status, 302);
        assert_eq!(
            reply.header("x-linked-etag"),
            Some(&*format!("\"{}\"", model().sha256()))
        );
        assert_eq!(reply.header("x-linked-size"), Some("100000"));
        assert_eq!(reply.header("x-repo-commit").map(str::len), Some(40));
        assert!(reply.location().starts_with(&hub.hosts().base(Host::Cdn)));
        let own_length: usize = reply.header("content-length").unwrap().parse().unwrap();
        assert!(own_length < 1000, "the redirect's own text");
    }
    let cdn = head(&url, &[]).await.location().to_owned();
    let whole = get(&cdn, &[]).await;
    assert_eq!((whole.status, whole.body), (200, model().to_vec()));
    let etag = head(&cdn, &[]).await.header("etag").unwrap().to_owned();
    assert_eq!(etag.len(), 66, "it looks like a SHA-256");
    assert!(!etag.contains(&model().sha256()));
    // Only that one is good for If-Range.
    let part = get(&cdn, &[("range", "bytes=99990-"), ("if-range", &etag)]).await;
    assert_eq!(
        (part.status, part.header("content-range")),
        (206, Some("bytes 99990-99999/100000"))
    );
    assert_eq!(part.body, model().to_vec()[99_990..]);
    let sha256 = format!("\"{}\"", model().sha256());
    assert_eq!(
        get(&cdn, &[("range", "bytes=9-"), ("if-range", &sha256)])
            .await
            .status,
        200
    );
    let behind = get(&cdn, &[("range", "bytes=100000-")]).await;
    assert_eq!(
        (behind.status, behind.header("content-range")),
        (416, Some("bytes */100000"))
    );
    assert_eq!(
        get(cdn.split('?').next().unwrap(), &[]).await.status,
        403,
        "unsigned"
    );
    hub.hosts().expire_signed_urls();
    let late = get(&cdn, &[]).await;
    assert_eq!(late.status, 403);
    assert!(late.text().contains("expired"));
    assert_eq!(follow(&url, &[]).await.status, 200, "asked again");
}

#[tokio::test]
async fn a_small_file_is_a_relative_307_below_the_prefix_with_gits_name() {
    let hub = hub("/mirror/hf").await;
    let url = format!("{}/org/tiny/resolve/main/README.md", hub.endpoint());
    let reply = head(&url, &[IDENTITY]).await;
    assert_eq!(reply.status, 307);
    assert!(
        reply.location().starts_with("/mirror/hf/api/resolve-cache/"),
        "{}",
        reply.location()
    );
    let cached = join(&url, reply.location());
    let file = get(&cached, &[IDENTITY]).await;
    let name = format!("\"{}\"", git_blob_sha1(README.as_bytes()));
    assert_eq!(
        (file.status, file.header("etag"), file.text()),
        (200, Some(&*name), README)
    );
    assert_eq!(file.header("x-repo-commit"), reply.header("x-repo-commit"));
    let part = get(&cached, &[IDENTITY, ("range", "bytes=2-5")]).await;
    assert_eq!((part.status, part.text()), (206, "tiny"));
    // With gzip accepted: no length, no ranges.
    let packed = get(
        &cached,
        &[("accept-encoding", "gzip, br"), ("range", "bytes=2-5")],
    )
    .await;
    assert_eq!(
        (packed.status, packed.header("content-encoding")),
        (200, Some("gzip"))
    );
    assert_eq!(packed.header("content-length"), None);
    assert_eq!(packed.header("etag"), Some(&*format!("W/{name}")));
    let mut text = String::new();
    GzDecoder::new(&packed.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, README);
    assert_eq!(get(&url.replace("/mirror/hf", ""), &[]).await.status, 404);
}

#[tokio::test]
async fn names_and_revisions_are_encoded_each_in_its_way() {
    let hub = hub("").await;
    let at = |rest: &str| format!("{}/{rest}", hub.endpoint());
    let odd = follow(&at("org/tiny/resolve/main/odd/a%20b%23c%25d%3Fe+f.txt"), &[]).await;
    assert_eq!(odd.text(), "odd");
    let pull = follow(&at("org/tiny/resolve/refs%2Fpr%2F1/README.md"), &[]).await;
    assert_eq!(pull.text(), "pull request");
    let raw = get(&at("org/tiny/resolve/refs/pr/1/README.md"), &[]).await;
    assert_eq!(error(&raw), (404, Some("RevisionNotFound")));
    assert_eq!(
        follow(&at("bare/resolve/main/config.json"), &[]).await.text(),
        "{}"
    );
    // By commit, which is what a download pins.
    let commit = head(&at("org/tiny/resolve/main/README.md"), &[]).await;
    let commit = commit.header("x-repo-commit").unwrap();
    let pinned = follow(&at(&format!("org/tiny/resolve/{commit}/README.md")), &[]).await;
    assert_eq!(pinned.text(), README);
    // A former name leads on, relatively.
    let moved = get(&at("org/old/resolve/main/README.md?download=true"), &[]).await;
    assert_eq!(
        (moved.status, moved.location()),
        (307, "/org/tiny/resolve/main/README.md?download=true")
    );
    let moved = get(&at("api/models/org/old?blobs=true"), &[]).await;
    assert_eq!(
        (moved.status, moved.location()),
        (307, "/api/models/org/tiny?blobs=true")
    );
}

#[tokio::test]
async fn refusals_say_what_they_may() {
    let hub = hub("").await;
    let (member, nobody, forged) = (bearer("member"), bearer("nobody"), bearer("forged"));
    let file = |id: &str| format!("{}/{id}/resolve/main/m.gguf", hub.endpoint());
    let page = |id: &str| format!("{}/api/models/{id}", hub.endpoint());
    let with = |token: &'static str| [("authorization", token)];
    let (member, nobody, forged) = (with(member.leak()), with(nobody.leak()), with(forged.leak()));
    // Missing and private look alike.
    for id in ["org/missing", "org/hidden"] {
        for url in [file(id), page(id)] {
            assert_eq!(error(&get(&url, &[]).await), (401, None), "{url}");
            assert_eq!(
                error(&get(&url, &nobody).await),
                (404, Some("RepoNotFound")),
                "{url}"
            );
        }
    }
    assert_eq!(get(&page("org/hidden"), &member).await.status, 200);
    assert_eq!(get(&file("org/hidden"), &member).await.status, 302);
    // A gated repository lists and doesn't serve.
    for (id, gated) in [("org/auto", "auto"), ("org/manual", "manual")] {
        assert_eq!(get(&page(id), &[]).await.json()["gated"], gated);
        assert_eq!(error(&get(&file(id), &[]).await), (401, Some("GatedRepo")));
        assert_eq!(error(&head(&file(id), &nobody).await), (403, Some("GatedRepo")));
    }
    assert_eq!(get(&file("org/auto"), &member).await.status, 302);
    assert_eq!(get(&page("org/tiny"), &[]).await.json()["gated"], false);
    // A token that nobody issued spoils even what is public.
    let spoilt = get(&page("org/tiny"), &forged).await;
    assert_eq!(spoilt.status, 401);
    assert_eq!(
        spoilt.header("x-error-message"),
        Some("Invalid credentials in Authorization header")
    );
    let missing = get(&format!("{}/org/tiny/resolve/main/none", hub.endpoint()), &[]).await;
    assert_eq!(error(&missing), (404, Some("EntryNotFound")));
}

#[tokio::test]
async fn accounts_mirrors_and_facts() {
    let repo = Repo::new("o/r")
        .license("mit")
        .fact("gguf", json!({ "architecture": "qwen2" }))
        .fact("cardData", json!({ "base_model": "a/b" }))
        .listing_names_only()
        .lfs("m.gguf", model());
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo]).token(Token::new("member", &[]))).await;
    let whoami = format!("{}/api/whoami-v2", hub.endpoint());
    let member = bearer("member");
    assert_eq!(
        get(&whoami, &[("authorization", &member)]).await.json()["name"],
        "somebody"
    );
    assert_eq!(get(&whoami, &[]).await.status, 401);
    let page = get(&format!("{}/api/models/o/r?blobs=true", hub.endpoint()), &[])
        .await
        .json();
    assert_eq!(page["gguf"]["architecture"], "qwen2");
    assert_eq!(page["cardData"], json!({ "base_model": "a/b", "license": "mit" }));
    assert_eq!(page["siblings"], json!([{ "rfilename": "m.gguf" }]));
}

#[tokio::test]
async fn listings_name_sizes_and_hashes() {
    let hub = hub("").await;
    let at = |rest: &str| format!("{}/api/models/org/tiny{rest}", hub.endpoint());
    let plain = get(&at(""), &[]).await.json();
    assert_eq!(plain["siblings"][0], json!({ "rfilename": "tiny.gguf" }));
    assert_eq!(plain["cardData"]["license"], "apache-2.0");
    let page = get(&at("?blobs=true"), &[]).await.json();
    let (large, small) = (&page["siblings"][0], &page["siblings"][1]);
    assert_eq!(large["lfs"]["sha256"], model().sha256());
    assert_eq!(
        (&large["size"], &large["lfs"]["size"]),
        (&json!(100_000), &json!(100_000))
    );
    assert_eq!(small["blobId"], git_blob_sha1(README.as_bytes()));
    assert_eq!(small.get("lfs"), None);
    assert_eq!(large["blobId"].as_str().unwrap().len(), 40, "of the pointer");
    let pull = get(&at("/revision/refs%2Fpr%2F1"), &[]).await.json();
    assert_ne!(pull["sha"], page["sha"]);
    assert_eq!(pull["siblings"].as_array().unwrap().len(), 1);

    let paths = |value: &Value| -> Vec<String> {
        let entries = value.as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let top = get(&at("/tree/main"), &[]).await.json();
    assert_eq!(paths(&top), ["README.md", "odd", "tiny.gguf"]);
    assert_eq!(top[1]["type"], "directory");
    assert_eq!(top[2]["lfs"]["oid"], model().sha256());
    let folder = get(&at("/tree/main/odd"), &[]).await.json();
    assert_eq!(paths(&folder), ["odd/a b#c%d?e+f.txt"]);
    assert_eq!(
        error(&get(&at("/tree/main/none"), &[]).await),
        (404, Some("EntryNotFound"))
    );
    let first = get(&at("/tree/main?recursive=true&limit=3"), &[]).await;
    assert_eq!(paths(&first.json()).len(), 3);
    let second = get(&next(&first), &[]).await;
    assert_eq!(paths(&second.json()), ["tiny.gguf"]);
    assert_eq!(second.header("link"), None);
}

#[tokio::test]
async fn a_hub_can_tell_a_size_and_a_hash_that_are_not_the_files() {
    let wrong = "0".repeat(64);
    let lie = RepoFile::lfs("m.gguf", model())
        .claiming_size(1 << 60)
        .claiming_sha256(&wrong);
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([Repo::new("o/r").file(lie)])).await;
    let page = get(&format!("{}/api/models/o/r?blobs=true", hub.endpoint()), &[])
        .await
        .json();
    assert_eq!(page["siblings"][0]["lfs"]["size"], 1_u64 << 60);
    let url = format!("{}/o/r/resolve/main/m.gguf", hub.endpoint());
    let reply = head(&url, &[]).await;
    assert_eq!(reply.header("x-linked-etag"), Some(&*format!("\"{wrong}\"")));
    assert_eq!(reply.header("x-linked-size"), Some("1152921504606846976"));
    assert_eq!(follow(&url, &[]).await.body, model().to_vec());
}

#[tokio::test]
async fn search_filters_sorts_and_pages() {
    let hub = hub("/mirror").await;
    let at = |query: &str| format!("{}/api/models?{query}", hub.endpoint());
    let ids = |reply: &Reply| -> Vec<String> {
        let items = reply.json();
        let items = items.as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = get(&at("filter=gguf&sort=downloads&limit=2"), &[]).await;
    assert_eq!(ids(&first), ["org/tiny", "org/auto"]);
    assert!(next(&first).starts_with(&hub.endpoint()), "{}", next(&first));
    let second = get(&next(&first), &[]).await;
    assert_eq!(ids(&second), ["org/manual"], "private ones stay hidden");
    assert_eq!(second.header("link"), None);
    let member = bearer("member");
    let seen = get(&at("search=HIDDEN"), &[("authorization", &member)]).await;
    assert_eq!(ids(&seen), ["org/hidden"]);
    assert_eq!(
        ids(&get(&at("filter=gguf&filter=other"), &[]).await),
        Vec::<String>::new()
    );
    assert_eq!(get(&at("cursor=nonsense"), &[]).await.status, 400);
}

/// The address behind `rel="next"`.
fn next(reply: &Reply) -> String {
    let link = reply.header("link").expect("another page");
    let (url, rel) = link.split_once(">; ").expect("a link and its meaning");
    assert_eq!(rel, "rel=\"next\"");
    url.trim_start_matches('<').to_owned()
}
