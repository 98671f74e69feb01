//! What a person can do about a failure.

use rbee_service_kit::reason;

/// Something to do, as a button beside the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask again as before.
    Retry,
    /// Connect anew.
    Reconnect,
    /// Start the worker anew.
    RestartWorker,
    /// Spawn a worker.
    SpawnWorker,
    /// See the workers.
    OpenWorkers,
    /// See the models and downloads.
    OpenModels,
    /// Look for another model.
    OpenMarketplace,
    /// See the hives.
    OpenHives,
    /// See what happened.
    OpenActivity,
    /// Change the server, its token, or a hub's token.
    OpenSettings,
    /// Begin a new conversation.
    NewConversation,
}

impl Action {
    /// The words on the button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Retry => "Try again",
            Self::Reconnect => "Reconnect",
            Self::RestartWorker => "Restart worker",
            Self::SpawnWorker => "Start a worker",
            Self::OpenWorkers => "Show workers",
            Self::OpenModels => "Show models",
            Self::OpenMarketplace => "Find a model",
            Self::OpenHives => "Show hives",
            Self::OpenActivity => "Show activity",
            Self::OpenSettings => "Open settings",
            Self::NewConversation => "New conversation",
        }
    }
}

/// What helps against a reason, if something in this window does.
pub(super) fn for_reason(reason: &str) -> Option<Action> {
    Some(match reason {
        reason::MODEL_NOT_FOUND
        | reason::MODEL_NOT_AVAILABLE
        | reason::MODEL_EXISTS
        | reason::MODEL_FILES_MISSING
        | reason::MODEL_CORRUPT
        | reason::MODEL_INCOMPATIBLE
        | reason::DISK_FULL
        | reason::TOO_MANY_JOBS
        | reason::JOB_CONFLICT
        | reason::JOB_NOT_FOUND
        | reason::ADD_ON_NOT_FOUND
        | reason::ADD_ON_UNSUITABLE => Action::OpenModels,
        reason::MODEL_UNSUPPORTED
        | reason::MODEL_FORMAT_UNSUPPORTED
        | reason::MODEL_INCOMPLETE
        | reason::MODEL_FLAGGED
        | reason::MODEL_ARCHIVED
        | reason::DOWNLOADS_DISABLED
        | reason::MODEL_NOT_AT_VENDOR
        | reason::MODEL_FILE_AMBIGUOUS
        | reason::NO_CHAT_TEMPLATE
        | reason::PACKAGE_NOT_FOUND
        | reason::PACKAGE_ARCH_UNSUPPORTED
        | reason::WORKER_BINARY_NOT_FOUND => Action::OpenMarketplace,
        reason::MODEL_GATED
        | reason::MODEL_EARLY_ACCESS
        | reason::VENDOR_LOGIN_REQUIRED
        | reason::VENDOR_TOKEN_REJECTED
        | reason::VENDOR_ACCESS_DENIED
        | reason::SCOPE_INSUFFICIENT
        | reason::TOKEN_EXPIRED
        | reason::TOKEN_REVOKED
        | reason::TOKEN_UNKNOWN
        | reason::UNAUTHENTICATED => Action::OpenSettings,
        reason::WORKER_CRASH_LOOPING
        | reason::WORKER_FAILED
        | reason::WORKER_START_FAILED
        | reason::WORKER_EXITED
        | reason::WORKER_UNRESPONSIVE
        | reason::ENGINE_FAILED => Action::RestartWorker,
        reason::WORKER_NOT_FOUND | reason::WORKER_STOPPED | reason::WORKER_STOPPING => Action::SpawnWorker,
        reason::INSUFFICIENT_MEMORY | reason::OUT_OF_MEMORY => Action::OpenWorkers,
        reason::HIVE_DRAINING | reason::DEVICE_NOT_FOUND | reason::DEVICE_INCOMPATIBLE => Action::OpenHives,
        reason::PACKAGE_BUILD_FAILED | reason::INTERNAL | reason::DOCUMENT_SET_ASIDE => Action::OpenActivity,
        reason::CONTEXT_OVERFLOW => Action::NewConversation,
        reason::QUEUE_FULL
        | reason::SHUTTING_DOWN
        | reason::WATCH_LAGGED
        | reason::VENDOR_RATE_LIMITED
        | reason::VENDOR_UNAVAILABLE
        | reason::VENDOR_ANSWER_INVALID
        | reason::DOWNLOAD_CORRUPT
        | reason::CATALOG_UNAVAILABLE
        | reason::STORE_UNAVAILABLE
        | reason::LEDGER_UNAVAILABLE
        | reason::WORKER_LOST
        | reason::WORKER_NOT_READY
        | reason::PACKAGE_SOURCE_UNAVAILABLE
        | reason::REVISION_CONFLICT => Action::Retry,
        _ => return None,
    })
}
