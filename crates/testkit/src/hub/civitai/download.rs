//! `/api/download/models/{version}`: who may, which file, and where it lies.

use serde_json::{Value, json};

use super::model::{Availability, CivitaiToken};
use super::select::{Selectors, best, contradicts};
use super::site::{
    ARCHIVED, CivitaiSite, DOWNLOADS_DISABLED, LOGIN_REQUIRED, ServedVersion, encode_query, refusal,
    refusal_because,
};
use crate::hub::request::Request;
use crate::hub::response::Response;
use crate::hub::server::Site as _;

impl CivitaiSite {
    pub(super) fn download(&self, request: &Request, id: &str) -> Response {
        let Ok(id) = id.parse::<u64>() else {
            return refusal(400, "Invalid id: Expected number, received nan");
        };
        let file_id = match request.query_value("fileId").map(|text| text.parse::<u64>()) {
            None => None,
            Some(Ok(file_id)) => Some(file_id),
            Some(Err(_)) => {
                return refusal(
                    400,
                    invalid("fileId", "Invalid input: expected number, received NaN"),
                );
            }
        };
        let Some((_, version)) = self.version(id) else {
            return self.failure(404);
        };
        if let Some(refused) = refused(request, version, self.caller(request)) {
            return refused;
        }
        let asked = Selectors {
            kind: request.query_value("type"),
            format: request.query_value("format"),
            size: request.query_value("size"),
            fp: request.query_value("fp"),
        };
        let found = match file_id {
            Some(exact) => version.files.iter().find(|file| file.about.id == exact),
            None => best(&version.files, |file| &file.about, &asked)
                .filter(|file| !(self.strict_selectors && contradicts(&file.about, &asked))),
        };
        match found {
            None => self.failure(404),
            Some(file) => {
                let disposition = format!("attachment; filename=\"{}\"", file.name());
                let location = format!(
                    "{}{}?{}&response-content-disposition={}",
                    self.cdn,
                    file.cdn_path,
                    self.signer.sign(&file.cdn_path),
                    encode_query(&disposition),
                );
                Response::redirect(307, &location).header("Cache-Control", "no-store")
            }
        }
    }
}

/// Why this caller doesn't get this version, in the order in which the hub looks.
fn refused(request: &Request, version: &ServedVersion, caller: Option<&CivitaiToken>) -> Option<Response> {
    let browser = request
        .header("user-agent")
        .is_some_and(|agent| agent.to_lowercase().contains("mozilla"));
    let id = version.about.id;
    let opened = caller.is_some_and(|token| token.opens.contains(&id));
    match &version.about.availability {
        Availability::Public => None,
        Availability::Archived => Some(refusal(410, ARCHIVED)),
        Availability::DownloadsDisabled => Some(refusal_because(401, "Unauthorized", DOWNLOADS_DISABLED)),
        _ if caller.is_none() => Some(match browser {
            true => Response::redirect(
                307,
                &format!("/login?returnUrl=%2Fmodel-versions%2F{id}&reason=download-auth"),
            ),
            false => refusal_because(401, "Unauthorized", LOGIN_REQUIRED),
        }),
        Availability::LoginRequired => None,
        _ if opened => None,
        Availability::EarlyAccess { deadline } => Some(match browser {
            true => Response::redirect(307, &format!("/model-versions/{id}")),
            false => Response::json(
                403,
                &json!({
                    "error": "Early Access",
                    "deadline": deadline,
                    "message": "This asset is in Early Access. You can use Buzz access it now!",
                }),
            ),
        }),
        Availability::Granted => Some(refusal_because(
            403,
            "Forbidden",
            "You do not have permission to download this file",
        )),
    }
}

/// What a validator says about a parameter: an object, where other errors are text.
pub(super) fn invalid(parameter: &str, message: &str) -> Value {
    let issues = json!([{ "code": "invalid_value", "path": [parameter], "message": message }]);
    json!({ "name": "ZodError", "message": issues.to_string() })
}
