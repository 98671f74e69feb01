//! What a refusal of Hugging Face means: the status, and `X-Error-Code` where there is one.

use rbee_artifacts::Vendor;
use rbee_download::http::{HttpError, Refusal};

use crate::error::VendorError;
use crate::http::{Hub, encode_path};

/// Why `repository` (or what else `what` names) was refused.
pub(super) fn explain(hub: &Hub, what: &str, repository: &str, error: HttpError) -> VendorError {
    match error
        .refusal()
        .and_then(|refusal| meaning(hub, what, repository, refusal))
    {
        Some(meaning) => meaning,
        None => hub.failure(error),
    }
}

fn meaning(hub: &Hub, what: &str, repository: &str, refusal: &Refusal) -> Option<VendorError> {
    let vendor = Vendor::HuggingFace;
    let code = refusal
        .headers
        .get("x-error-code")
        .and_then(|code| code.to_str().ok());
    let said = || refusal.message().unwrap_or_else(|| refusal.status.to_string());
    let not_there = |what: String, hint: &str| VendorError::NotThere {
        vendor,
        what,
        hint: hint.to_owned(),
    };
    Some(match (code, refusal.status.as_u16()) {
        (Some("GatedRepo"), _) => VendorError::Gated {
            model: repository.to_owned(),
            terms_url: hub.page(&encode_path(repository)),
            manual: false,
            token_sent: refusal.token_sent,
        },
        (Some("RevisionNotFound"), _) => not_there(format!("such revision: {what}"), ""),
        (Some("EntryNotFound"), _) => not_there(format!("such file: {what}"), ""),
        (Some("DisabledRepo"), _) | (_, 410 | 451) => VendorError::Archived {
            vendor,
            model: repository.to_owned(),
            said: said(),
        },
        // Without a token a 401 says no more than that; with one, that the token is bad.
        (None, 401) if refusal.token_sent => VendorError::TokenRejected { vendor },
        (Some("RepoNotFound"), _) | (None, 401 | 404) => not_there(
            format!("repository {repository} that we may see"),
            match refusal.token_sent {
                true => ": it is missing, or private and not open to the account that rbee is logged in with",
                false => ": it is missing, or private; if it is yours, log in with `rbee login hf`",
            },
        ),
        (_, 401 | 403) => VendorError::AccessDenied {
            vendor,
            model: repository.to_owned(),
            said: said(),
        },
        _ => return None,
    })
}
