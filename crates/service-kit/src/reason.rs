//! The closed list of error reasons.
//!
//! A reason is what clients match: it goes into `google.rpc.ErrorInfo.reason` with the domain
//! [`DOMAIN`]. Each has a page in `docs/errors/` that says what it means and what to do.

/// The domain of every reason.
pub const DOMAIN: &str = "rbee";

/// Makes the constants and the list of them, so that no reason can miss from the list.
macro_rules! reasons {
    ($($(#[$documentation:meta])+ pub const $name:ident: &str = $text:literal;)+) => {
        $($(#[$documentation])+ pub const $name: &str = $text;)+

        /// Every reason, by name.
        pub const ALL: &[&str] = &[$($name),+];
    };
}

/// The reason that is written so, if it is on the list.
#[must_use]
pub fn known(text: &str) -> Option<&'static str> {
    ALL.iter().find(|reason| **reason == text).copied()
}

reasons! {
    /// A request uses an add-on that its worker does not have.
    pub const ADD_ON_NOT_FOUND: &str = "ADD_ON_NOT_FOUND";
    /// An add-on does not go with the model, or can't be used at all.
    pub const ADD_ON_UNSUITABLE: &str = "ADD_ON_UNSUITABLE";
    /// A model does not fit into the cache of a hive whose store is elsewhere.
    pub const CACHE_TOO_SMALL: &str = "CACHE_TOO_SMALL";
    /// The catalog can't be reached by a service that needs it.
    pub const CATALOG_UNAVAILABLE: &str = "CATALOG_UNAVAILABLE";
    /// A chat template is broken, does too much, or refuses the conversation.
    pub const CHAT_TEMPLATE_FAILED: &str = "CHAT_TEMPLATE_FAILED";
    /// The connection to a service ended in the middle of a call. Clients say so; no service does.
    pub const CONNECTION_LOST: &str = "CONNECTION_LOST";
    /// The vocabulary of a worker's model can't be held to a constraint.
    pub const CONSTRAINT_UNSUPPORTED: &str = "CONSTRAINT_UNSUPPORTED";
    /// A prompt leaves no room for an answer in the worker's context.
    pub const CONTEXT_OVERFLOW: &str = "CONTEXT_OVERFLOW";
    /// The worker type needs another kind of device.
    pub const DEVICE_INCOMPATIBLE: &str = "DEVICE_INCOMPATIBLE";
    /// The hive has no such device.
    pub const DEVICE_NOT_FOUND: &str = "DEVICE_NOT_FOUND";
    /// The store's disk is full.
    pub const DISK_FULL: &str = "DISK_FULL";
    /// The store has a document that this version of rbee can't read at the entry's place.
    pub const DOCUMENT_SET_ASIDE: &str = "DOCUMENT_SET_ASIDE";
    /// The creator of the model lets nobody download it.
    pub const DOWNLOADS_DISABLED: &str = "DOWNLOADS_DISABLED";
    /// A downloaded file is not what its hub says it is.
    pub const DOWNLOAD_CORRUPT: &str = "DOWNLOAD_CORRUPT";
    /// The model does not declare how vectors of texts are made.
    pub const EMBEDDING_UNSUPPORTED: &str = "EMBEDDING_UNSUPPORTED";
    /// A worker's computation failed.
    pub const ENGINE_FAILED: &str = "ENGINE_FAILED";
    /// A file changed while it was being imported.
    pub const FILE_CHANGED: &str = "FILE_CHANGED";
    /// There is no file at the path to import.
    pub const FILE_NOT_FOUND: &str = "FILE_NOT_FOUND";
    /// The file to import can't be read.
    pub const FILE_UNREADABLE: &str = "FILE_UNREADABLE";
    /// The file can't be hard-linked into the store.
    pub const HARD_LINK_IMPOSSIBLE: &str = "HARD_LINK_IMPOSSIBLE";
    /// A call's headers are larger than the server takes.
    pub const HEADERS_TOO_LARGE: &str = "HEADERS_TOO_LARGE";
    /// The hive is drained and takes no workers.
    pub const HIVE_DRAINING: &str = "HIVE_DRAINING";
    /// Another hive has this hive's id.
    pub const HIVE_ID_TAKEN: &str = "HIVE_ID_TAKEN";
    /// The catalog doesn't know the hive.
    pub const HIVE_NOT_REGISTERED: &str = "HIVE_NOT_REGISTERED";
    /// The client may not import this path.
    pub const IMPORT_NOT_ALLOWED: &str = "IMPORT_NOT_ALLOWED";
    /// A worker would not fit into a device's memory.
    pub const INSUFFICIENT_MEMORY: &str = "INSUFFICIENT_MEMORY";
    /// A failure that is the project's own fault.
    pub const INTERNAL: &str = "INTERNAL";
    /// A field of a request is missing, malformed or out of range.
    pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
    /// A text is not the id, or the name, of a model.
    pub const INVALID_MODEL_ID: &str = "INVALID_MODEL_ID";
    /// Another job brings the same thing in from another source.
    pub const JOB_CONFLICT: &str = "JOB_CONFLICT";
    /// The provisioner has no such job.
    pub const JOB_NOT_FOUND: &str = "JOB_NOT_FOUND";
    /// The hive can't write the list of workers that are wanted.
    pub const LEDGER_UNAVAILABLE: &str = "LEDGER_UNAVAILABLE";
    /// A request is larger than the server takes.
    pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
    /// The server knows no such call.
    pub const METHOD_UNKNOWN: &str = "METHOD_UNKNOWN";
    /// The vendor keeps the model's page, but not its files.
    pub const MODEL_ARCHIVED: &str = "MODEL_ARCHIVED";
    /// A model's file is damaged: its header or its data make no sense.
    pub const MODEL_CORRUPT: &str = "MODEL_CORRUPT";
    /// The model can be had by those who paid for it, until a date.
    pub const MODEL_EARLY_ACCESS: &str = "MODEL_EARLY_ACCESS";
    /// The name belongs to a model with other content.
    pub const MODEL_EXISTS: &str = "MODEL_EXISTS";
    /// The store lacks files that the catalog lists for a model.
    pub const MODEL_FILES_MISSING: &str = "MODEL_FILES_MISSING";
    /// There are several models where one was asked for; the message lists their ids.
    pub const MODEL_FILE_AMBIGUOUS: &str = "MODEL_FILE_AMBIGUOUS";
    /// The vendor's scan found something harmful in the file.
    pub const MODEL_FLAGGED: &str = "MODEL_FLAGGED";
    /// A file is no model of a format that can be imported.
    pub const MODEL_FORMAT_UNSUPPORTED: &str = "MODEL_FORMAT_UNSUPPORTED";
    /// The vendor gives the files to those only who agreed to the model's terms.
    pub const MODEL_GATED: &str = "MODEL_GATED";
    /// The worker type can't serve this kind of model.
    pub const MODEL_INCOMPATIBLE: &str = "MODEL_INCOMPATIBLE";
    /// The vendor has only some of the files that make up the model.
    pub const MODEL_INCOMPLETE: &str = "MODEL_INCOMPLETE";
    /// The vendor has no such repository, revision, version or file, or shows it to others only.
    pub const MODEL_NOT_AT_VENDOR: &str = "MODEL_NOT_AT_VENDOR";
    /// The model is still being brought in, or bringing it in failed.
    pub const MODEL_NOT_AVAILABLE: &str = "MODEL_NOT_AVAILABLE";
    /// The catalog has no such model.
    pub const MODEL_NOT_FOUND: &str = "MODEL_NOT_FOUND";
    /// A model's file is well formed, but this worker can't run its architecture or quantization.
    pub const MODEL_UNSUPPORTED: &str = "MODEL_UNSUPPORTED";
    /// The path to import is a folder or something else that is no file.
    pub const NOT_A_REGULAR_FILE: &str = "NOT_A_REGULAR_FILE";
    /// The model brings no chat template, and the request neither.
    pub const NO_CHAT_TEMPLATE: &str = "NO_CHAT_TEMPLATE";
    /// A worker's device has too little memory for what was asked.
    pub const OUT_OF_MEMORY: &str = "OUT_OF_MEMORY";
    /// The package can't be built for this platform.
    pub const PACKAGE_ARCH_UNSUPPORTED: &str = "PACKAGE_ARCH_UNSUPPORTED";
    /// A function of a package's PKGBUILD failed, or took too long.
    pub const PACKAGE_BUILD_FAILED: &str = "PACKAGE_BUILD_FAILED";
    /// A source is not what its PKGBUILD says it is.
    pub const PACKAGE_CHECKSUM_MISMATCH: &str = "PACKAGE_CHECKSUM_MISMATCH";
    /// A program or library that a build needs is missing.
    pub const PACKAGE_DEPENDENCY_MISSING: &str = "PACKAGE_DEPENDENCY_MISSING";
    /// A PKGBUILD, a package index or an archive is faulty, or asks for what is not allowed.
    pub const PACKAGE_INVALID: &str = "PACKAGE_INVALID";
    /// The package index has no such package.
    pub const PACKAGE_NOT_FOUND: &str = "PACKAGE_NOT_FOUND";
    /// The package index, or a source of a package, can't be fetched.
    pub const PACKAGE_SOURCE_UNAVAILABLE: &str = "PACKAGE_SOURCE_UNAVAILABLE";
    /// The computation of a picture gave numbers that are none.
    pub const PICTURE_NOT_FINITE: &str = "PICTURE_NOT_FINITE";
    /// The provisioner can't be reached by the catalog, which passes calls on to it.
    pub const PROVISIONER_UNAVAILABLE: &str = "PROVISIONER_UNAVAILABLE";
    /// All of a worker's slots are busy and its queue is full.
    pub const QUEUE_FULL: &str = "QUEUE_FULL";
    /// A client makes more calls a second than it may.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// The catalog holds as many hives or workers as it may.
    pub const REGISTRY_FULL: &str = "REGISTRY_FULL";
    /// An entry changed since the client read it.
    pub const REVISION_CONFLICT: &str = "REVISION_CONFLICT";
    /// The token is good, but not for this call.
    pub const SCOPE_INSUFFICIENT: &str = "SCOPE_INSUFFICIENT";
    /// The service is shutting down.
    pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
    /// The store can't be read or written.
    pub const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
    /// The token's time is over.
    pub const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";
    /// The token was revoked.
    pub const TOKEN_REVOKED: &str = "TOKEN_REVOKED";
    /// The token is none that the server knows.
    pub const TOKEN_UNKNOWN: &str = "TOKEN_UNKNOWN";
    /// The chat template does not know tools.
    pub const TOOLS_UNSUPPORTED: &str = "TOOLS_UNSUPPORTED";
    /// A client has as many calls running as it may.
    pub const TOO_MANY_CALLS: &str = "TOO_MANY_CALLS";
    /// Too many jobs run or wait already.
    pub const TOO_MANY_JOBS: &str = "TOO_MANY_JOBS";
    /// The call carries no token.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// The vendor knows the token, and does not let its owner have the model.
    pub const VENDOR_ACCESS_DENIED: &str = "VENDOR_ACCESS_DENIED";
    /// A vendor's answer makes no sense or is not safe to act on.
    pub const VENDOR_ANSWER_INVALID: &str = "VENDOR_ANSWER_INVALID";
    /// The vendor gives the file to people with an account only.
    pub const VENDOR_LOGIN_REQUIRED: &str = "VENDOR_LOGIN_REQUIRED";
    /// The vendor wants to be asked less often.
    pub const VENDOR_RATE_LIMITED: &str = "VENDOR_RATE_LIMITED";
    /// The vendor does not know the token that rbee has for it.
    pub const VENDOR_TOKEN_REJECTED: &str = "VENDOR_TOKEN_REJECTED";
    /// The vendor can't be reached, or fails.
    pub const VENDOR_UNAVAILABLE: &str = "VENDOR_UNAVAILABLE";
    /// A watching client reads too slowly.
    pub const WATCH_LAGGED: &str = "WATCH_LAGGED";
    /// A program is not the worker it is to be installed as.
    pub const WORKER_BINARY_INVALID: &str = "WORKER_BINARY_INVALID";
    /// No worker program of the type is installed for the platform.
    pub const WORKER_BINARY_NOT_FOUND: &str = "WORKER_BINARY_NOT_FOUND";
    /// The worker that a call is for crashed too often and is left alone.
    pub const WORKER_CRASH_LOOPING: &str = "WORKER_CRASH_LOOPING";
    /// A worker's process ended by itself.
    pub const WORKER_EXITED: &str = "WORKER_EXITED";
    /// The worker that a call is for has failed.
    pub const WORKER_FAILED: &str = "WORKER_FAILED";
    /// A call to a worker does not say to which.
    pub const WORKER_ID_MISSING: &str = "WORKER_ID_MISSING";
    /// The worker ended, or broke the connection, in the middle of a call.
    pub const WORKER_LOST: &str = "WORKER_LOST";
    /// The hive has no such worker.
    pub const WORKER_NOT_FOUND: &str = "WORKER_NOT_FOUND";
    /// The worker does not serve yet, or did not get ready in time.
    pub const WORKER_NOT_READY: &str = "WORKER_NOT_READY";
    /// A worker's process could not be started, or gave up for a reason of its own.
    pub const WORKER_START_FAILED: &str = "WORKER_START_FAILED";
    /// The worker was stopped while it was being started.
    pub const WORKER_STOPPED: &str = "WORKER_STOPPED";
    /// The worker is leaving and takes no more requests.
    pub const WORKER_STOPPING: &str = "WORKER_STOPPING";
    /// A worker stopped answering health checks and was ended.
    pub const WORKER_UNRESPONSIVE: &str = "WORKER_UNRESPONSIVE";
}
