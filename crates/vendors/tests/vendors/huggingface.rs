//! The facts of Hugging Face.

use rbee_artifacts::ModelType;
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Repo, RepoFile, Token};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host, Wait, git_blob_sha1};
use rbee_vendors::{FileDigest, Gate, Machine, Resolution, VendorSource as _};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{hugging_face, refused, resolve, told};

fn weights() -> FileBody {
    FileBody::pattern(5000, 1)
}

const INDEX: &str =
    r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;

fn sharded(id: &str) -> Repo {
    Repo::new(id)
        .small("config.json", FileBody::bytes("{}"))
        .small("tokenizer.json", FileBody::bytes("{}"))
        .small("model.safetensors.index.json", FileBody::bytes(INDEX))
        .lfs("model-00001-of-00002.safetensors", weights())
        .lfs("model-00002-of-00002.safetensors", FileBody::pattern(7000, 2))
        .lfs("pytorch_model.bin", weights())
}

async fn hub(prefix: &str) -> HuggingFaceHub {
    let tiny = Repo::new("org/tiny")
        .previously("old/tiny")
        .license("apache-2.0")
        .fact(
            "gguf",
            json!({ "architecture": "qwen2", "context_length": 32768 }),
        )
        .fact("pipeline_tag", json!("text-generation"))
        .fact(
            "cardData",
            json!({ "base_model": "org/base", "thumbnail": "https://pictures/tiny.png" }),
        )
        .small("README.md", FileBody::bytes("tiny"))
        .lfs("tiny-Q4_K_M.gguf", weights())
        .lfs("tiny-Q8_0.gguf", FileBody::pattern(9000, 3))
        .revision("refs/pr/1")
        .lfs("odd/a b#c%d?e+f-Q4_K_M.gguf", weights());
    let secret = |id: &str| Repo::new(id).lfs("m.gguf", weights());
    let config = HuggingFaceConfig::of([
        tiny,
        sharded("org/llm").fact("config", json!({ "model_type": "llama" })),
        sharded("org/gated-llm").gated(Gated::Auto),
        secret("org/manual").gated(Gated::Manual),
        secret("org/hidden").private(),
        secret("org/names")
            .listing_names_only()
            .small("x.json", FileBody::bytes("{}")),
        sharded("org/mirrored").listing_names_only(),
        Repo::new("org/lies").file(RepoFile::lfs("m.gguf", weights()).claiming_size(1 << 60)),
        Repo::new("org/evil").lfs("../../evil.gguf", weights()),
        Repo::new("org/disabled").fact("disabled", json!(true)),
        Repo::new("org/impostor").fact("id", json!("org/impostor:x")),
    ])
    .token(Token::new(
        "member",
        &["org/manual", "org/hidden", "org/gated-llm"],
    ))
    .token(Token::new("nobody", &[]))
    .path_prefix(prefix);
    HuggingFaceHub::start(config).await
}

#[tokio::test]
async fn a_repository_of_gguf_files_becomes_one_file_at_a_commit() {
    let hub = hub("/mirror/hf").await;
    let source = hugging_face(&hub, None);
    let resolution = resolve(&source, "org/tiny").await.unwrap().accessible().unwrap();
    assert_eq!(resolution.id.as_str(), "org/tiny:tiny-Q4_K_M.gguf");
    assert_eq!(
        (resolution.name.as_str(), resolution.gate),
        ("tiny-Q4_K_M", Gate::Open)
    );
    let commit = resolution.commit.clone().unwrap();
    assert_eq!(commit.len(), 40);
    let file = &resolution.files[0];
    assert_eq!(
        file.url.as_str(),
        format!("{}/org/tiny/resolve/{commit}/tiny-Q4_K_M.gguf", hub.endpoint())
    );
    assert_eq!(
        (file.name.as_str(), file.size_bytes, file.is_text),
        ("tiny-Q4_K_M.gguf", Some(5000), false)
    );
    assert_eq!(
        file.digest,
        FileDigest::Sha256(weights().sha256().parse().unwrap())
    );
    assert_eq!(resolution.size_bytes(), Some(5000));
    assert_eq!(resolution.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(resolution.quantization.as_deref(), Some("Q4_K_M"));
    let architecture = "qwen2".to_owned();
    assert_eq!(resolution.model_type, Some(ModelType::Llm { architecture }));
    assert_eq!(resolution.alternatives[0].id.as_str(), "org/tiny:tiny-Q8_0.gguf");
    assert_eq!(resolution.alternatives[0].size_bytes, Some(9000));
    assert!(resolution.choice.contains("Q4_K_M"), "{}", resolution.choice);
    assert_eq!(resolution.claim.format.as_deref(), Some("GGUF"));
    assert_eq!(resolution.page_url, format!("{}/org/tiny", hub.endpoint()));
    assert_eq!(resolution.thumbnails, ["https://pictures/tiny.png"]);
    for (fact, value) in [
        ("license", "apache-2.0"),
        ("base_model", "org/base"),
        ("vendor.commit", &*commit),
    ] {
        assert_eq!(resolution.metadata[fact], value);
    }
    // One question was enough, and it was asked properly.
    let asked = hub.hosts().requests();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].user_agent.as_deref().unwrap().starts_with("rbee/"));
    assert_eq!(asked[0].accept_encoding.as_deref(), Some("identity"));
}

#[tokio::test]
async fn all_ways_to_ask_come_out_at_one_id() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    for asked in [
        "org/tiny",
        "hf:org/tiny",
        "org/tiny@main",
        "org/tiny:tiny-Q4_K_M.gguf",
        "org/tiny:Q4_K_M",
        "old/tiny",
        "old/tiny@main:q4_k_m",
    ] {
        let resolution = resolve(&source, asked).await.unwrap();
        assert_eq!(resolution.id.as_str(), "org/tiny:tiny-Q4_K_M.gguf", "{asked}");
        assert!(
            resolution.files[0].url.path().starts_with("/org/tiny/"),
            "{asked}"
        );
    }
    for asked in ["org/llm", "org/llm:model-00002-of-00002.safetensors"] {
        assert_eq!(resolve(&source, asked).await.unwrap().id.as_str(), "org/llm");
    }
    // The machine decides.
    let small = Machine {
        memory_bytes: None,
        disk_available_bytes: Some(4000),
    };
    let none_fits = source
        .resolve(&"org/tiny".parse().unwrap(), &small)
        .await
        .unwrap();
    assert!(none_fits.choice.contains("none fits"), "{}", none_fits.choice);
}

#[tokio::test]
async fn revisions_with_slashes_and_names_with_everything() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    let resolution = resolve(&source, "org/tiny@refs/pr/1").await.unwrap();
    assert_eq!(
        resolution.id.as_str(),
        "org/tiny@refs/pr/1:odd/a b#c%d?e+f-Q4_K_M.gguf"
    );
    assert_eq!(resolution.metadata["vendor.revision"], "refs/pr/1");
    let file = &resolution.files[0];
    assert_eq!(file.name.as_str(), "a b#c%d?e+f-Q4_K_M.gguf");
    assert!(
        file.url
            .path()
            .ends_with("/odd/a%20b%23c%25d%3Fe%2Bf-Q4_K_M.gguf"),
        "{}",
        file.url
    );
    assert_eq!(file.url.query(), None);
    assert!(
        hub.hosts().requests()[0]
            .path
            .ends_with("/revision/refs%2Fpr%2F1")
    );
    let prefix = rbee_download::http::HttpClient::new(rbee_download::http::HttpConfig {
        trusted: vec![hub.endpoint().parse().unwrap()],
        ..Default::default()
    })
    .unwrap()
    .prefix(&source.location(&file.url).unwrap(), 9)
    .await
    .unwrap();
    assert_eq!(
        prefix.bytes,
        weights().to_vec()[..9],
        "the address leads to the file"
    );
    let again = resolve(&source, resolution.id.as_str()).await.unwrap();
    assert_eq!(again.id, resolution.id);
}

#[tokio::test]
async fn a_sharded_model_is_read_from_its_index_at_the_pinned_commit() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    let resolution = resolve(&source, "org/llm").await.unwrap();
    let names: Vec<&str> = resolution.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "config.json",
            "tokenizer.json",
        ]
    );
    let architecture = "llama".to_owned();
    assert_eq!(resolution.model_type, Some(ModelType::Llm { architecture }));
    let index = &resolution.files[2];
    assert!(index.is_text);
    assert_eq!(index.digest, FileDigest::GitSha1(git_blob_sha1(INDEX.as_bytes())));
    let asked = hub.hosts().requests();
    let commit = resolution.commit.unwrap();
    assert!(
        asked[1].path.contains(&format!("/resolve/{commit}/")),
        "{}",
        asked[1].path
    );
    assert_eq!(
        hub.hosts().requests_to(Host::Cdn).len(),
        0,
        "no model file is touched"
    );
}

#[tokio::test]
async fn gated_repositories_say_so_and_open_to_those_who_may() {
    let hub = hub("").await;
    for (id, gate) in [("org/gated-llm", Gate::Automatic), ("org/manual", Gate::Manual)] {
        for token in [None, Some("nobody")] {
            let source = hugging_face(&hub, token);
            let resolution = resolve(&source, id).await.unwrap();
            assert_eq!(resolution.gate, gate);
            assert!(!resolution.files.is_empty(), "the listing is public");
            let (reason, words) = told(resolution.refusal.as_ref().unwrap());
            assert_eq!(reason, "MODEL_GATED");
            let page = format!("{}/{id}", hub.endpoint());
            assert!(
                words.contains(&page) && words.contains("rbee login hf"),
                "{words}"
            );
            assert_eq!(words.contains("ask for access"), gate == Gate::Manual, "{words}");
            assert_eq!(words.contains("without access"), token.is_some(), "{words}");
        }
        let resolution = resolve(&hugging_face(&hub, Some("member")), id).await.unwrap();
        assert_eq!((resolution.gate, resolution.refusal.is_none()), (gate, true));
        assert!(resolution.files.iter().all(|file| file.size_bytes.is_some()));
    }
}

#[tokio::test]
async fn what_is_not_there_looks_like_what_is_private() {
    let hub = hub("").await;
    let (anyone, nobody) = (hugging_face(&hub, None), hugging_face(&hub, Some("nobody")));
    for id in ["org/hidden", "org/missing"] {
        let (reason, words) = refused(&anyone, id).await;
        assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
        assert!(words.contains(id) && words.contains("rbee login hf"), "{words}");
        let (reason, words) = refused(&nobody, id).await;
        assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
        assert!(words.contains("not open to the account"), "{words}");
    }
    let member = hugging_face(&hub, Some("member"));
    assert!(resolve(&member, "org/hidden").await.unwrap().accessible().is_ok());
    let (reason, words) = refused(&anyone, "org/tiny@v9").await;
    assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
    assert!(words.contains("revision: v9 of org/tiny"), "{words}");
    let (reason, words) = refused(&anyone, "org/tiny:none.gguf").await;
    assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
    assert!(words.contains("tiny-Q8_0.gguf"), "{words}");
    assert_eq!(refused(&anyone, "civitai:1").await.0, "INVALID_MODEL_ID");
    assert_eq!(refused(&anyone, "local:x").await.0, "INVALID_MODEL_ID");
    assert_eq!(refused(&anyone, "org/disabled").await.0, "MODEL_ARCHIVED");
}

#[tokio::test]
async fn tokens_are_checked_sent_to_their_hub_and_nowhere_else() {
    let hub = hub("").await;
    let forged = hugging_face(&hub, Some("forged-secret"));
    let (reason, words) = refused(&forged, "org/tiny").await;
    assert_eq!(reason, "VENDOR_TOKEN_REJECTED");
    assert!(
        words.contains("rbee login hf") && !words.contains("forged-secret"),
        "{words}"
    );
    let source = hugging_face(&hub, None);
    let name = source.account(&SecretString::from("member")).await.unwrap();
    assert_eq!(name.as_deref(), Some("somebody"));
    let rejected = source.account(&SecretString::from("forged")).await.unwrap_err();
    assert_eq!(rejected.reason(), "VENDOR_TOKEN_REJECTED");
    let elsewhere = format!("{}/x", hub.hosts().base(Host::Foreign)).parse().unwrap();
    assert_eq!(
        told(&source.location(&elsewhere).unwrap_err()).0,
        "VENDOR_ANSWER_INVALID"
    );
    let member = hugging_face(&hub, Some("member"));
    resolve(&member, "org/llm").await.unwrap();
    hub.hosts()
        .faults()
        .add(FaultRule::api().first(1).with(Fault::RedirectToForeignHost));
    assert_eq!(refused(&member, "org/tiny").await.0, "VENDOR_ANSWER_INVALID");
    for host in [Host::Cdn, Host::Foreign] {
        assert!(
            hub.hosts()
                .requests_to(host)
                .iter()
                .all(|request| !request.authorization)
        );
    }
}

#[tokio::test]
async fn listings_without_sizes_are_completed_by_the_files_heads() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    let file = resolve(&source, "org/names").await.unwrap().files.remove(0);
    assert_eq!(file.size_bytes, Some(5000));
    assert_eq!(
        file.digest,
        FileDigest::Sha256(weights().sha256().parse().unwrap())
    );
    let mirrored = resolve(&source, "org/mirrored").await.unwrap();
    assert_eq!(
        mirrored.size_bytes(),
        Some(5000 + 7000 + 2 + 2 + INDEX.len() as u64)
    );
    let index = &mirrored.files[2];
    assert_eq!(index.digest, FileDigest::GitSha1(git_blob_sha1(INDEX.as_bytes())));
}

#[tokio::test]
async fn lies_are_refused_before_anything_is_fetched() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    for (id, word) in [
        ("org/lies", "1152921504606846976"),
        ("org/evil", ".."),
        ("org/impostor", "org/impostor:x"),
    ] {
        let (reason, words) = refused(&source, id).await;
        assert_eq!(reason, "VENDOR_ANSWER_INVALID", "{words}");
        assert!(words.contains(word), "{words}");
    }
}

#[tokio::test]
async fn a_hub_that_fails_is_told_apart_from_one_that_answers_nonsense() {
    let hub = hub("").await;
    let source = hugging_face(&hub, None);
    let status = |status, wait| Fault::Status { status, wait };
    let always = |fault: Fault| {
        hub.hosts().faults().clear();
        hub.hosts().faults().add(FaultRule::api().with(fault));
    };
    always(status(429, Wait::RateLimit { seconds: 55 }));
    let error = resolve(&source, "org/tiny").await.unwrap_err();
    assert_eq!(
        (told(&error).0, error.wait().unwrap().as_secs()),
        ("VENDOR_RATE_LIMITED", 55)
    );
    always(status(503, Wait::Unsaid));
    assert_eq!(refused(&source, "org/tiny").await.0, "VENDOR_UNAVAILABLE");
    always(Fault::Reset);
    assert_eq!(refused(&source, "org/tiny").await.0, "VENDOR_UNAVAILABLE");
    for (fault, word) in [
        (Fault::HtmlPage, "text/html"),
        (Fault::JsonPage, "names no commit"),
        (status(418, Wait::Unsaid), "418"),
        (Fault::RedirectLoop, "redirects again and again"),
    ] {
        always(fault);
        let (reason, words) = refused(&source, "org/tiny").await;
        assert_eq!(reason, "VENDOR_ANSWER_INVALID", "{words}");
        assert!(words.contains(word), "{words}");
    }
    always(Fault::Gzip);
    let (reason, words) = refused(&source, "org/tiny").await;
    assert_eq!(reason, "VENDOR_UNAVAILABLE");
    assert!(words.contains("gzip"), "{words}");
    // Once is no matter.
    hub.hosts().faults().clear();
    hub.hosts()
        .faults()
        .add(FaultRule::api().first(1).with(status(500, Wait::Unsaid)));
    assert!(resolve(&source, "org/tiny").await.is_ok());
    hub.hosts().go_down(Host::Api).await;
    assert_eq!(refused(&source, "org/tiny").await.0, "VENDOR_UNAVAILABLE");
}

#[test]
fn resolutions_can_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Resolution>();
}
