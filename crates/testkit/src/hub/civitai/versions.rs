//! What there is: one version, and the search over models.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::download::invalid;
use super::model::{Availability, CivitaiFile, HashCase};
use super::select::{Selectors, best};
use super::site::{CivitaiSite, ServedFile, ServedModel, ServedVersion, encode_query, refusal};
use crate::hub::request::Request;
use crate::hub::response::Response;

/// The types of models that the hub knows.
const KINDS: [&str; 10] = [
    "Checkpoint",
    "TextualInversion",
    "Hypernetwork",
    "LORA",
    "LoCon",
    "DoRA",
    "Controlnet",
    "Upscaler",
    "VAE",
    "Other",
];

impl CivitaiSite {
    pub(super) fn model_version(&self, id: &str) -> Response {
        let Ok(id) = id.parse::<u64>() else {
            return refusal(400, "✖ Invalid input: expected number, received NaN\n  → at id");
        };
        let Some((model, version)) = self.version(id) else {
            return refusal(404, "Model not found");
        };
        let mut page = self.describe(version);
        page["modelId"] = model.about.id.into();
        page["status"] = "Published".into();
        page["usageControl"] = match version.about.availability {
            Availability::DownloadsDisabled => "Generation".into(),
            _ => "Download".into(),
        };
        for (key, value) in &version.about.facts {
            page[key.as_str()] = value.clone();
        }
        page["model"] = json!({
            "name": model.about.name,
            "type": model.about.kind,
            "nsfw": model.about.nsfw,
            "poi": false,
        });
        if version.about.availability == Availability::Archived {
            page["model"]["mode"] = "Archived".into();
        }
        Response::json(200, &page)
    }

    /// A version as it stands alone and within its model.
    fn describe(&self, version: &ServedVersion) -> Value {
        let about = &version.about;
        let archived = about.availability == Availability::Archived;
        let deadline = match &about.availability {
            Availability::EarlyAccess { deadline } => Value::from(deadline.as_str()),
            _ => Value::Null,
        };
        let primary =
            best(&version.files, |file| &file.about, &Selectors::default()).map(|file| file.about.id);
        let files: Vec<Value> = version
            .files
            .iter()
            .filter(|_| !archived)
            .map(|file| self.describe_file(about.id, file, primary == Some(file.about.id)))
            .collect();
        let mut page = without_empty(json!({
            "id": about.id,
            "name": about.name,
            "baseModel": about.base_model,
            "trainedWords": about.trained_words,
            "earlyAccessEndsAt": deadline,
            "downloadUrl": (!archived).then(|| self.download_url(about.id)),
        }));
        // An archived version has its list of files, with none in it.
        page["files"] = files.into();
        for (key, value) in &about.facts {
            page[key.as_str()] = value.clone();
        }
        page
    }

    fn download_url(&self, version: u64) -> String {
        format!("{}/api/download/models/{version}", self.base)
    }

    fn describe_file(&self, version: u64, file: &ServedFile, primary: bool) -> Value {
        let about = &file.about;
        let mut url = self.download_url(version);
        if !primary {
            let selectors = [
                ("type", Some(about.kind.as_str())),
                ("format", about.format.as_deref()),
                ("size", about.size.as_deref()),
                ("fp", about.fp.as_deref()),
            ];
            let query: Vec<String> = selectors
                .iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", encode_query((*value)?))))
                .collect();
            url = format!("{url}?{}", query.join("&"));
        }
        without_empty(json!({
            "id": about.id,
            "sizeKB": about.claimed_size_kb.unwrap_or(file.content.len() as f64 / 1024.0),
            "name": file.name(),
            "type": about.kind,
            "pickleScanResult": about.pickle_scan,
            "virusScanResult": about.virus_scan,
            "scannedAt": "2026-01-02T03:04:05.000Z",
            "metadata": without_empty(json!({
                "format": about.format,
                "size": about.size,
                "fp": about.fp,
            })),
            "hashes": hashes(about, file.content.sha256()),
            "primary": primary.then_some(true),
            "downloadUrl": url,
        }))
    }

    /// A page of models.
    pub(super) fn search(&self, request: &Request) -> Response {
        if request.query.contains('|') {
            // RFC 3986 doesn't allow it there: a client that forgets to encode is caught here.
            return refusal(400, "Invalid URL");
        }
        let kinds: Vec<String> = non_empty(request.query_values("types"));
        if let Some(unknown) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            let words = format!(
                "Invalid option: expected one of {}, not {unknown}",
                KINDS.join("|")
            );
            return refusal(400, invalid("types", &words));
        }
        let limit = match request.query_value("limit").map(|text| text.parse::<usize>()) {
            None => self.page_size,
            Some(Ok(limit @ 1..=100)) => limit,
            Some(_) => return refusal(400, invalid("limit", "Too big: expected number to be <=100")),
        };
        let start = match request.query_value("cursor").map(|text| read_cursor(&text)) {
            None => (u64::MAX, 0),
            Some(Some(cursor)) => cursor,
            Some(None) => return refusal(400, invalid("cursor", "Invalid cursor")),
        };
        let mut found = self.matching(request, &kinds);
        found.retain(|model| sort_key(model) >= (std::cmp::Reverse(start.0), start.1));
        found.sort_by_key(|model| sort_key(model));
        let items: Vec<Value> = found
            .iter()
            .take(limit)
            .map(|model| self.describe_model(model))
            .collect();
        let mut metadata = json!({ "pageSize": limit });
        if let Some(next) = found.get(limit) {
            let cursor = format!("{}|0|{}", next.about.downloads, next.about.id);
            let others: String = request
                .query
                .split('&')
                .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
                .map(|pair| format!("{pair}&"))
                .collect();
            let encoded = encode_query(&cursor);
            metadata["nextPage"] = format!("{}{}?{others}cursor={encoded}", self.base, request.path).into();
            metadata["nextCursor"] = cursor.into();
        }
        Response::json(200, &json!({ "items": items, "metadata": metadata }))
    }

    fn matching(&self, request: &Request, kinds: &[String]) -> Vec<&ServedModel> {
        let words = request.query_value("query").unwrap_or_default().to_lowercase();
        let bases = non_empty(request.query_values("baseModels"));
        let nsfw = request.query_value("nsfw").is_none_or(|value| value != "false");
        self.models
            .iter()
            .filter(|model| {
                let about = &model.about;
                (kinds.is_empty() || kinds.contains(&about.kind))
                    && (nsfw || !about.nsfw)
                    && about.name.to_lowercase().contains(&words)
                    && (bases.is_empty()
                        || model
                            .versions
                            .iter()
                            .any(|version| bases.contains(&version.about.base_model)))
            })
            .collect()
    }

    fn describe_model(&self, model: &ServedModel) -> Value {
        let about = &model.about;
        let versions: Vec<Value> = model
            .versions
            .iter()
            .map(|version| self.describe(version))
            .collect();
        let mut page = without_empty(json!({
            "id": about.id,
            "name": about.name,
            "type": about.kind,
            "nsfw": about.nsfw,
            "stats": { "downloadCount": about.downloads },
            "modelVersions": versions,
        }));
        for (key, value) in &about.facts {
            page[key.as_str()] = value.clone();
        }
        page
    }
}

/// Most downloads first, then by number.
fn sort_key(model: &ServedModel) -> (std::cmp::Reverse<u64>, u64) {
    (std::cmp::Reverse(model.about.downloads), model.about.id)
}

/// `downloads|0|id` of the first model on the page.
fn read_cursor(text: &str) -> Option<(u64, u64)> {
    let (downloads, rest) = text.split_once('|')?;
    let (_, id) = rest.split_once('|')?;
    Some((downloads.parse().ok()?, id.parse().ok()?))
}

fn non_empty(values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| !value.is_empty()).collect()
}

fn hashes(about: &CivitaiFile, sha256: &str) -> Value {
    let computed = [("SHA256", sha256), ("AutoV2", &sha256[..10])];
    let mut hashes: BTreeMap<&str, &str> = computed.into_iter().collect();
    for (name, digits) in &about.hashes {
        hashes.insert(name, digits);
    }
    let written = hashes.into_iter().map(|(name, digits)| {
        let digits = match about.hash_case {
            HashCase::Upper => digits.to_uppercase(),
            HashCase::Lower => digits.to_lowercase(),
        };
        (name.to_owned(), digits.into())
    });
    without_empty(Value::Object(written.collect()))
}

/// The object without keys whose value is null, or an empty text, list or object.
fn without_empty(value: Value) -> Value {
    let Value::Object(entries) = value else {
        return value;
    };
    let kept: Map<String, Value> = entries
        .into_iter()
        .filter(|(_, value)| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            _ => true,
        })
        .collect();
    Value::Object(kept)
}
