//! Which file of a version is its model.

use rbee_artifacts::detect::FileKind;
use rbee_artifacts::{RelativePath, Vendor};

use super::facts::VersionFile;
use crate::error::VendorError;
use crate::selection::{is_gguf, is_pickle, is_safetensors};
use crate::text::{excerpt, human};

/// The file that was chosen, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Choice<'a> {
    pub(super) file: &'a VersionFile,
    /// Its name within the model.
    pub(super) name: RelativePath,
    /// Whether it is what the bare id of the version means.
    pub(super) is_default: bool,
    /// Empty if there was nothing to choose.
    pub(super) why: String,
    /// The other files that could be taken.
    pub(super) others: Vec<&'a VersionFile>,
    pub(super) notes: Vec<String>,
}

/// Chooses: by name, or else the primary file, or else the first that can be taken.
///
/// # Errors
/// For pickles and dangerous files, and when nothing can be taken.
pub(super) fn choose<'a>(
    model: &str,
    files: &'a [VersionFile],
    wish: Option<&RelativePath>,
) -> Result<Choice<'a>, VendorError> {
    let usable: Vec<&VersionFile> = files
        .iter()
        .filter(|file| obstacle(model, file).is_none())
        .collect();
    let default = usable
        .iter()
        .find(|file| file.primary)
        .or_else(|| usable.iter().find(|file| is_model(file)))
        .or_else(|| usable.first())
        .copied();
    let file = match wish {
        Some(wish) => named(model, files, wish)?,
        None => match default {
            Some(file) => file,
            None => return Err(why_none(model, files)),
        },
    };
    if let Some(obstacle) = obstacle(model, file) {
        return Err(obstacle);
    }
    let name: RelativePath = safe_name(&file.name)?;
    let primary = files.iter().find(|other| other.primary);
    let why = match (wish, primary) {
        (Some(_), _) => String::new(),
        (None, Some(primary)) if primary.id != file.id => format!(
            "{} instead of the primary file {}, which can't be taken",
            describe(file),
            excerpt(&primary.name)
        ),
        (None, _) if usable.len() > 1 => format!("{}, the version's primary file", describe(file)),
        (None, _) => String::new(),
    };
    let others = usable.into_iter().filter(|other| other.id != file.id).collect();
    let scans = [("pickle", &file.pickle_scan), ("virus", &file.virus_scan)];
    let open = scans
        .iter()
        .filter(|(_, result)| result.as_deref() != Some("Success"));
    let notes = open.map(|(scan, result)| {
        let result = result.as_deref().unwrap_or("not told");
        format!(
            "the hub's {scan} scan of the file is not done or failed: {}",
            excerpt(result)
        )
    });
    Ok(Choice {
        is_default: default.is_some_and(|default| default.id == file.id),
        notes: notes.collect(),
        file,
        name,
        why,
        others,
    })
}

/// The last part of a name, if it is a safe one: stored names may decode to `../../x`, and a name that tries to
/// lead elsewhere is refused, not mended.
fn safe_name(name: &str) -> Result<RelativePath, VendorError> {
    let safe = name
        .parse::<RelativePath>()
        .ok()
        .filter(|path| path.file_name() == path.as_str());
    safe.ok_or_else(|| VendorError::InvalidAnswer {
        vendor: Vendor::CivitAi,
        problem: format!(
            "a file has the unsafe name \"{}\"",
            excerpt(&name.escape_debug().to_string())
        ),
    })
}

fn named<'a>(
    model: &str,
    files: &'a [VersionFile],
    wish: &RelativePath,
) -> Result<&'a VersionFile, VendorError> {
    let exact: Vec<&VersionFile> = files.iter().filter(|file| file.name == wish.as_str()).collect();
    let folded = || {
        files
            .iter()
            .filter(|file| file.name.eq_ignore_ascii_case(wish.as_str()))
            .collect()
    };
    let found: Vec<&VersionFile> = if exact.is_empty() { folded() } else { exact };
    match found.as_slice() {
        [] => {
            let names: Vec<String> = files.iter().take(8).map(|file| excerpt(&file.name)).collect();
            Err(VendorError::NotThere {
                vendor: Vendor::CivitAi,
                what: format!("file {} in {model}", excerpt(wish.as_str())),
                hint: match names.is_empty() {
                    true => "; it has no files".to_owned(),
                    false => format!("; it has {}", names.join(", ")),
                },
            })
        }
        [only] => Ok(only),
        several => match several.iter().find(|file| file.primary) {
            Some(primary) => Ok(primary),
            None => Err(VendorError::Ambiguous {
                model: format!("{model}:{wish}"),
                candidates: several.iter().take(20).map(|file| describe(file)).collect(),
            }),
        },
    }
}

fn describe(file: &VersionFile) -> String {
    let facts = [&file.size, &file.fp]
        .into_iter()
        .flatten()
        .map(|fact| excerpt(fact));
    let facts: Vec<String> = facts.chain(file.size_bytes.map(human)).collect();
    match facts.is_empty() {
        true => excerpt(&file.name),
        false => format!("{} ({})", excerpt(&file.name), facts.join(", ")),
    }
}

fn is_model(file: &VersionFile) -> bool {
    matches!(file.kind.as_deref(), None | Some("Model" | "Pruned Model"))
}

/// Why a file is not taken. Before it is here, what the hub says of it is all there is, so a word that it is a
/// pickle, or dangerous, is enough.
fn obstacle(model: &str, file: &VersionFile) -> Option<VendorError> {
    let (model, name) = (model.to_owned(), excerpt(&file.name));
    let dangerous = |scan: &Option<String>| {
        scan.as_deref()
            .is_some_and(|scan| scan.eq_ignore_ascii_case("danger"))
    };
    if is_pickle(&file.name) || file.format.as_deref() == Some("PickleTensor") {
        let why = FileKind::Pickle.refusal().unwrap_or_default().to_owned();
        return Some(VendorError::Pickle {
            model,
            file: name,
            why,
        });
    }
    if dangerous(&file.virus_scan) {
        return Some(VendorError::Flagged {
            model,
            file: name,
            scan: "virus",
        });
    }
    if dangerous(&file.pickle_scan) {
        return Some(VendorError::Flagged {
            model,
            file: name,
            scan: "pickle",
        });
    }
    (!is_safetensors(&file.name) && !is_gguf(&file.name)).then(|| VendorError::NothingUsable {
        model,
        why: format!("{name} is no safetensors and no GGUF file"),
    })
}

/// The obstacle that says most: of the primary file, or else of a model file.
fn why_none(model: &str, files: &[VersionFile]) -> VendorError {
    let ordered = files
        .iter()
        .filter(|file| file.primary)
        .chain(files.iter().filter(|file| is_model(file)))
        .chain(files);
    ordered
        .filter_map(|file| obstacle(model, file))
        .next()
        .unwrap_or_else(|| VendorError::NothingUsable {
            model: model.to_owned(),
            why: "it lists no files".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::facts::files as read;
    use super::*;

    fn listed(files: &Value) -> Vec<VersionFile> {
        read(&json!({ "files": files }))
    }

    fn file(id: u64, name: &str, format: &str) -> Value {
        json!({
            "id": id, "name": name, "type": "Model", "sizeKB": 2048, "metadata": { "format": format },
            "pickleScanResult": "Success", "virusScanResult": "Success",
        })
    }

    fn with(mut file: Value, key: &str, value: impl Into<Value>) -> Value {
        file[key] = value.into();
        file
    }

    fn reason(files: &Value, wish: Option<&str>) -> &'static str {
        let wish = wish.map(|wish| wish.parse().unwrap());
        choose("civitai:1", &listed(files), wish.as_ref())
            .unwrap_err()
            .reason()
    }

    #[test]
    fn the_primary_file_is_the_model() {
        let files = listed(&json!([
            with(file(1, "vae.safetensors", "SafeTensor"), "type", "VAE"),
            file(2, "full.safetensors", "SafeTensor"),
            with(file(3, "pruned.safetensors", "SafeTensor"), "primary", true),
        ]));
        let choice = choose("civitai:1", &files, None).unwrap();
        assert_eq!(
            (choice.file.id, choice.is_default, choice.others.len()),
            (3, true, 2)
        );
        assert!(
            choice.why.contains("pruned.safetensors (2.0 MiB)"),
            "{}",
            choice.why
        );
        assert!(choice.notes.is_empty());
        let named = choose("civitai:1", &files, Some(&"FULL.safetensors".parse().unwrap())).unwrap();
        assert_eq!((named.file.id, named.is_default), (2, false));
        let primary = choose("civitai:1", &files, Some(&"pruned.safetensors".parse().unwrap())).unwrap();
        assert!(primary.is_default, "one id for one file");
    }

    #[test]
    fn a_pickle_gives_way_to_safetensors_and_alone_is_refused() {
        let pickle = || with(file(1, "m.ckpt", "PickleTensor"), "primary", true);
        let files = listed(&json!([pickle(), file(2, "m.safetensors", "SafeTensor")]));
        let choice = choose("civitai:1", &files, None).unwrap();
        assert_eq!(choice.file.id, 2);
        assert!(
            choice.why.contains("instead of the primary file m.ckpt"),
            "{}",
            choice.why
        );
        assert_eq!(reason(&json!([pickle()]), None), "MODEL_FORMAT_UNSUPPORTED");
        assert_eq!(
            reason(&json!([pickle(), file(2, "m.safetensors", "")]), Some("m.ckpt")),
            "MODEL_FORMAT_UNSUPPORTED"
        );
        // Either word is enough.
        assert_eq!(
            reason(&json!([file(1, "m.safetensors", "PickleTensor")]), None),
            "MODEL_FORMAT_UNSUPPORTED"
        );
        assert_eq!(
            reason(&json!([file(1, "m.pt", "SafeTensor")]), None),
            "MODEL_FORMAT_UNSUPPORTED"
        );
        assert_eq!(
            reason(&json!([file(1, "m.zip", "Other")]), None),
            "MODEL_FORMAT_UNSUPPORTED"
        );
        assert_eq!(reason(&json!([]), None), "MODEL_FORMAT_UNSUPPORTED");
    }

    #[test]
    fn what_a_scan_found_is_not_taken() {
        for scan in ["virusScanResult", "pickleScanResult"] {
            let bad = with(file(1, "m.safetensors", "SafeTensor"), scan, "Danger");
            assert_eq!(reason(&json!([bad]), None), "MODEL_FLAGGED");
            let pending = with(file(1, "m.safetensors", "SafeTensor"), scan, "Pending");
            let files = listed(&json!([pending]));
            let notes = choose("civitai:1", &files, None).unwrap().notes;
            assert!(notes.len() == 1 && notes[0].contains("Pending"), "{notes:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "../../evil.safetensors",
            "/etc/m.safetensors",
            "C:\\m.safetensors",
            "a/m.safetensors",
            "m\n.safetensors",
        ] {
            assert_eq!(
                reason(&json!([file(1, name, "SafeTensor")]), None),
                "VENDOR_ANSWER_INVALID",
                "{name}"
            );
        }
        let long = format!("{}.safetensors", "x".repeat(300));
        assert_eq!(
            reason(&json!([file(1, &long, "SafeTensor")]), None),
            "VENDOR_ANSWER_INVALID"
        );
    }

    #[test]
    fn two_files_of_one_name_need_a_primary() {
        let twice = |primary: bool| {
            json!([
                file(1, "m.safetensors", "SafeTensor"),
                with(file(2, "m.safetensors", "SafeTensor"), "primary", primary)
            ])
        };
        assert_eq!(
            reason(&twice(false), Some("m.safetensors")),
            "MODEL_FILE_AMBIGUOUS"
        );
        let files = listed(&twice(true));
        assert_eq!(
            choose("civitai:1", &files, Some(&"m.safetensors".parse().unwrap()))
                .unwrap()
                .file
                .id,
            2
        );
        assert_eq!(
            reason(&twice(true), Some("other.safetensors")),
            "MODEL_NOT_AT_VENDOR"
        );
    }
}
