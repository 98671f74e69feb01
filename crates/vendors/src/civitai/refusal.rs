//! What a refusal of CivitAI means: the status, and for some only the words beside it.

use rbee_artifacts::Vendor;
use rbee_download::http::{HttpError, Refusal};

use crate::error::VendorError;
use crate::http::Hub;
use crate::json;

/// Why `model` was refused.
pub(super) fn explain(hub: &Hub, model: &str, page_url: &str, error: HttpError) -> VendorError {
    match error
        .refusal()
        .and_then(|refusal| meaning(model, page_url, refusal))
    {
        Some(meaning) => meaning,
        None => hub.failure(error),
    }
}

fn meaning(model: &str, page_url: &str, refusal: &Refusal) -> Option<VendorError> {
    let vendor = Vendor::CivitAi;
    // What another host says of its signed address is nothing about the model.
    if refusal.redirected {
        return None;
    }
    let model = model.to_owned();
    let said = refusal.message().unwrap_or_else(|| refusal.status.to_string());
    let deadline = refusal
        .json
        .as_ref()
        .and_then(|json| json::text(json, "deadline"));
    let lower = said.to_lowercase();
    Some(match refusal.status.as_u16() {
        401 if lower.contains("disabled") => VendorError::DownloadsDisabled { model },
        // The token went along, and counted as none: the hub does not know it.
        401 => VendorError::LoginRequired { vendor, model, token_sent: refusal.token_sent },
        403 if deadline.is_some() || lower.contains("early access") => VendorError::EarlyAccess {
            model,
            until: deadline,
            page_url: page_url.to_owned(),
        },
        403 => VendorError::AccessDenied { vendor, model, said },
        404 => VendorError::NotThere {
            vendor,
            what: format!("such version or file: {model}"),
            hint: "; the number is that of a version (modelVersionId in the address of its page), not of a model"
                .to_owned(),
        },
        410 | 451 => VendorError::Archived { vendor, model, said },
        _ => return None,
    })
}
