//! The API server: routes, keys, and how it refuses.

use std::collections::HashMap;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::CivitaiConfig;
use super::model::{CivitaiFile, CivitaiModel, CivitaiToken, CivitaiVersion};
use crate::hub::body::Content;
use crate::hub::cdn::{Cdn, Manners, Object, etag_seed};
use crate::hub::hosts::Bases;
use crate::hub::request::{Request, segments};
use crate::hub::response::Response;
use crate::hub::server::Site;
use crate::hub::signing::Signer;

#[derive(Debug)]
pub(super) struct CivitaiSite {
    pub(super) base: String,
    pub(super) cdn: String,
    pub(super) signer: Arc<Signer>,
    pub(super) models: Vec<ServedModel>,
    pub(super) tokens: Vec<CivitaiToken>,
    pub(super) page_size: usize,
    pub(super) strict_selectors: bool,
}

/// A model whose files' contents are ready.
#[derive(Debug)]
pub(super) struct ServedModel {
    pub(super) about: CivitaiModel,
    pub(super) versions: Vec<ServedVersion>,
}

#[derive(Debug)]
pub(super) struct ServedVersion {
    pub(super) about: CivitaiVersion,
    pub(super) files: Vec<ServedFile>,
}

#[derive(Debug)]
pub(super) struct ServedFile {
    pub(super) about: CivitaiFile,
    pub(super) content: Arc<Content>,
    pub(super) cdn_path: String,
}

impl ServedFile {
    /// The name as the API gives it: decoded, whatever that makes of it.
    pub(super) fn name(&self) -> String {
        percent_decode_str(&self.about.stored_name)
            .decode_utf8_lossy()
            .into_owned()
    }
}

/// `text` for use in a query.
pub(super) fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A refusal in JSON.
pub(super) fn refusal(status: u16, error: impl Into<Value>) -> Response {
    Response::json(status, &json!({ "error": error.into() }))
}

/// A refusal whose `message` tells it from others of its status.
pub(super) fn refusal_because(status: u16, error: &str, message: &str) -> Response {
    Response::json(status, &json!({ "error": error, "message": message }))
}

impl CivitaiSite {
    pub(super) fn build(config: CivitaiConfig, bases: Bases, signer: Arc<Signer>) -> (Self, Cdn) {
        let mut objects = HashMap::new();
        let models = config
            .models
            .into_iter()
            .map(|mut about| {
                let versions = std::mem::take(&mut about.versions)
                    .into_iter()
                    .map(|version| serve_version(about.id, version, &mut objects))
                    .collect();
                ServedModel { about, versions }
            })
            .collect();
        let site = Self {
            base: bases.api,
            cdn: bases.cdn,
            signer: Arc::clone(&signer),
            models,
            tokens: config.tokens,
            page_size: config.page_size,
            strict_selectors: config.strict_selectors,
        };
        let manners = Manners {
            refuses_authorization: true,
            refuses_head: true,
        };
        let cdn = Cdn {
            objects,
            signer,
            manners,
        };
        (site, cdn)
    }

    /// The key that came, in the header or as `token=`; one that nobody issued counts as none.
    pub(super) fn caller(&self, request: &Request) -> Option<&CivitaiToken> {
        let secret = match request.bearer() {
            Some(secret) => secret.to_owned(),
            None => request.query_value("token")?,
        };
        self.tokens.iter().find(|token| token.secret == secret)
    }

    pub(super) fn version(&self, id: u64) -> Option<(&ServedModel, &ServedVersion)> {
        self.models.iter().find_map(|model| {
            let version = model.versions.iter().find(|version| version.about.id == id)?;
            Some((model, version))
        })
    }
}

impl Site for CivitaiSite {
    fn answer(&self, request: &Request) -> Response {
        let path = segments(&request.path, "").unwrap_or_default();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["api", "v1", "models"] => self.search(request),
            ["api", "v1", "me"] => match self.caller(request) {
                Some(_) => Response::json(200, &json!({ "id": 1, "username": "somebody" })),
                None => refusal(401, "Unauthorized"),
            },
            ["api", "v1", "model-versions", id] => self.model_version(id),
            ["api", "download", "models", id] => self.download(request, id),
            ["login"] => Response::html(200, "Sign in to Civitai"),
            ["model-versions", _] => Response::html(200, "This version is in early access"),
            _ => self.failure(404),
        }
    }

    fn failure(&self, status: u16) -> Response {
        match status {
            401 => refusal_because(401, "Unauthorized", LOGIN_REQUIRED),
            403 => refusal_because(
                403,
                "Forbidden",
                "You do not have permission to download this file",
            ),
            404 => refusal(404, "File not found"),
            410 => refusal(410, ARCHIVED),
            429 => refusal_because(429, "Too many requests", "You have reached your download limit"),
            _ => refusal(status, "Internal server error"),
        }
    }
}

/// Why a 401 is one: there is no key.
pub(super) const LOGIN_REQUIRED: &str =
    "The creator of this asset requires you to be logged in to download it";
/// Why a 401 is the other one: no key will help.
pub(super) const DOWNLOADS_DISABLED: &str = "The creator of this asset has disabled downloads on this file";
/// Why a 410 is one.
pub(super) const ARCHIVED: &str = "Model archived, not available for download";

fn serve_version(
    model_id: u64,
    mut about: CivitaiVersion,
    objects: &mut HashMap<String, Object>,
) -> ServedVersion {
    let files = std::mem::take(&mut about.files)
        .into_iter()
        .map(|about| {
            let content = Arc::new(Content::new(about.body.clone()));
            let cdn_path = format!("/model/{model_id}/{}.bin", about.id);
            let file = ServedFile {
                about,
                content,
                cdn_path,
            };
            let object = Object {
                content: Arc::clone(&file.content),
                // As object stores name what was uploaded in parts.
                etag: format!("\"{}-1\"", &etag_seed(&file.content)[..32]),
                disposition: format!("attachment; filename=\"{}\"", file.name()),
            };
            objects.insert(file.cdn_path.clone(), object);
            file
        })
        .collect();
    ServedVersion { about, files }
}
