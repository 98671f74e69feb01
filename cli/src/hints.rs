//! What a person at a shell can do about an error: the command for it.
//!
//! The pages in `docs/errors/` explain each reason; these are the one line that fits under the
//! error message.

use rbee_service_kit::reason;

/// What to do when nobody answers.
pub(crate) const UNREACHABLE: &str =
    "start the server with `rbee up`, or name another one with --server URL (or RBEE_SERVER)";

/// The command that helps against a reason, if there is one.
pub(crate) fn for_reason(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::MODEL_NOT_FOUND => {
            "`rbee model ls` lists the models; `rbee model import FILE --name NAME` adds one"
        }
        reason::MODEL_EXISTS => "choose another --name, or remove the old one with `rbee model rm ID`",
        reason::MODEL_INCOMPATIBLE => "`rbee model show ID` lists the worker types that can serve the model",
        reason::MODEL_NOT_AVAILABLE => "`rbee job ls` shows whether it is still being brought in",
        reason::MODEL_FILES_MISSING => "remove it with `rbee model rm ID` and import the file anew",
        reason::MODEL_CORRUPT => {
            "compare the file's checksum with its publisher's; `rbee model rm ID` removes a bad one"
        }
        reason::HARD_LINK_IMPOSSIBLE => "leave --hard-link out: the file is then copied",
        reason::WORKER_NOT_FOUND => "`rbee worker ls` lists the workers",
        reason::WORKER_BINARY_NOT_FOUND => {
            "`rbee worker binaries` lists what is installed; `rbee up` installs what lies beside its executable"
        }
        reason::DEVICE_NOT_FOUND | reason::DEVICE_INCOMPATIBLE => "`rbee device ls` lists the devices",
        reason::INSUFFICIENT_MEMORY => {
            "ask for a shorter --context or fewer --slots, stop a worker, or start it all the same with --force"
        }
        reason::JOB_NOT_FOUND => "`rbee job ls` lists the jobs",
        reason::QUEUE_FULL => "try again in a moment, or spawn another worker of the model",
        reason::OUT_OF_MEMORY => "stop a worker with `rbee worker stop ID`, or ask for a smaller --context",
        reason::UNAUTHENTICATED => {
            "name the file with the server's token: --token-file FILE (or RBEE_TOKEN_FILE)"
        }
        reason::CONTEXT_OVERFLOW => {
            "shorten the conversation (/clear), or spawn a worker with a larger --context"
        }
        reason::NO_CHAT_TEMPLATE => {
            "this is a base model: continue a text with `rbee complete MODEL --prompt TEXT`"
        }
        reason::WORKER_EXITED | reason::WORKER_NOT_READY | reason::WORKER_START_FAILED => {
            "`rbee events` tells what happened; `rbee worker ls` lists the workers that are left"
        }
        _ => return None,
    })
}
