//! One sentence for each error reason, for somebody who looks at a window and not at a protocol.

use rbee_service_kit::reason;
use tonic::Code;

/// Nobody answered.
pub(super) const UNREACHABLE: &str = "The connection to the cluster is lost.";

/// What a reason means; `None` for one that this window does not know.
pub(super) fn of_reason(reason: &str) -> Option<&'static str> {
    of_models(reason)
        .or_else(|| of_workers(reason))
        .or_else(|| of_vendors(reason))
        .or_else(|| of_the_rest(reason))
}

fn of_models(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::ADD_ON_NOT_FOUND => "The worker does not have one of the add-ons.",
        reason::ADD_ON_UNSUITABLE => "An add-on does not go with this model.",
        reason::CHAT_TEMPLATE_FAILED => "The model's chat template refuses this conversation.",
        reason::CONSTRAINT_UNSUPPORTED => "This model's vocabulary can't be held to a constraint.",
        reason::CONTEXT_OVERFLOW => "The conversation has grown longer than the worker's context.",
        reason::DOCUMENT_SET_ASIDE => "The store has an entry that this version can't read.",
        reason::EMBEDDING_UNSUPPORTED => "This model does not make vectors of texts.",
        reason::INVALID_MODEL_ID => "This is not the id of a model.",
        reason::MODEL_CORRUPT => "A file of the model is damaged.",
        reason::MODEL_EXISTS => "Another model has this name already.",
        reason::MODEL_FILES_MISSING => "Files of the model are missing from the store.",
        reason::MODEL_FORMAT_UNSUPPORTED => {
            "This file is no model that can be used here: take GGUF or safetensors."
        }
        reason::MODEL_INCOMPATIBLE => "This kind of worker can't serve this model.",
        reason::MODEL_NOT_AVAILABLE => "The model is not ready for use yet.",
        reason::MODEL_NOT_FOUND => "The cluster does not have this model.",
        reason::MODEL_UNSUPPORTED => "This worker can't run the model's architecture or quantization.",
        reason::NO_CHAT_TEMPLATE => {
            "This is a base model: it continues text and does not hold conversations."
        }
        reason::TOOLS_UNSUPPORTED => "This model does not know tools.",
        reason::FILE_CHANGED => "The file changed while it was being imported.",
        reason::FILE_NOT_FOUND => "There is no file at this path.",
        reason::FILE_UNREADABLE => "The file can't be read.",
        reason::HARD_LINK_IMPOSSIBLE => "The file can't be linked into the store: import a copy.",
        reason::IMPORT_NOT_ALLOWED => "The server does not import from this folder.",
        reason::NOT_A_REGULAR_FILE => "This is a folder or something else that is no file.",
        _ => return None,
    })
}

fn of_workers(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::DEVICE_INCOMPATIBLE => "This kind of worker does not run on this device.",
        reason::DEVICE_NOT_FOUND => "The hive does not have this device.",
        reason::ENGINE_FAILED => "The worker's computation failed.",
        reason::HIVE_DRAINING => "The hive is being emptied and takes no workers.",
        reason::HIVE_ID_TAKEN => "Two hives run under one id.",
        reason::HIVE_NOT_REGISTERED => "The catalog does not know this hive.",
        reason::INSUFFICIENT_MEMORY => "The worker would not fit into the device's memory.",
        reason::OUT_OF_MEMORY => "The device has too little memory for this.",
        reason::PICTURE_NOT_FINITE => {
            "The picture came out as no numbers: try lower guidance, or without LoRAs."
        }
        reason::QUEUE_FULL => "The worker has as much to do as it takes.",
        reason::WORKER_BINARY_INVALID => "This program is not the worker that it is to be.",
        reason::WORKER_BINARY_NOT_FOUND => "No worker program of this kind is installed.",
        reason::WORKER_CRASH_LOOPING => "The worker crashed too often and is left alone.",
        reason::WORKER_EXITED => "The worker's process ended by itself.",
        reason::WORKER_FAILED => "The worker has failed.",
        reason::WORKER_ID_MISSING => "The call does not say for which worker it is.",
        reason::WORKER_LOST => "The worker ended in the middle of its answer.",
        reason::WORKER_NOT_FOUND => "This worker is gone.",
        reason::WORKER_NOT_READY => "The worker is not ready yet.",
        reason::WORKER_START_FAILED => "The worker could not start.",
        reason::WORKER_STOPPED => "The worker was stopped.",
        reason::WORKER_STOPPING => "The worker is leaving and takes no more requests.",
        reason::WORKER_UNRESPONSIVE => "The worker stopped answering.",
        _ => return None,
    })
}

fn of_vendors(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::DOWNLOADS_DISABLED => "The model's creator lets nobody download it.",
        reason::DOWNLOAD_CORRUPT => "What was downloaded is not what the hub says it is.",
        reason::MODEL_ARCHIVED => "The hub keeps the model's page, but not its files.",
        reason::MODEL_EARLY_ACCESS => "The model can be had only by those who paid for it, until a date.",
        reason::MODEL_FILE_AMBIGUOUS => "There are several files to choose from.",
        reason::MODEL_FLAGGED => "The hub's scan found something harmful in the file.",
        reason::MODEL_GATED => "The hub gives this model only to those who agreed to its terms.",
        reason::MODEL_INCOMPLETE => "The hub has only some of the model's files.",
        reason::MODEL_NOT_AT_VENDOR => "The hub has no such model, or shows it to others only.",
        reason::VENDOR_ACCESS_DENIED => "The hub knows your token, and does not let you have this model.",
        reason::VENDOR_ANSWER_INVALID => "The hub's answer makes no sense.",
        reason::VENDOR_LOGIN_REQUIRED => "The hub gives this file only to people with an account.",
        reason::VENDOR_RATE_LIMITED => "The hub wants to be asked less often.",
        reason::VENDOR_TOKEN_REJECTED => "The hub does not know your token.",
        reason::VENDOR_UNAVAILABLE => "The hub can't be reached.",
        reason::PACKAGE_ARCH_UNSUPPORTED => "The package can't be built for this platform.",
        reason::PACKAGE_BUILD_FAILED => "The package's build failed.",
        reason::PACKAGE_CHECKSUM_MISMATCH => "A source of the package is not what it should be.",
        reason::PACKAGE_DEPENDENCY_MISSING => "A program or library that the build needs is missing.",
        reason::PACKAGE_INVALID => "The package is faulty, or asks for what is not allowed.",
        reason::PACKAGE_NOT_FOUND => "There is no such package.",
        reason::PACKAGE_SOURCE_UNAVAILABLE => "A source of the package can't be fetched.",
        _ => return None,
    })
}

fn of_the_rest(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::CATALOG_UNAVAILABLE => "The catalog can't be reached now.",
        reason::CACHE_TOO_SMALL => "The hive's cache is too small for this model.",
        reason::CONNECTION_LOST => "The connection broke in the middle of the answer.",
        reason::PROVISIONER_UNAVAILABLE => "The provisioner can't be reached now.",
        reason::DISK_FULL => "The store's disk is full.",
        reason::INTERNAL => "Something went wrong inside rbee.",
        reason::INVALID_ARGUMENT => "Something in this request is not right.",
        reason::JOB_CONFLICT => "Another job brings the same thing in already.",
        reason::JOB_NOT_FOUND => "This job is gone.",
        reason::LEDGER_UNAVAILABLE => "The hive can't write down which workers are wanted.",
        reason::REGISTRY_FULL => "The catalog holds as many hives or workers as it may.",
        reason::REVISION_CONFLICT => "Somebody changed this meanwhile.",
        reason::SHUTTING_DOWN => "The server is shutting down.",
        reason::STORE_UNAVAILABLE => "The store can't be read or written.",
        reason::TOO_MANY_JOBS => "Too many jobs run or wait already.",
        reason::UNAUTHENTICATED => "The server wants a token.",
        reason::TOKEN_UNKNOWN => "The server does not know this token.",
        reason::TOKEN_EXPIRED => "The token has expired.",
        reason::TOKEN_REVOKED => "The token was revoked.",
        reason::SCOPE_INSUFFICIENT => "The token does not allow this.",
        reason::RATE_LIMITED => "This client asks too often.",
        reason::TOO_MANY_CALLS => "This client has too many calls running.",
        reason::MESSAGE_TOO_LARGE => "This is more than the server takes at once.",
        reason::HEADERS_TOO_LARGE => "The call's metadata is more than the server takes.",
        reason::METHOD_UNKNOWN => "The server is older than this window and knows no such call.",
        reason::WATCH_LAGGED => "The window read too slowly and missed changes.",
        _ => return None,
    })
}

/// What an answer without a reason comes down to.
pub(super) fn of_code(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "The cluster can't be reached now.",
        Code::DeadlineExceeded => "The answer took too long.",
        Code::Cancelled => "The request was cancelled.",
        Code::Unimplemented => {
            "What answers at this address does not know this request: it may be an older rbee."
        }
        Code::PermissionDenied | Code::Unauthenticated => "The server does not let this window in.",
        _ => "The server could not do this.",
    }
}
