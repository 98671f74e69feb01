//! What a version says of itself.

use std::collections::BTreeMap;

use rbee_artifacts::detect::Claim;
use rbee_artifacts::{AddOnKind, ModelType, Sha256, StableDiffusionVersion};
use serde_json::Value;

use crate::json;
use crate::resolution::FileDigest;
use crate::search::SearchKind;
use crate::text::{MAX_FACT_BYTES, bounded};

/// Sizes above this are a lie, or a fault: 16 TiB.
const MAX_FILE_BYTES: f64 = (16_u64 << 40) as f64;

/// A file of a version.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VersionFile {
    pub(super) id: u64,
    /// A stranger's text: it may be `../../x`.
    pub(super) name: String,
    /// `Model`, `Pruned Model`, `VAE`, `Config`, `Training Data`, …
    pub(super) kind: Option<String>,
    /// `SafeTensor`, `PickleTensor`, `GGUF`, `Diffusers`, …
    pub(super) format: Option<String>,
    /// `full`, `pruned`.
    pub(super) size: Option<String>,
    /// `fp16`, …
    pub(super) fp: Option<String>,
    pub(super) primary: bool,
    /// As `sizeKB` says, which is not always exact; `None` if it is not told or cannot be.
    pub(super) size_bytes: Option<u64>,
    pub(super) digest: FileDigest,
    pub(super) pickle_scan: Option<String>,
    pub(super) virus_scan: Option<String>,
}

/// The files of a version, those without a number left out.
pub(super) fn files(version: &Value) -> Vec<VersionFile> {
    let files = json::items(version, "files").iter();
    files.filter_map(file).collect()
}

fn file(value: &Value) -> Option<VersionFile> {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let hashes = value.get("hashes").unwrap_or(&Value::Null);
    let sha256 = json::raw(hashes, "SHA256").and_then(|digits| digits.parse::<Sha256>().ok());
    Some(VersionFile {
        id: json::count(value, "id")?,
        name: json::raw(value, "name")?.to_owned(),
        kind: json::text(value, "type"),
        format: json::text(metadata, "format"),
        size: json::text(metadata, "size"),
        fp: json::text(metadata, "fp"),
        primary: json::is_true(value, "primary"),
        size_bytes: value.get("sizeKB").and_then(Value::as_f64).and_then(bytes_of_kib),
        digest: sha256.map_or(FileDigest::Unknown, FileDigest::Sha256),
        pickle_scan: json::text(value, "pickleScanResult"),
        virus_scan: json::text(value, "virusScanResult"),
    })
}

/// `sizeKB` counts 1024 bytes, in fractions.
fn bytes_of_kib(kib: f64) -> Option<u64> {
    let bytes = (kib * 1024.0).round();
    (bytes > 0.0 && bytes <= MAX_FILE_BYTES).then_some(bytes as u64)
}

/// The add-on that a type of model is.
fn add_on(kind: &str) -> Option<AddOnKind> {
    Some(match kind {
        "LORA" | "LoCon" | "DoRA" => AddOnKind::Lora,
        "TextualInversion" => AddOnKind::Embedding,
        "VAE" => AddOnKind::Vae,
        "Controlnet" => AddOnKind::ControlNet,
        _ => return None,
    })
}

/// The kind of model that a type is, as searches name it.
pub(super) fn search_kind(kind: &str) -> Option<SearchKind> {
    Some(match add_on(kind) {
        Some(AddOnKind::Lora) => SearchKind::Lora,
        Some(AddOnKind::Embedding) => SearchKind::Embedding,
        Some(AddOnKind::Vae) => SearchKind::Vae,
        Some(AddOnKind::ControlNet) => SearchKind::ControlNet,
        Some(AddOnKind::PreviewVae | AddOnKind::TextEncoder) => return None,
        None if kind == "Checkpoint" => SearchKind::StableDiffusion,
        None => return None,
    })
}

/// The names of base models that belong to a generation.
pub(super) fn base_models(version: StableDiffusionVersion) -> &'static [&'static str] {
    match version {
        StableDiffusionVersion::V1_5 => &["SD 1.5", "SD 1.4", "SD 1.5 LCM", "SD 1.5 Hyper"],
        StableDiffusionVersion::V2_1 => &["SD 2.1", "SD 2.0", "SD 2.1 768", "SD 2.0 768"],
        StableDiffusionVersion::Xl => &[
            "SDXL 1.0",
            "Pony",
            "Illustrious",
            "NoobAI",
            "SDXL Lightning",
            "SDXL Hyper",
            "SDXL 1.0 LCM",
            "SDXL 0.9",
        ],
        StableDiffusionVersion::XlTurbo => &["SDXL Turbo"],
        // Refiners are filed under their base.
        StableDiffusionVersion::XlRefiner => &["SDXL 1.0"],
    }
}

fn version_of_base(base: &str) -> Option<StableDiffusionVersion> {
    use StableDiffusionVersion::{V1_5, V2_1, Xl, XlTurbo};
    [V1_5, V2_1, Xl, XlTurbo]
        .into_iter()
        .find(|version| base_models(*version).contains(&base))
}

/// The kind of model that the hub says it is.
pub(super) fn model_type(kind: Option<&str>, base: Option<&str>) -> Option<ModelType> {
    let version = base.and_then(version_of_base);
    match add_on(kind?) {
        Some(add_on) => {
            let base = version.map(|version| match version {
                // What goes with XL goes with XL Turbo.
                StableDiffusionVersion::XlTurbo => StableDiffusionVersion::Xl,
                version => version,
            });
            Some(ModelType::AddOn { add_on, base })
        }
        None if kind? == "Checkpoint" => version.map(|version| ModelType::StableDiffusion { version }),
        None => None,
    }
}

/// What the hub says of a file, to be held against it. The type of the model is that of its model files only.
pub(super) fn claim(version: &Value, file: &VersionFile) -> Claim {
    let model = version.get("model").unwrap_or(&Value::Null);
    let kind = match file.kind.as_deref() {
        Some("VAE") => Some("VAE".to_owned()),
        _ => json::text(model, "type"),
    };
    Claim {
        kind,
        base_model: json::text(version, "baseModel"),
        format: file.format.clone(),
    }
}

/// Facts to keep with the model.
pub(super) fn metadata(version: &Value, file: &VersionFile, page_url: &str) -> BTreeMap<String, String> {
    let model = version.get("model").unwrap_or(&Value::Null);
    let words = json::words(version, "trainedWords").join(", ");
    let facts = [
        ("vendor.url", Some(page_url.to_owned())),
        (
            "vendor.model",
            json::count(version, "modelId").map(|id| id.to_string()),
        ),
        (
            "vendor.version",
            json::count(version, "id").map(|id| id.to_string()),
        ),
        ("vendor.version_name", json::text(version, "name")),
        ("vendor.file", Some(file.id.to_string())),
        ("vendor.type", json::text(model, "type")),
        ("base_model", json::text(version, "baseModel")),
        (
            "trained_words",
            (!words.is_empty()).then(|| bounded(&words, MAX_FACT_BYTES)),
        ),
        (
            "nsfw",
            model
                .get("nsfw")
                .and_then(Value::as_bool)
                .map(|nsfw| nsfw.to_string()),
        ),
        ("published_at", json::text(version, "publishedAt")),
    ];
    let kept = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    kept.collect()
}

/// Still pictures of a version.
pub(super) fn thumbnails(version: &Value) -> Vec<String> {
    let images = json::items(version, "images").iter();
    let still = images.filter(|image| json::raw(image, "type").is_none_or(|kind| kind == "image"));
    still
        .filter_map(|image| json::https(image, "url"))
        .take(8)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_count_kibibytes_and_lies_are_no_sizes() {
        assert_eq!(bytes_of_kib(1.5), Some(1536));
        assert_eq!(bytes_of_kib(2_082_642.474_609_375), Some(2_132_625_894));
        for lie in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e15] {
            assert_eq!(bytes_of_kib(lie), None, "{lie}");
        }
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let version = json!({ "files": [{ "id": 1, "name": "a" }, { "name": "no number" }, 7] });
        let files = files(&version);
        assert_eq!(files.len(), 1);
        assert_eq!(
            (&files[0].digest, files[0].size_bytes, files[0].primary),
            (&FileDigest::Unknown, None, false)
        );
        assert_eq!(super::files(&json!({})), []);
    }

    #[test]
    fn types_and_bases_make_kinds() {
        use StableDiffusionVersion::{V1_5, Xl, XlTurbo};
        let checkpoint = |base| model_type(Some("Checkpoint"), Some(base));
        assert_eq!(
            checkpoint("SD 1.5"),
            Some(ModelType::StableDiffusion { version: V1_5 })
        );
        assert_eq!(
            checkpoint("Pony"),
            Some(ModelType::StableDiffusion { version: Xl })
        );
        assert_eq!(
            checkpoint("SDXL Turbo"),
            Some(ModelType::StableDiffusion { version: XlTurbo })
        );
        assert_eq!(checkpoint("Flux.1 D"), None);
        let lora = ModelType::AddOn {
            add_on: AddOnKind::Lora,
            base: Some(Xl),
        };
        assert_eq!(model_type(Some("DoRA"), Some("SDXL Turbo")), Some(lora));
        assert_eq!(model_type(Some("Workflows"), Some("SD 1.5")), None);
        assert_eq!(model_type(None, Some("SD 1.5")), None);
    }

    #[test]
    fn pictures_are_still_and_encrypted() {
        let version = json!({ "images": [
            { "url": "http://plain/a.png" },
            { "url": "https://image/b.jpeg", "type": "image" },
            { "url": "https://image/c.mp4", "type": "video" },
            { "url": "javascript:alert(1)" },
            { "url": "https://user:secret@image/d.png" },
            {},
        ] });
        assert_eq!(thumbnails(&version), ["https://image/b.jpeg"]);
    }
}
