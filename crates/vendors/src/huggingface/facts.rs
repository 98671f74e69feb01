//! What the page of a model says of it.

use std::collections::BTreeMap;

use rbee_artifacts::detect::Claim;
use rbee_artifacts::{AddOnKind, ModelType, Sha256, StableDiffusionVersion};
use serde_json::Value;

use crate::json;
use crate::resolution::{FileDigest, Gate};
use crate::selection::{Arrangement, ListedFile};

/// `gated`: `false`, `"auto"` or `"manual"`.
pub(super) fn gate(page: &Value) -> Gate {
    match page.get("gated") {
        Some(Value::String(kind)) if kind == "auto" => Gate::Automatic,
        Some(Value::String(_) | Value::Bool(true)) => Gate::Manual,
        _ => Gate::Open,
    }
}

/// The files of a page that was asked for with `blobs=true`.
pub(super) fn files(page: &Value) -> Vec<ListedFile> {
    let siblings = json::items(page, "siblings").iter();
    siblings
        .filter_map(|sibling| {
            let lfs = sibling.get("lfs").filter(|lfs| lfs.is_object());
            let sha256 = lfs.and_then(|lfs| json::raw(lfs, "sha256").or_else(|| json::raw(lfs, "oid")));
            // Git's name of a large file is that of its pointer, and says nothing of its content.
            let digest = match (sha256.and_then(|digits| digits.parse::<Sha256>().ok()), lfs) {
                (Some(sha256), _) => FileDigest::Sha256(sha256),
                (None, Some(_)) => FileDigest::Unknown,
                (None, None) => json::raw(sibling, "blobId").map_or(FileDigest::Unknown, digest),
            };
            let size = lfs.and_then(|lfs| json::count(lfs, "size"));
            Some(ListedFile {
                name: json::raw(sibling, "rfilename")?.to_owned(),
                size_bytes: size.or_else(|| json::count(sibling, "size")),
                digest,
            })
        })
        .collect()
}

/// A digest in hexadecimal digits, by its length; as an ETag it may have quotes and `W/`.
pub(super) fn digest(text: &str) -> FileDigest {
    let digits = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    match (digits.len(), digits.parse()) {
        (64, Ok(sha256)) => FileDigest::Sha256(sha256),
        (40, _) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            FileDigest::GitSha1(digits.to_ascii_lowercase())
        }
        _ => FileDigest::Unknown,
    }
}

/// The licence: of the card, else of the tags.
pub(super) fn licence(page: &Value) -> Option<String> {
    let card = page.get("cardData");
    let of_card = card
        .map(|card| json::words(card, "license").join(", "))
        .filter(|text| !text.is_empty());
    // `other` has its name beside it.
    let named = card.and_then(|card| json::text(card, "license_name"));
    match (of_card, named) {
        (Some(licence), Some(named)) if licence == "other" => Some(named),
        (Some(licence), _) => Some(licence),
        (None, _) => tagged(page, "license:").next(),
    }
}

/// The tags that begin so, without their beginning.
pub(super) fn tagged<'a>(page: &'a Value, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    json::words(page, "tags")
        .into_iter()
        .filter_map(move |tag| Some(tag.strip_prefix(prefix)?.to_owned()))
}

pub(super) fn has_tag(page: &Value, tag: &str) -> bool {
    json::items(page, "tags")
        .iter()
        .any(|have| have.as_str() == Some(tag))
}

/// The model that it is derived from: `base_model` of the card, else of the tags.
pub(super) fn base_model(page: &Value) -> Option<String> {
    let of_card = page
        .get("cardData")
        .and_then(|card| json::words(card, "base_model").into_iter().next());
    // Beside `base_model:org/repo` there is `base_model:quantized:org/repo`.
    of_card.or_else(|| tagged(page, "base_model:").find(|base| !base.contains(':')))
}

/// The kind that the hub says it is, before a byte of it is here.
pub(super) fn model_type(page: &Value, arrangement: Arrangement) -> Option<ModelType> {
    let nested = |key: &str, inner: &str| page.get(key).and_then(|value| json::text(value, inner));
    match arrangement {
        Arrangement::Gguf => nested("gguf", "architecture")
            // It is that of one of the files, which may be the projector of a vision model.
            .filter(|architecture| architecture != "clip")
            .map(|architecture| ModelType::Llm { architecture }),
        Arrangement::Safetensors => {
            nested("config", "model_type").map(|architecture| ModelType::Llm { architecture })
        }
        Arrangement::Diffusers => version(page).map(|version| ModelType::StableDiffusion { version }),
        Arrangement::Part | Arrangement::SingleFile => {
            let add_on = if has_tag(page, "lora") {
                AddOnKind::Lora
            } else if has_tag(page, "controlnet") {
                AddOnKind::ControlNet
            } else if has_tag(page, "textual_inversion") {
                AddOnKind::Embedding
            } else {
                return None;
            };
            Some(ModelType::AddOn {
                add_on,
                base: version(page),
            })
        }
    }
}

/// The generation of Stable Diffusion, where tags tell it: `diffusers:StableDiffusionPipeline` is both 1.5 and
/// 2.1.
fn version(page: &Value) -> Option<StableDiffusionVersion> {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    let base = base_model(page).unwrap_or_default().to_ascii_lowercase();
    if tagged(page, "diffusers:").any(|class| class.starts_with("StableDiffusionXL"))
        || has_tag(page, "stable-diffusion-xl")
        || base.contains("stable-diffusion-xl")
    {
        Some(Xl)
    } else if base.contains("stable-diffusion-2") {
        Some(V2_1)
    } else if base.contains("stable-diffusion-v1") {
        Some(V1_5)
    } else {
        None
    }
}

/// What the hub says, to be held against the files.
pub(super) fn claim(page: &Value, arrangement: Arrangement) -> Claim {
    let (kind, format) = match arrangement {
        Arrangement::Gguf => (None, "GGUF"),
        Arrangement::Safetensors => (Some("LLM"), "SafeTensor"),
        Arrangement::Diffusers => (Some("Checkpoint"), "Diffusers"),
        Arrangement::Part | Arrangement::SingleFile => {
            (has_tag(page, "lora").then_some("LORA"), "SafeTensor")
        }
    };
    // Only names that say a generation: a base such as `someone/dream-7` says none.
    let base = base_model(page).filter(|_| arrangement != Arrangement::Gguf);
    let base = base.and_then(|base| Some(base.rsplit_once('/')?.1.to_owned()));
    Claim {
        kind: kind.map(str::to_owned),
        base_model: base.filter(|base| base.starts_with("stable-diffusion-") || base.starts_with("sdxl")),
        format: Some(format.to_owned()),
    }
}

/// Facts to keep with the model.
pub(super) fn metadata(page: &Value, repository: &str) -> BTreeMap<String, String> {
    let facts = [
        ("vendor.repository", Some(repository.to_owned())),
        ("vendor.commit", json::text(page, "sha")),
        ("license", licence(page)),
        ("base_model", base_model(page)),
        ("author", json::text(page, "author")),
        ("vendor.task", json::text(page, "pipeline_tag")),
        ("vendor.library", json::text(page, "library_name")),
    ];
    let kept = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_are_told_by_their_length() {
        let sha256 = "ab".repeat(32);
        assert_eq!(
            digest(&format!("\"{sha256}\"")),
            FileDigest::Sha256(sha256.parse().unwrap())
        );
        assert_eq!(
            digest(&format!("W/\"{}\"", "AB".repeat(20))),
            FileDigest::GitSha1("ab".repeat(20))
        );
        assert_eq!(digest("\"abc\""), FileDigest::Unknown);
        assert_eq!(digest(&"x".repeat(40)), FileDigest::Unknown);
    }

    #[test]
    fn a_large_files_git_name_is_no_digest_of_it() {
        let page = json!({ "siblings": [
            { "rfilename": "a", "size": 3, "blobId": "ab".repeat(20) },
            { "rfilename": "b", "size": 1, "blobId": "ab".repeat(20), "lfs": { "sha256": "cd".repeat(32), "size": 9 } },
            { "rfilename": "c", "blobId": "ab".repeat(20), "lfs": { "size": 9 } },
            { "rfilename": "d", "size": -1, "lfs": null },
            { "odd": true },
        ] });
        let files = files(&page);
        assert_eq!(files.len(), 4);
        assert_eq!(
            (files[0].size_bytes, &files[0].digest),
            (Some(3), &FileDigest::GitSha1("ab".repeat(20)))
        );
        assert_eq!(
            (files[1].size_bytes, &files[1].digest),
            (Some(9), &FileDigest::Sha256("cd".repeat(32).parse().unwrap()))
        );
        assert_eq!(files[2].digest, FileDigest::Unknown);
        assert_eq!(
            (files[3].size_bytes, &files[3].digest),
            (None, &FileDigest::Unknown)
        );
    }

    #[test]
    fn gates_licences_and_bases_in_all_their_forms() {
        for (gated, expected) in [
            (json!(false), Gate::Open),
            (json!(null), Gate::Open),
            (json!("auto"), Gate::Automatic),
            (json!("manual"), Gate::Manual),
            (json!(true), Gate::Manual),
        ] {
            assert_eq!(gate(&json!({ "gated": gated })), expected);
        }
        let licence_of = |page: Value| licence(&page).unwrap();
        assert_eq!(
            licence_of(json!({ "cardData": { "license": ["mit", "bsd"] } })),
            "mit, bsd"
        );
        assert_eq!(
            licence_of(json!({ "cardData": { "license": "other", "license_name": "llama3" } })),
            "llama3"
        );
        assert_eq!(
            licence_of(json!({ "tags": ["x", "license:openrail++"] })),
            "openrail++"
        );
        assert_eq!(licence(&json!({ "cardData": null })), None);
        let tags = json!({ "tags": ["base_model:quantized:a/b", "base_model:a/b"] });
        assert_eq!(base_model(&tags).as_deref(), Some("a/b"));
    }

    #[test]
    fn kinds_are_told_only_where_the_page_tells_them() {
        let llm = |architecture: &str| {
            Some(ModelType::Llm {
                architecture: architecture.to_owned(),
            })
        };
        let gguf = |page| model_type(&page, Arrangement::Gguf);
        assert_eq!(gguf(json!({ "gguf": { "architecture": "qwen2" } })), llm("qwen2"));
        assert_eq!(gguf(json!({ "gguf": { "architecture": "clip" } })), None);
        assert_eq!(gguf(json!({})), None);
        let config = json!({ "config": { "model_type": "llama" } });
        assert_eq!(model_type(&config, Arrangement::Safetensors), llm("llama"));
        let pipeline = |tags: Value| model_type(&json!({ "tags": tags }), Arrangement::Diffusers);
        let version = StableDiffusionVersion::Xl;
        assert_eq!(
            pipeline(json!(["diffusers:StableDiffusionXLPipeline"])),
            Some(ModelType::StableDiffusion { version })
        );
        assert_eq!(
            pipeline(json!(["diffusers:StableDiffusionPipeline"])),
            None,
            "1.5 or 2.1"
        );
        let lora = json!({ "tags": ["lora", "base_model:stabilityai/stable-diffusion-xl-base-1.0"] });
        assert_eq!(
            model_type(&lora, Arrangement::SingleFile),
            Some(ModelType::AddOn {
                add_on: AddOnKind::Lora,
                base: Some(version)
            })
        );
        assert_eq!(
            claim(&lora, Arrangement::SingleFile).base_model.as_deref(),
            Some("stable-diffusion-xl-base-1.0")
        );
        let vague = json!({ "tags": ["base_model:someone/dream-7"] });
        assert_eq!(claim(&vague, Arrangement::Diffusers).base_model, None);
    }
}
