//! The facts of CivitAI.

use rbee_testkit::hub::civitai::{
    Availability, CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiToken, CivitaiVersion,
    HashCase,
};
use rbee_testkit::hub::{FileBody, Host};
use serde_json::{Value, json};

use crate::client::{Reply, bearer, follow, get, head};

fn body(seed: u64) -> FileBody {
    FileBody::pattern(1536, seed)
}

fn one_file(version: u64, availability: Availability) -> CivitaiVersion {
    CivitaiVersion::new(version)
        .availability(availability)
        .file(CivitaiFile::new(version * 10, "m.safetensors", body(version)))
}

fn config() -> CivitaiConfig {
    let mut lower = CivitaiFile::new(12, "full.ckpt", body(12)).metadata("PickleTensor", "full", "fp32");
    lower.hash_case = HashCase::Lower;
    lower.pickle_scan = "Danger".to_owned();
    lower.claimed_size_kb = Some(1e15);
    let many = CivitaiVersion::new(1)
        .file(CivitaiFile::new(11, "..%2F..%2Fevil.safetensors", body(11)).hash("BLAKE3", "ab12"))
        .file(lower)
        .file(
            CivitaiFile::new(13, "vae.pt", body(13))
                .kind("VAE")
                .metadata("", "", "")
                .hash("SHA256", ""),
        );
    let deadline = "2027-01-01T00:00:00.000Z".to_owned();
    let mut people = CivitaiModel::new(101, "Closed Things")
        .kind("LORA")
        .version(one_file(2, Availability::LoginRequired))
        .version(one_file(3, Availability::DownloadsDisabled))
        .version(one_file(4, Availability::EarlyAccess { deadline }))
        .version(one_file(5, Availability::Granted))
        .version(one_file(6, Availability::Archived));
    (people.downloads, people.nsfw) = (90, true);
    let mut open = CivitaiModel::new(100, "Open Things").version(many);
    open.downloads = 90;
    let last = CivitaiModel::new(7, "Unloved").version(one_file(7, Availability::Public));
    CivitaiConfig::of([last, people, open])
        .token(CivitaiToken::new("payer", &[4, 5]))
        .token(CivitaiToken::new("member", &[]))
}

async fn hub() -> CivitaiHub {
    CivitaiHub::start(config()).await
}

fn download(hub: &CivitaiHub, rest: &str) -> String {
    format!("{}/api/download/models/{rest}", hub.base_url())
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_version_tells_about_its_files_and_leaves_out_what_is_empty() {
    let hub = hub().await;
    let page = get(&format!("{}/api/v1/model-versions/1", hub.base_url()), &[])
        .await
        .json();
    assert_eq!(
        (&page["baseModel"], &page["model"]["type"]),
        (&json!("SD 1.5"), &json!("Checkpoint"))
    );
    assert_eq!(page.get("trainedWords"), None);
    let files = page["files"].as_array().unwrap();
    assert_eq!(files[0]["name"], "../../evil.safetensors");
    assert_eq!(files[0]["sizeKB"], 1.5);
    assert_eq!(files[1]["sizeKB"], 1e15, "a lie, on command");
    assert_eq!(files[0]["primary"], true);
    assert_eq!(files[1].get("primary"), None);
    let sha256 = body(11).sha256().to_uppercase();
    assert_eq!(
        files[0]["hashes"],
        json!({ "SHA256": sha256, "AutoV2": sha256[..10], "BLAKE3": "AB12" })
    );
    assert_eq!(files[1]["hashes"]["SHA256"], body(12).sha256());
    assert_eq!(
        (&files[1]["pickleScanResult"], &files[1]["virusScanResult"]),
        (&json!("Danger"), &json!("Success"))
    );
    assert_eq!(
        (files[2].get("metadata"), files[2]["hashes"].get("SHA256")),
        (None, None)
    );
    assert_eq!(files[0]["downloadUrl"], download(&hub, "1"));
    let selected = "1?type=Model&format=PickleTensor&size=full&fp=fp32";
    assert_eq!(files[1]["downloadUrl"], download(&hub, selected));

    let archived = get(&format!("{}/api/v1/model-versions/6", hub.base_url()), &[])
        .await
        .json();
    assert_eq!(
        (&archived["files"], archived.get("downloadUrl")),
        (&json!([]), None)
    );
    let disabled = get(&format!("{}/api/v1/model-versions/3", hub.base_url()), &[])
        .await
        .json();
    assert_eq!(disabled["usageControl"], "Generation");
    assert!(disabled["downloadUrl"].is_string(), "a link is no promise");
    assert_eq!(
        get(&format!("{}/api/v1/model-versions/999", hub.base_url()), &[])
            .await
            .status,
        404
    );
    assert_eq!(
        get(&format!("{}/api/v1/model-versions/x", hub.base_url()), &[])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_download_is_a_307_to_an_address_that_wants_neither_token_nor_head() {
    let hub = hub().await;
    let token = bearer("member");
    let with_token = [("authorization", &*token)];
    let reply = get(&download(&hub, "2"), &with_token).await;
    assert_eq!(reply.status, 307);
    let cdn = reply.location().to_owned();
    assert!(cdn.starts_with(&hub.hosts().base(Host::Cdn)));
    assert_eq!(get(&cdn, &with_token).await.status, 400);
    assert_eq!(head(&cdn, &[]).await.status, 403);
    let probe = get(&cdn, &[("range", "bytes=0-0")]).await;
    assert_eq!(
        (probe.status, probe.header("content-range")),
        (206, Some("bytes 0-0/1536"))
    );
    let whole = get(&cdn, &[]).await;
    assert_eq!(whole.body, body(2).to_vec());
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"m.safetensors\"")
    );
    hub.hosts().expire_signed_urls();
    assert_eq!(get(&cdn, &[("range", "bytes=9-")]).await.status, 403);
    assert_eq!(
        follow(&download(&hub, "2?token=member"), &[]).await.body,
        body(2).to_vec()
    );
    let seen = hub.hosts().requests_to(Host::Cdn);
    assert_eq!(seen.iter().filter(|request| request.authorization).count(), 1);
}

#[tokio::test]
async fn an_account_is_told_to_its_own_key() {
    let hub = hub().await;
    let me = format!("{}/api/v1/me", hub.base_url());
    let (member, forged) = (bearer("member"), bearer("forged"));
    assert_eq!(
        get(&me, &[("authorization", &member)]).await.json()["username"],
        "somebody"
    );
    assert_eq!(get(&me, &[("authorization", &forged)]).await.status, 401);
}

#[tokio::test]
async fn selectors_are_scored_and_only_the_files_number_is_exact() {
    let hub = hub().await;
    let taken =
        async |hub: &CivitaiHub, query: &str| follow(&download(hub, &format!("1?{query}")), &[]).await;
    assert_eq!(taken(&hub, "").await.body, body(11).to_vec());
    assert_eq!(
        taken(&hub, "format=PickleTensor&size=full&fp=fp32").await.body,
        body(12).to_vec()
    );
    assert_eq!(taken(&hub, "type=VAE").await.body, body(13).to_vec());
    assert_eq!(taken(&hub, "fileId=13&type=Model").await.body, body(13).to_vec());
    assert_eq!(
        taken(&hub, "format=SafeTensor&fp=bf16").await.body,
        body(11).to_vec(),
        "another file"
    );
    assert_eq!(
        taken(&hub, "type=&format=&fileId=").await.body,
        body(11).to_vec(),
        "empty is absent"
    );
    for query in ["type=Config", "fileId=20"] {
        assert_eq!(taken(&hub, query).await.status, 404, "{query}");
    }
    let odd = taken(&hub, "fileId=x").await;
    assert_eq!(
        (odd.status, &odd.json()["error"]["name"]),
        (400, &json!("ZodError"))
    );
    let strict = CivitaiHub::start(CivitaiConfig {
        strict_selectors: true,
        ..config()
    })
    .await;
    assert_eq!(taken(&strict, "format=SafeTensor&fp=bf16").await.status, 404);
}

#[tokio::test]
async fn refusals_are_told_apart_by_status_and_message() {
    let hub = hub().await;
    let (member, payer, forged) = (bearer("member"), bearer("payer"), bearer("forged"));
    let ask = async |version: u64, token: Option<&str>| {
        let headers: Vec<(&str, &str)> = token.iter().map(|token| ("authorization", *token)).collect();
        get(&download(&hub, &version.to_string()), &headers).await
    };
    let login = ask(2, None).await;
    assert_eq!(login.status, 401);
    assert!(message(&login).contains("logged in"));
    assert_eq!(
        message(&ask(2, Some(&forged)).await),
        message(&login),
        "a forged key is no key"
    );
    let disabled = ask(3, Some(&member)).await;
    assert_eq!(
        (disabled.status, &disabled.json()["error"]),
        (401, &login.json()["error"])
    );
    assert!(message(&disabled).contains("disabled downloads"));
    let early = ask(4, Some(&member)).await;
    assert_eq!(
        (early.status, &early.json()["deadline"]),
        (403, &json!("2027-01-01T00:00:00.000Z"))
    );
    let closed = ask(5, Some(&member)).await;
    assert_eq!((closed.status, closed.json().get("deadline")), (403, None));
    assert_eq!(ask(4, Some(&payer)).await.status, 307);
    assert_eq!(ask(5, Some(&payer)).await.status, 307);
    assert_eq!(ask(6, Some(&payer)).await.status, 410);
    assert_eq!(ask(999, None).await.status, 404);
    assert_eq!(get(&download(&hub, "abc"), &[]).await.status, 400);
    // A browser is sent to a page, and the page is a 200.
    let browser = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")];
    let page = follow(&download(&hub, "2"), &browser).await;
    assert_eq!(page.status, 200);
    assert!(page.text().starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn search_repeats_types_and_hangs_pages_on_a_cursor() {
    let hub = hub().await;
    let at = |query: &str| format!("{}/api/v1/models?{query}", hub.base_url());
    let ids = |page: &Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_u64().unwrap()).collect()
    };
    let first = get(&at("limit=1&query=things"), &[]).await.json();
    assert_eq!(ids(&first), [100]);
    assert_eq!(first["metadata"]["nextCursor"], "90|0|101");
    let next = first["metadata"]["nextPage"].as_str().unwrap();
    assert!(next.ends_with("cursor=90%7C0%7C101"), "{next}");
    let second = get(next, &[]).await.json();
    assert_eq!(
        (ids(&second), second["metadata"].get("nextCursor")),
        (vec![101], None)
    );
    let raw = get(&at("cursor=90|0|101"), &[]).await;
    assert_eq!((raw.status, raw.json()["error"].is_string()), (400, true));
    assert_eq!(ids(&get(&at("types=LORA&types=VAE"), &[]).await.json()), [101]);
    let joined = get(&at("types=LORA,VAE"), &[]).await;
    assert_eq!((joined.status, joined.json()["error"].is_object()), (400, true));
    assert_eq!(ids(&get(&at("nsfw=false"), &[]).await.json()), [100, 7]);
    assert_eq!(
        ids(&get(&at("baseModels=SDXL+1.0"), &[]).await.json()),
        Vec::<u64>::new()
    );
    assert_eq!(get(&at("limit=0"), &[]).await.status, 400);
}
