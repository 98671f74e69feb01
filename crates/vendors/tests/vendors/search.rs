//! Search at both hubs: filters, pages, and hits in one form.

use rbee_testkit::hub::civitai::{CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiVersion};
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Repo, Token};
use rbee_testkit::hub::{Fault, FaultRule, FileBody};
use rbee_vendors::{Gate, SearchKind, SearchPage, SearchQuery, SearchSort, VendorSource};
use serde_json::json;

use crate::support::{civitai, hugging_face, told};

fn ids(page: &SearchPage) -> Vec<&str> {
    page.hits.iter().map(|hit| hit.id.as_str()).collect()
}

fn query(text: &str) -> SearchQuery {
    SearchQuery {
        text: text.to_owned(),
        ..SearchQuery::default()
    }
}

/// Every page to the end.
async fn all(source: &dyn VendorSource, mut query: SearchQuery) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..20 {
        let page = source.search(&query).await.unwrap();
        found.extend(ids(&page).into_iter().map(str::to_owned));
        match page.next_page {
            Some(token) => query.page_token = token,
            None => return found,
        }
    }
    panic!("pages without an end: {found:?}");
}

async fn hugging_face_hub() -> HuggingFaceHub {
    let gguf = |id: &str, downloads| {
        Repo::new(id)
            .tags(&["gguf", "text-generation"])
            .popularity(downloads, 7)
    };
    HuggingFaceHub::start(
        HuggingFaceConfig::of([
            gguf("org/one", 10)
                .license("mit")
                .fact("pipeline_tag", json!("text-generation")),
            gguf("org/two", 20).gated(Gated::Manual),
            gguf("org/three", 30).fact("tags", json!(["gguf", "text-generation", "base_model:a/b"])),
            gguf("org/hidden", 5).private(),
            Repo::new("sd/xl").tags(&["diffusers", "text-to-image", "stable-diffusion-xl"]),
            Repo::new("bare").tags(&["gguf"]),
        ])
        .token(Token::new("member", &["org/hidden"]))
        .path_prefix("/mirror"),
    )
    .await
}

#[tokio::test]
async fn hugging_face_filters_sorts_and_pages() {
    let hub = hugging_face_hub().await;
    let source = hugging_face(&hub, None);
    let sorted = SearchQuery {
        gguf_only: true,
        kinds: vec![SearchKind::Llm],
        sort: SearchSort::Downloads,
        page_size: 1,
        ..SearchQuery::default()
    };
    assert_eq!(
        all(&source, sorted.clone()).await,
        ["org/three", "org/two", "org/one"]
    );
    let first = source.search(&sorted).await.unwrap();
    let hit = &first.hits[0];
    assert_eq!((hit.name.as_str(), hit.author.as_deref()), ("three", Some("org")));
    assert_eq!(
        (hit.downloads, hit.likes, hit.kind),
        (Some(30), Some(7), Some(SearchKind::Llm))
    );
    assert_eq!(hit.base_model.as_deref(), Some("a/b"));
    assert_eq!(hit.page_url, format!("{}/org/three", hub.endpoint()));
    assert_eq!(hit.updated_at.unwrap().to_string(), "2026-01-02T03:04:05Z");
    // A token of one search is none of another.
    let stolen = SearchQuery {
        page_token: first.next_page.unwrap(),
        ..query("other")
    };
    assert_eq!(
        told(&source.search(&stolen).await.unwrap_err()).0,
        "INVALID_ARGUMENT"
    );

    let two = source.search(&query("two")).await.unwrap();
    assert_eq!((ids(&two), two.hits[0].gate), (vec!["org/two"], Gate::Manual));
    let by_author = SearchQuery {
        author: "sd".to_owned(),
        ..SearchQuery::default()
    };
    let pictures = source.search(&by_author).await.unwrap();
    assert_eq!(
        (ids(&pictures), pictures.hits[0].kind),
        (vec!["sd/xl"], Some(SearchKind::StableDiffusion))
    );
    assert_eq!(
        source.search(&query("one")).await.unwrap().hits[0]
            .licence
            .as_deref(),
        Some("mit")
    );
    assert_eq!(
        ids(&source.search(&query("hidden")).await.unwrap()),
        Vec::<&str>::new()
    );
    let member = hugging_face(&hub, Some("member"));
    let hidden = member.search(&query("hidden")).await.unwrap();
    assert!(hidden.hits[0].private);
    // What has no owner has no id here.
    assert_eq!(
        ids(&source.search(&query("bare")).await.unwrap()),
        Vec::<&str>::new()
    );
    let several = SearchQuery {
        kinds: vec![SearchKind::Llm, SearchKind::Lora],
        ..SearchQuery::default()
    };
    assert_eq!(
        told(&source.search(&several).await.unwrap_err()).0,
        "INVALID_ARGUMENT"
    );
    hub.hosts().faults().add(FaultRule::api().with(Fault::JsonPage));
    assert_eq!(
        told(&source.search(&query("")).await.unwrap_err()).0,
        "VENDOR_ANSWER_INVALID"
    );
}

#[tokio::test]
async fn civitai_repeats_types_and_pages_by_cursors() {
    let version = |id: u64| {
        CivitaiVersion::new(id).file(CivitaiFile::new(id, "m.safetensors", FileBody::pattern(2048, id)))
    };
    let model = |id: u64, kind: &str, downloads| {
        let mut model = CivitaiModel::new(id, &format!("Thing {id}"))
            .kind(kind)
            .version(version(id + 1000));
        model.downloads = downloads;
        model
    };
    let rich = model(5, "Checkpoint", 90)
        .fact("creator", json!({ "username": "maker" }))
        .fact("stats", json!({ "downloadCount": 90, "thumbsUpCount": 12 }))
        .fact("tags", json!(["cat"]));
    let mut rich = rich.version(version(500));
    rich.versions[0]
        .facts
        .insert("trainedWords".to_owned(), json!(["meow"]));
    rich.versions[0]
        .facts
        .insert("publishedAt".to_owned(), json!("2026-03-04T05:06:07.000Z"));
    rich.versions[0]
        .facts
        .insert("images".to_owned(), json!([{ "url": "https://image/5.jpeg" }]));
    let mut adult = model(6, "LORA", 90);
    adult.nsfw = true;
    let empty = CivitaiModel::new(7, "No versions");
    let hub = CivitaiHub::start(CivitaiConfig::of([
        rich,
        adult,
        model(8, "VAE", 80),
        model(9, "Upscaler", 70),
        model(10, "Checkpoint", 60),
        empty,
    ]))
    .await;
    let source = civitai(&hub, None);
    let paged = SearchQuery {
        page_size: 1,
        include_nsfw: true,
        ..SearchQuery::default()
    };
    let expected = ["civitai:1005", "civitai:1006", "civitai:1008", "civitai:1010"];
    assert_eq!(
        all(&source, paged).await,
        expected,
        "what can't be used is not asked for"
    );
    assert_eq!(
        all(&source, SearchQuery::default()).await,
        ["civitai:1005", "civitai:1008", "civitai:1010"]
    );
    let first = &source.search(&query("thing 5")).await.unwrap().hits[0];
    assert_eq!(
        (first.name.as_str(), first.author.as_deref()),
        ("Thing 5", Some("maker"))
    );
    assert_eq!(
        (first.downloads, first.likes, first.kind),
        (Some(90), Some(12), Some(SearchKind::StableDiffusion))
    );
    assert_eq!(
        (first.base_model.as_deref(), first.size_bytes),
        (Some("SD 1.5"), Some(2048))
    );
    assert_eq!(first.tags, ["meow", "cat"]);
    assert_eq!(first.thumbnail_url.as_deref(), Some("https://image/5.jpeg"));
    assert_eq!(first.updated_at.unwrap().to_string(), "2026-03-04T05:06:07Z");
    assert_eq!(
        (first.versions.len(), first.versions[0].id.as_str()),
        (1, "civitai:500")
    );
    assert_eq!(
        first.page_url,
        format!("{}/models/5?modelVersionId=1005", hub.base_url())
    );
    let kinds = |kinds: &[SearchKind]| SearchQuery {
        kinds: kinds.to_vec(),
        include_nsfw: true,
        ..SearchQuery::default()
    };
    let add_ons = kinds(&[SearchKind::Lora, SearchKind::Vae]);
    assert_eq!(all(&source, add_ons).await, ["civitai:1006", "civitai:1008"]);
    assert_eq!(
        all(&source, kinds(&[SearchKind::Llm])).await,
        Vec::<String>::new()
    );
    hub.hosts().faults().add(FaultRule::api().with(Fault::HtmlPage));
    assert_eq!(
        told(&source.search(&query("")).await.unwrap_err()).0,
        "VENDOR_ANSWER_INVALID"
    );
}
