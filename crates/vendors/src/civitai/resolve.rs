//! From the number of a version to a file.

use rbee_artifacts::detect::{FileKind, SNIFF_BYTES, sniff};
use rbee_artifacts::{ModelId, ModelSource, Vendor};
use rbee_download::http::Prefix;
use serde_json::Value;

use super::choice::{Choice, choose};
use super::facts::{self, VersionFile};
use super::refusal::explain;
use crate::error::VendorError;
use crate::http::Hub;
use crate::json;
use crate::resolution::{Alternative, Gate, RemoteFile, Resolution};
use crate::text::excerpt;

pub(super) async fn resolve(hub: &Hub, id: &ModelId) -> Result<Resolution, VendorError> {
    let ModelSource::CivitAi { version, file } = id.source() else {
        return Err(VendorError::OtherVendor {
            id: id.to_string(),
            vendor: Vendor::CivitAi,
        });
    };
    let model = format!("civitai:{version}");
    let url = hub.url(&format!("api/v1/model-versions/{version}"))?;
    let about = hub
        .json(&url, |error| explain(hub, &model, "", error))
        .await?
        .value;
    // What would be an error anywhere else is sometimes a 200 here.
    if json::count(&about, "id") != Some(*version) {
        let said = json::text(&about, "error").unwrap_or_else(|| "something else".to_owned());
        return Err(hub.invalid(format!(
            "asked for version {version}, it answered with {}",
            excerpt(&said)
        )));
    }
    let page_url = page_url(hub, &about, *version);
    let details = about.get("model").unwrap_or(&Value::Null);
    if let Some(mode) = json::text(details, "mode") {
        // `Archived` or `TakenDown`: the files are gone, the page remains.
        return Err(VendorError::Archived {
            vendor: Vendor::CivitAi,
            model,
            said: mode,
        });
    }
    let files = facts::files(&about);
    let choice = choose(&model, &files, file.as_ref())?;
    let refusal = match json::text(&about, "usageControl").as_deref() {
        None | Some("Download") => None,
        Some(_) => Some(VendorError::DownloadsDisabled { model: model.clone() }),
    };
    let url = download_url(hub, *version, choice.file)?;
    let (refusal, exact) = match refusal {
        Some(refusal) => (Some(refusal), None),
        None => probe(hub, &model, &page_url, &url, choice.file).await?,
    };
    let id = match choice.is_default {
        true => model,
        false => format!("{model}:{}", choice.name),
    };
    let id = id
        .parse()
        .map_err(|error: rbee_artifacts::ModelIdError| hub.invalid(error.to_string()))?;
    let file = RemoteFile {
        url,
        name: choice.name.clone(),
        size_bytes: exact.or(choice.file.size_bytes.filter(|_| refusal.is_some())),
        digest: choice.file.digest.clone(),
        is_text: false,
    };
    let kind = json::text(details, "type");
    let base = json::text(&about, "baseModel");
    let name = json::text(details, "name").unwrap_or_else(|| choice.name.to_string());
    Ok(Resolution {
        id,
        name: match json::text(&about, "name") {
            Some(version) => format!("{name} {version}"),
            None => name,
        },
        commit: None,
        licence: None,
        gate: Gate::Open,
        refusal,
        files: vec![file],
        choice: choice.why.clone(),
        alternatives: alternatives(*version, &choice),
        claim: facts::claim(&about, choice.file),
        model_type: facts::model_type(kind.as_deref(), base.as_deref()),
        quantization: choice
            .file
            .fp
            .as_deref()
            .and_then(quantization)
            .map(str::to_owned),
        metadata: facts::metadata(&about, choice.file, &page_url),
        thumbnails: facts::thumbnails(&about),
        page_url,
        notes: choice.notes,
    })
}

/// Precisions as the rest of the project writes them.
fn quantization(fp: &str) -> Option<&'static str> {
    match fp {
        "fp16" => Some("F16"),
        "bf16" => Some("BF16"),
        "fp32" => Some("F32"),
        _ => None,
    }
}

fn page_url(hub: &Hub, about: &Value, version: u64) -> String {
    match json::count(about, "modelId") {
        Some(model) => hub.page(&format!("models/{model}?modelVersionId={version}")),
        None => hub.page(&format!("model-versions/{version}")),
    }
}

/// The one address that means this file and no other.
fn download_url(hub: &Hub, version: u64, file: &VersionFile) -> Result<url::Url, VendorError> {
    hub.url(&format!("api/download/models/{version}?fileId={}", file.id))
}

/// Asks for the file's first bytes: whether we may have it, how long it is exactly, and that it is a model. (The
/// signed address refuses HEAD.)
async fn probe(
    hub: &Hub,
    model: &str,
    page_url: &str,
    url: &url::Url,
    file: &VersionFile,
) -> Result<(Option<VendorError>, Option<u64>), VendorError> {
    let answer = hub.client.prefix(&hub.ask(url)?, SNIFF_BYTES as u64).await;
    let Prefix { bytes, total, .. } = match answer.map_err(|error| explain(hub, model, page_url, error)) {
        Ok(prefix) => prefix,
        Err(error) if error.is_about_access() => return Ok((Some(error), None)),
        Err(error) => return Err(error),
    };
    let kind = sniff(&bytes);
    let Some(why) = kind.refusal() else {
        return Ok((None, total));
    };
    let why = format!(
        "what the hub gives for {} is not what it says: {why}",
        excerpt(&file.name)
    );
    Err(match kind {
        FileKind::Html | FileKind::Json => hub.invalid(why),
        _ => VendorError::NothingUsable {
            model: model.to_owned(),
            why,
        },
    })
}

/// The other files, as far as their names tell them apart.
fn alternatives(version: u64, choice: &Choice<'_>) -> Vec<Alternative> {
    let others = choice
        .others
        .iter()
        .filter(|other| other.name != choice.file.name);
    let alternatives = others.filter_map(|other| {
        Some(Alternative {
            id: format!("civitai:{version}:{}", other.name).parse().ok()?,
            quantization: other.fp.as_deref().and_then(quantization).map(str::to_owned),
            size_bytes: other.size_bytes,
        })
    });
    alternatives.collect()
}
