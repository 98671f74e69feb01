//! The facts of CivitAI.

use rbee_artifacts::{AddOnKind, ModelType, StableDiffusionVersion};
use rbee_testkit::hub::civitai::{
    Availability, CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiToken, CivitaiVersion,
    HashCase,
};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host, Wait};
use rbee_vendors::{FileDigest, VendorSource as _};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{civitai, refused, resolve, told};

/// Something that begins like a safetensors file.
fn weights(seed: u8) -> FileBody {
    let mut bytes = vec![2, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'];
    bytes.resize(3000, seed);
    FileBody::bytes(bytes)
}

fn version(id: u64, availability: Availability) -> CivitaiVersion {
    CivitaiVersion::new(id)
        .availability(availability)
        .file(CivitaiFile::new(id * 10, "m.safetensors", weights(1)))
}

async fn hub() -> CivitaiHub {
    let mut full =
        CivitaiFile::new(12, "full.safetensors", weights(2)).metadata("SafeTensor", "full", "fp32");
    full.hash_case = HashCase::Lower;
    let many = CivitaiVersion::new(1)
        .fact(
            "images",
            json!([{ "url": "https://image/1.jpeg" }, { "url": "http://plain/2.jpeg" }]),
        )
        .fact("trainedWords", json!(["a cat", "in a\nhat"]))
        .file(CivitaiFile::new(11, "pruned.safetensors", weights(1)))
        .file(full)
        .file(CivitaiFile::new(13, "old.ckpt", weights(3)).metadata("PickleTensor", "full", "fp32"));
    let evil = CivitaiVersion::new(20).file(CivitaiFile::new(200, "..%2F..%2Fevil.safetensors", weights(1)));
    let mut flagged = CivitaiFile::new(210, "m.safetensors", weights(1));
    flagged.virus_scan = "Danger".to_owned();
    let mut huge = CivitaiFile::new(230, "m.safetensors", weights(1));
    huge.claimed_size_kb = Some(1e15);
    let page = FileBody::bytes("<!DOCTYPE html><title>Sign in</title>");
    let deadline = "2027-01-01T00:00:00.000Z".to_owned();
    let model = CivitaiModel::new(100, "Things")
        .version(many)
        .version(version(2, Availability::LoginRequired))
        .version(version(3, Availability::DownloadsDisabled))
        .version(version(4, Availability::EarlyAccess { deadline }))
        .version(version(5, Availability::Granted))
        .version(version(6, Availability::Archived))
        .version(evil)
        .version(CivitaiVersion::new(21).file(flagged))
        .version(
            CivitaiVersion::new(22).file(CivitaiFile::new(220, "m.ckpt", weights(1)).metadata(
                "PickleTensor",
                "full",
                "fp16",
            )),
        )
        .version(CivitaiVersion::new(23).file(huge))
        .version(CivitaiVersion::new(24).file(CivitaiFile::new(240, "m.safetensors", page)))
        .version(
            CivitaiVersion::new(25)
                .file(CivitaiFile::new(250, "m.safetensors", weights(1)).hash("SHA256", "")),
        );
    let lora = CivitaiModel::new(101, "Style")
        .kind("LORA")
        .version(version(30, Availability::Public));
    let config = CivitaiConfig::of([model, lora])
        .token(CivitaiToken::new("member", &[]))
        .token(CivitaiToken::new("payer", &[4, 5]));
    CivitaiHub::start(config).await
}

#[tokio::test]
async fn a_version_is_its_primary_file_by_its_own_number() {
    let hub = hub().await;
    let source = civitai(&hub, None);
    let resolution = resolve(&source, "civitai:1").await.unwrap().accessible().unwrap();
    assert_eq!(
        (resolution.id.as_str(), resolution.name.as_str()),
        ("civitai:1", "Things v1.0")
    );
    let file = &resolution.files[0];
    assert_eq!(
        file.url.as_str(),
        format!("{}/api/download/models/1?fileId=11", hub.base_url())
    );
    assert_eq!(
        (file.name.as_str(), file.size_bytes),
        ("pruned.safetensors", Some(3000))
    );
    assert_eq!(
        file.digest,
        FileDigest::Sha256(weights(1).sha256().parse().unwrap())
    );
    let version = StableDiffusionVersion::V1_5;
    assert_eq!(
        resolution.model_type,
        Some(ModelType::StableDiffusion { version })
    );
    let claim = &resolution.claim;
    assert_eq!(
        (
            claim.kind.as_deref(),
            claim.base_model.as_deref(),
            claim.format.as_deref()
        ),
        (Some("Checkpoint"), Some("SD 1.5"), Some("SafeTensor"))
    );
    assert!(
        resolution.choice.contains("pruned.safetensors"),
        "{}",
        resolution.choice
    );
    let others: Vec<&str> = resolution
        .alternatives
        .iter()
        .map(|other| other.id.as_str())
        .collect();
    assert_eq!(others, ["civitai:1:full.safetensors"], "no pickles");
    assert_eq!(resolution.thumbnails, ["https://image/1.jpeg"]);
    for (fact, value) in [
        ("trained_words", "a cat, in a hat"),
        ("base_model", "SD 1.5"),
        ("nsfw", "false"),
        ("vendor.file", "11"),
    ] {
        assert_eq!(resolution.metadata[fact], value);
    }
    assert_eq!(
        resolution.page_url,
        format!("{}/models/100?modelVersionId=1", hub.base_url())
    );
    let asked = hub.hosts().requests();
    assert!(
        asked.iter().all(|request| request.method == "GET"),
        "the signed address refuses HEAD"
    );
    assert_eq!(asked.last().unwrap().range.as_deref(), Some("bytes=0-511"));
    // One id for one file.
    assert_eq!(
        resolve(&source, "civitai:1:pruned.safetensors")
            .await
            .unwrap()
            .id
            .as_str(),
        "civitai:1"
    );
    let full = resolve(&source, "civitai:1:full.safetensors").await.unwrap();
    assert_eq!(
        (full.id.as_str(), full.quantization.as_deref()),
        ("civitai:1:full.safetensors", Some("F32"))
    );
    assert_eq!(
        full.files[0].digest,
        FileDigest::Sha256(weights(2).sha256().parse().unwrap())
    );
    assert!(full.files[0].url.as_str().ends_with("fileId=12"));
    let style = resolve(&source, "civitai:30").await.unwrap();
    let (add_on, base) = (AddOnKind::Lora, Some(version));
    assert_eq!(style.model_type, Some(ModelType::AddOn { add_on, base }));
    assert_eq!(
        resolve(&source, "civitai:25").await.unwrap().files[0].digest,
        FileDigest::Unknown
    );
}

#[tokio::test]
async fn every_refusal_has_its_own_reason() {
    let hub = hub().await;
    let (anyone, forged) = (civitai(&hub, None), civitai(&hub, Some("forged-secret")));
    let (member, payer) = (civitai(&hub, Some("member")), civitai(&hub, Some("payer")));
    let (reason, words) = refused(&anyone, "civitai:2").await;
    assert_eq!(reason, "VENDOR_LOGIN_REQUIRED");
    assert!(words.contains("rbee login civitai"), "{words}");
    let (reason, words) = refused(&forged, "civitai:2").await;
    assert_eq!(reason, "VENDOR_LOGIN_REQUIRED", "an unknown key is no key");
    assert!(
        words.contains("does not know the key") && !words.contains("forged-secret"),
        "{words}"
    );
    assert!(resolve(&member, "civitai:2").await.unwrap().accessible().is_ok());
    for source in [&anyone, &payer] {
        assert_eq!(refused(source, "civitai:3").await.0, "DOWNLOADS_DISABLED");
    }
    assert_eq!(refused(&anyone, "civitai:4").await.0, "VENDOR_LOGIN_REQUIRED");
    let (reason, words) = refused(&member, "civitai:4").await;
    assert_eq!(reason, "MODEL_EARLY_ACCESS");
    assert!(
        words.contains("until 2027-01-01") && words.contains("modelVersionId=4"),
        "{words}"
    );
    let (reason, words) = refused(&member, "civitai:5").await;
    assert_eq!(reason, "VENDOR_ACCESS_DENIED");
    assert!(words.contains("do not have permission"), "{words}");
    for id in ["civitai:4", "civitai:5"] {
        assert!(resolve(&payer, id).await.unwrap().accessible().is_ok());
    }
    assert_eq!(refused(&payer, "civitai:6").await.0, "MODEL_ARCHIVED");
    let (reason, words) = refused(&anyone, "civitai:999").await;
    assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
    assert!(words.contains("modelVersionId"), "{words}");
    assert_eq!(
        refused(&anyone, "civitai:1:none.safetensors").await.0,
        "MODEL_NOT_AT_VENDOR"
    );
    assert_eq!(refused(&anyone, "org/repo").await.0, "INVALID_MODEL_ID");
    // What is refused is told nevertheless.
    let closed = resolve(&anyone, "civitai:2").await.unwrap();
    assert_eq!((closed.files.len(), closed.files[0].size_bytes), (1, Some(3000)));
}

#[tokio::test]
async fn dangerous_files_are_never_asked_for() {
    let hub = hub().await;
    let source = civitai(&hub, None);
    for (id, reason, word) in [
        ("civitai:20", "VENDOR_ANSWER_INVALID", "unsafe name"),
        ("civitai:21", "MODEL_FLAGGED", "virus"),
        ("civitai:22", "MODEL_FORMAT_UNSUPPORTED", "pickle"),
        ("civitai:1:old.ckpt", "MODEL_FORMAT_UNSUPPORTED", "pickle"),
    ] {
        let (given, words) = refused(&source, id).await;
        assert_eq!(given, reason, "{words}");
        assert!(words.contains(word), "{words}");
    }
    let downloads = hub
        .hosts()
        .requests()
        .iter()
        .filter(|request| request.path.contains("download"))
        .count();
    assert_eq!(downloads, 0);
    // A size that cannot be is none; the file's own is taken.
    let huge = resolve(&source, "civitai:23").await.unwrap();
    assert_eq!(huge.files[0].size_bytes, Some(3000));
    let (reason, words) = refused(&source, "civitai:24").await;
    assert_eq!(reason, "VENDOR_ANSWER_INVALID");
    assert!(words.contains("web page"), "{words}");
}

#[tokio::test]
async fn keys_stay_at_home() {
    let hub = hub().await;
    let member = civitai(&hub, Some("member"));
    resolve(&member, "civitai:2").await.unwrap();
    let api = hub.hosts().requests_to(Host::Api);
    assert!(!api.is_empty() && api.iter().all(|request| request.authorization));
    let cdn = hub.hosts().requests_to(Host::Cdn);
    assert!(!cdn.is_empty() && cdn.iter().all(|request| !request.authorization));
    assert!(
        cdn.iter()
            .all(|request| request.user_agent.as_deref().unwrap().starts_with("rbee/"))
    );
    let name = member.account(&SecretString::from("payer")).await.unwrap();
    assert_eq!(name.as_deref(), Some("somebody"));
    let rejected = member.account(&SecretString::from("forged")).await.unwrap_err();
    assert_eq!(told(&rejected).0, "VENDOR_TOKEN_REJECTED");
}

#[tokio::test]
async fn nonsense_and_outages() {
    let hub = hub().await;
    let source = civitai(&hub, None);
    let always = |fault: Fault| {
        hub.hosts().faults().clear();
        hub.hosts().faults().add(FaultRule::api().with(fault));
    };
    always(Fault::Status {
        status: 429,
        wait: Wait::RetryAfter("70".to_owned()),
    });
    let error = resolve(&source, "civitai:1").await.unwrap_err();
    assert_eq!(
        (told(&error).0, error.wait().unwrap().as_secs()),
        ("VENDOR_RATE_LIMITED", 70)
    );
    always(Fault::Status {
        status: 500,
        wait: Wait::Unsaid,
    });
    assert_eq!(refused(&source, "civitai:1").await.0, "VENDOR_UNAVAILABLE");
    always(Fault::HtmlPage);
    let (reason, words) = refused(&source, "civitai:1").await;
    assert_eq!(reason, "VENDOR_ANSWER_INVALID");
    assert!(words.contains("text/html"), "{words}");
    always(Fault::JsonPage);
    assert_eq!(refused(&source, "civitai:1").await.0, "VENDOR_ANSWER_INVALID");
    // The signed address fails, and that says nothing of the model.
    hub.hosts().faults().clear();
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::ExpiredSignature));
    assert_eq!(refused(&source, "civitai:1").await.0, "VENDOR_ANSWER_INVALID");
}
