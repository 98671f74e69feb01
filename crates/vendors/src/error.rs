//! Why a hub's model can't be had, with what to do about it.

use std::time::Duration;

use rbee_artifacts::Vendor;
use rbee_download::http::HttpError;

/// A question to a hub that did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// The id is of another vendor.
    #[error("{id} is not an id of {}", name(*.vendor))]
    OtherVendor {
        /// The id.
        id: String,
        /// Who was asked.
        vendor: Vendor,
    },
    /// Neither a repository nor a version of that name, as far as we may see.
    #[error("{} has no {what}{hint}", name(*.vendor))]
    NotThere {
        /// Who was asked.
        vendor: Vendor,
        /// What is not there.
        what: String,
        /// What there is instead, or what else it may be; empty, or begins with punctuation.
        hint: String,
    },
    /// The terms were not accepted, or not yet granted.
    #[error(
        "{model} is given only to those who accepted its terms: {} at {terms_url}, then log in with `rbee login hf`{}",
        if *.manual { "ask for access" } else { "accept them" },
        if *.token_sent { " (the token that rbee has is of an account without access)" } else { "" }
    )]
    Gated {
        /// The repository.
        model: String,
        /// The page with the terms.
        terms_url: String,
        /// Whether the owner decides on each request.
        manual: bool,
        /// Whether a token went along.
        token_sent: bool,
    },
    /// An account is needed, and there is no key of one that counts.
    #[error(
        "{model} is given to those with an account only: make a key in your account's settings, then `rbee login {}`{}",
        login(*.vendor),
        if *.token_sent { " (the hub does not know the key that rbee has)" } else { "" }
    )]
    LoginRequired {
        /// Who was asked.
        vendor: Vendor,
        /// The model.
        model: String,
        /// Whether a token went along; CivitAI takes an unknown one for none.
        token_sent: bool,
    },
    /// The token is nobody's.
    #[error("{} does not know the token that rbee has for it: make a new one and `rbee login {}`", name(*.vendor), login(*.vendor))]
    TokenRejected {
        /// Who was asked.
        vendor: Vendor,
    },
    /// The account, or its token, may not.
    #[error("{} refuses {model}: {said}", name(*.vendor))]
    AccessDenied {
        /// Who was asked.
        vendor: Vendor,
        /// The model.
        model: String,
        /// The hub's words.
        said: String,
    },
    /// The creator lets nobody download it.
    #[error("the creator of {model} has disabled downloads; no login changes that")]
    DownloadsDisabled {
        /// The model.
        model: String,
    },
    /// Paid access, for the time being.
    #[error(
        "{model} is in early access{}: buy access at {page_url}, or wait",
        .until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default()
    )]
    EarlyAccess {
        /// The model.
        model: String,
        /// When it becomes public, as the hub writes it.
        until: Option<String>,
        /// The model's page.
        page_url: String,
    },
    /// Its files are gone for everybody.
    #[error("{model} was archived, disabled or taken down by {}: {said}", name(*.vendor))]
    Archived {
        /// Who was asked.
        vendor: Vendor,
        /// The model.
        model: String,
        /// The hub's words.
        said: String,
    },
    /// Too many requests, or a quota used up.
    #[error(
        "{} wants to be asked less often{}",
        name(*.vendor),
        .wait.map(|wait| format!("; try again in {} s", wait.as_secs())).unwrap_or_default()
    )]
    RateLimited {
        /// Who was asked.
        vendor: Vendor,
        /// How long to wait, if it says.
        wait: Option<Duration>,
    },
    /// The network or the hub fails.
    #[error("{} can't be reached, or fails", name(*.vendor))]
    Unavailable {
        /// Who was asked.
        vendor: Vendor,
        /// What happened.
        source: HttpError,
    },
    /// The HTTP client refused an answer.
    #[error("{} gave an answer that can't be used", name(*.vendor))]
    Unusable {
        /// Who was asked.
        vendor: Vendor,
        /// What was wrong.
        source: HttpError,
    },
    /// An answer that makes no sense, or is not safe to act on.
    #[error("{} gave an answer that can't be used: {problem}", name(*.vendor))]
    InvalidAnswer {
        /// Who was asked.
        vendor: Vendor,
        /// What was wrong.
        problem: String,
    },
    /// A pickle.
    #[error("{file} of {model}: {why}")]
    Pickle {
        /// The model.
        model: String,
        /// The file.
        file: String,
        /// Why pickles are not taken, and what to do.
        why: String,
    },
    /// Nothing there that is a model that can be used.
    #[error("{model} has no model that can be used: {why}")]
    NothingUsable {
        /// The model.
        model: String,
        /// What there is.
        why: String,
    },
    /// The hub's scan found something.
    #[error("{file} of {model} is not taken: the hub's {scan} scan says that it is dangerous")]
    Flagged {
        /// The model.
        model: String,
        /// The file.
        file: String,
        /// `virus` or `pickle`.
        scan: &'static str,
    },
    /// Several, and nothing tells which.
    #[error("{model} has several models: ask for one of {}", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        model: String,
        /// Ids to ask for instead; at most 20.
        candidates: Vec<String>,
    },
    /// A part of a set is not there.
    #[error("{model} is incomplete at its hub: {missing} is missing; take another file or ask again later")]
    Incomplete {
        /// The model.
        model: String,
        /// The name of the first part that is missing.
        missing: String,
    },
    /// A search that the hub can't be asked.
    #[error("{field}: {problem}")]
    InvalidQuery {
        /// The field of the query.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The vendor's name for people.
pub(crate) fn name(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::HuggingFace => "Hugging Face",
        Vendor::CivitAi => "CivitAI",
        Vendor::Local => "this machine",
    }
}

fn login(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::CivitAi => "civitai",
        Vendor::HuggingFace | Vendor::Local => "hf",
    }
}

impl VendorError {
    /// The error reason that clients match, as `docs/errors/` has them.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherVendor { .. } => "INVALID_MODEL_ID",
            Self::NotThere { .. } => "MODEL_NOT_AT_VENDOR",
            Self::Gated { .. } => "MODEL_GATED",
            Self::LoginRequired { .. } => "VENDOR_LOGIN_REQUIRED",
            Self::TokenRejected { .. } => "VENDOR_TOKEN_REJECTED",
            Self::AccessDenied { .. } => "VENDOR_ACCESS_DENIED",
            Self::DownloadsDisabled { .. } => "DOWNLOADS_DISABLED",
            Self::EarlyAccess { .. } => "MODEL_EARLY_ACCESS",
            Self::Archived { .. } => "MODEL_ARCHIVED",
            Self::RateLimited { .. } => "VENDOR_RATE_LIMITED",
            Self::Unavailable { .. } => "VENDOR_UNAVAILABLE",
            Self::Unusable { .. } | Self::InvalidAnswer { .. } => "VENDOR_ANSWER_INVALID",
            Self::Pickle { .. } | Self::NothingUsable { .. } => "MODEL_FORMAT_UNSUPPORTED",
            Self::Flagged { .. } => "MODEL_FLAGGED",
            Self::Ambiguous { .. } => "MODEL_FILE_AMBIGUOUS",
            Self::Incomplete { .. } => "MODEL_INCOMPLETE",
            Self::InvalidQuery { .. } => "INVALID_ARGUMENT",
        }
    }

    /// How long the hub asks to be left alone.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait, .. } => *wait,
            Self::Unavailable { source, .. } => source.wait(),
            _ => None,
        }
    }

    /// Whether it says that the files are not for us, which is a fact about the model and no failure to look.
    pub(crate) fn is_about_access(&self) -> bool {
        matches!(
            self,
            Self::Gated { .. }
                | Self::LoginRequired { .. }
                | Self::AccessDenied { .. }
                | Self::DownloadsDisabled { .. }
                | Self::EarlyAccess { .. }
        )
    }
}
