//! Descriptions of artifacts as they lie on disk: JSON with the version of its layout.
//!
//! ```json
//! { "schema_version": 1, "id": "local:qwen", "name": "qwen", … }
//! ```
//!
//! A document from a newer program is told apart from a damaged one: the first is to be left alone, the
//! second to be set aside. Fields that are not known are ignored, so a layout can grow without a new
//! version.

use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;

/// Why a document was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is no JSON, or no description of such an artifact.
    #[error("the document is damaged")]
    Damaged {
        /// Where and how.
        #[source]
        source: serde_json::Error,
    },
    /// It was written by a newer version of rbee.
    #[error(
        "the document has layout version {found}, this program knows up to {supported}: a newer rbee wrote it"
    )]
    Newer {
        /// The version it says.
        found: u32,
        /// The newest version that is understood.
        supported: u32,
    },
}

#[derive(Serialize)]
struct Written<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    artifact: &'a T,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// The document that describes `artifact`, for people to read as well.
///
/// # Panics
/// Never for the artifacts of this crate: all their fields can be written as JSON.
#[must_use]
pub fn encode<T: Artifact>(artifact: &T) -> Vec<u8> {
    let written = Written {
        schema_version: T::SCHEMA_VERSION,
        artifact,
    };
    let mut json =
        serde_json::to_vec_pretty(&written).expect("an artifact has string keys and finite numbers only");
    json.push(b'\n');
    json
}

/// The artifact that a document describes.
///
/// # Errors
/// When the document is damaged or from a newer program.
pub fn decode<T: Artifact>(json: &[u8]) -> Result<T, DocumentError> {
    let damaged = |source| DocumentError::Damaged { source };
    let Version { schema_version } = serde_json::from_slice(json).map_err(damaged)?;
    if schema_version > T::SCHEMA_VERSION {
        return Err(DocumentError::Newer {
            found: schema_version,
            supported: T::SCHEMA_VERSION,
        });
    }
    serde_json::from_slice(json).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        ModelEntry, ModelFile, ModelId, ModelStatus, ModelType, Platform, Sha256, WorkerBinary,
        WorkerBinaryId, WorkerType,
    };

    fn entry() -> ModelEntry {
        ModelEntry {
            id: ModelId::local("qwen").unwrap(),
            name: "Qwen".to_owned(),
            size_bytes: 5,
            status: ModelStatus::Available,
            added_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            model_type: ModelType::Llm {
                architecture: "qwen2".to_owned(),
            },
            quantization: Some("Q4_K_M".to_owned()),
            context_length: Some(u64::MAX),
            parameter_count: None,
            metadata: BTreeMap::from([("tokenizer".to_owned(), "gpt2".to_owned())]),
            files: vec![ModelFile {
                name: "qwen.gguf".parse().unwrap(),
                size_bytes: 5,
                sha256: Sha256::digest(b"qwen!"),
            }],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let entry = entry();
        let json = encode(&entry);
        assert!(json.starts_with(b"{\n  \"schema_version\": 1,\n  \"id\": \"local:qwen\""));
        assert_eq!(decode::<ModelEntry>(&json).unwrap(), entry);

        let sha256 = Sha256::digest(b"program");
        let platform = Platform::current();
        let binary = WorkerBinary {
            id: WorkerBinaryId::derive(WorkerType::CpuLlm, "0.1.0", &platform, &sha256),
            worker_type: WorkerType::CpuLlm,
            version: "0.1.0".to_owned(),
            platform,
            size_bytes: 7,
            sha256,
            added_at: entry.added_at,
            source: "bundled".to_owned(),
        };
        assert_eq!(decode::<WorkerBinary>(&encode(&binary)).unwrap(), binary);
    }

    #[test]
    fn a_newer_document_is_not_a_damaged_one() {
        let newer = br#"{"schema_version": 7, "id": {"anything": "else"}}"#;
        assert!(matches!(
            decode::<ModelEntry>(newer),
            Err(DocumentError::Newer {
                found: 7,
                supported: 1
            })
        ));
        for damaged in [
            &b""[..],
            b"{}",
            b"[]",
            br#"{"schema_version": 1}"#,
            br#"{"schema_version": "1"}"#,
            b"\xff",
        ] {
            assert!(matches!(
                decode::<ModelEntry>(damaged),
                Err(DocumentError::Damaged { .. })
            ));
        }
    }

    #[test]
    fn fields_of_tomorrow_are_ignored() {
        let json = String::from_utf8(encode(&entry())).unwrap();
        let json = json.replacen('{', r#"{"tomorrow": [1, {"a": null}],"#, 1);
        assert_eq!(decode::<ModelEntry>(json.as_bytes()).unwrap(), entry());
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_damage() {
        let json = String::from_utf8(encode(&entry())).unwrap();
        let json = json.replace("qwen.gguf", "../../qwen.gguf");
        assert!(matches!(
            decode::<ModelEntry>(json.as_bytes()),
            Err(DocumentError::Damaged { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_cut_or_changed_document_never_panics(cut in 0_usize..900, place in 0_usize..400, byte in any::<u8>()) {
            let mut json = encode(&entry());
            json[place] = byte;
            json.truncate(cut);
            let _ = decode::<ModelEntry>(&json);
        }
    }
}
