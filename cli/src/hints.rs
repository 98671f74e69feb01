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
        reason::MODEL_NOT_FOUND => "`rbee model ls` lists the models; `rbee model pull REF` downloads one",
        reason::ADD_ON_NOT_FOUND => "`rbee worker attach WORKER MODEL` gives it to the worker",
        reason::ADD_ON_UNSUITABLE => "`rbee model show ID` tells what it is and which models it goes with",
        reason::PICTURE_NOT_FINITE => "try without LoRAs and with a lower --guidance, or another --vae",
        reason::MODEL_EXISTS => "choose another --name, or remove the old one with `rbee model rm ID`",
        reason::MODEL_INCOMPATIBLE => "`rbee model show ID` lists the worker types that can serve the model",
        reason::MODEL_NOT_AVAILABLE => "`rbee job ls` shows whether it is still being brought in",
        reason::MODEL_FILES_MISSING => {
            "`rbee model verify ID` tells which; `rbee model pull ID` fetches them again, or import the file anew"
        }
        reason::MODEL_CORRUPT => {
            "compare the file's checksum with its publisher's; `rbee model rm ID` removes a bad one"
        }
        reason::MODEL_GATED => {
            "accept the terms on the model's page, then `rbee login hf` with a token of that account"
        }
        reason::MODEL_NOT_AT_VENDOR => {
            "check the spelling, or `rbee model search WORD`; a private model needs `rbee login hf`"
        }
        reason::MODEL_FILE_AMBIGUOUS => "ask again with one of these ids; `rbee model resolve ID` tells more",
        reason::MODEL_INCOMPLETE => "take another of its files: `rbee model resolve REF` lists them",
        reason::MODEL_FLAGGED => "take another file or another model: `rbee model search WORD`",
        reason::MODEL_ARCHIVED | reason::DOWNLOADS_DISABLED => {
            "look for another version: `rbee model search --hub civitai WORD`"
        }
        reason::MODEL_EARLY_ACCESS => {
            "wait, or buy access on its page and `rbee login civitai` with a key of that account"
        }
        reason::MODEL_FORMAT_UNSUPPORTED => {
            "look for GGUF or safetensors files of it: `rbee model search WORD --gguf`"
        }
        reason::VENDOR_LOGIN_REQUIRED => "`rbee login civitai` (or `rbee login hf`), then ask again",
        reason::VENDOR_TOKEN_REJECTED => {
            "make a new token in your account at the hub, and `rbee login` with it"
        }
        reason::VENDOR_ACCESS_DENIED => {
            "give the token the right at the hub, or `rbee login` with one of another account"
        }
        reason::VENDOR_RATE_LIMITED => {
            "wait and ask again; hubs allow more to those who are logged in (`rbee login`)"
        }
        reason::VENDOR_UNAVAILABLE => "try again later; what was downloaded so far is kept",
        reason::DOWNLOAD_CORRUPT => "pull it again; if it stays so, tell the model's owner",
        reason::DISK_FULL => {
            "free some room: `rbee model rm ID`, then `rbee model gc`; the same command then goes on where it was"
        }
        reason::TOO_MANY_JOBS => "`rbee job ls --active` lists them; `rbee job cancel ID` ends one",
        reason::JOB_CONFLICT => "`rbee job ls --active` shows the other; `rbee job cancel ID` ends it",
        reason::HARD_LINK_IMPOSSIBLE => "leave --link out: the file is then copied",
        reason::PACKAGE_NOT_FOUND => "`rbee worker packages` lists what there is",
        reason::PACKAGE_DEPENDENCY_MISSING => {
            "install what is missing, or take a package that needs no compiler: `rbee worker packages`"
        }
        reason::PACKAGE_ARCH_UNSUPPORTED => "`rbee worker packages` lists what can be built here",
        reason::PACKAGE_BUILD_FAILED => {
            "read its last lines from the first error on: `rbee job watch ID` shows them"
        }
        reason::PACKAGE_SOURCE_UNAVAILABLE => "check the network of the server's host, and try again",
        reason::WORKER_NOT_FOUND => "`rbee worker ls` lists the workers",
        reason::WORKER_BINARY_NOT_FOUND => {
            "`rbee worker binaries` lists what is installed; `rbee worker install TYPE` builds what is not"
        }
        reason::DEVICE_NOT_FOUND | reason::DEVICE_INCOMPATIBLE => "`rbee device ls` lists the devices",
        reason::INSUFFICIENT_MEMORY => {
            "ask for a shorter --context or fewer --slots, make room with --evict, or start it all the same with --force"
        }
        reason::JOB_NOT_FOUND => "`rbee job ls` lists the jobs",
        reason::QUEUE_FULL => "try again in a moment, or spawn another worker of the model",
        reason::OUT_OF_MEMORY => "stop a worker with `rbee worker stop ID`, or ask for a smaller --context",
        reason::UNAUTHENTICATED | reason::TOKEN_UNKNOWN => {
            "name the file with the server's token: --token-file FILE (or RBEE_TOKEN_FILE)"
        }
        reason::TOKEN_EXPIRED | reason::TOKEN_REVOKED | reason::SCOPE_INSUFFICIENT => {
            "whoever runs the cluster makes another: `rbee token create NAME --scope read|use|operate`"
        }
        reason::RATE_LIMITED | reason::TOO_MANY_CALLS => {
            "give each program a token of its own, or raise [limits] on the server"
        }
        reason::CONTEXT_OVERFLOW => {
            "shorten the conversation (/clear), or spawn a worker with a larger --context"
        }
        reason::NO_CHAT_TEMPLATE => {
            "this is a base model: continue a text with `rbee complete MODEL --prompt TEXT`"
        }
        reason::HIVE_DRAINING => {
            "`rbee hive resume NAME` lets it take workers again, or name another with --hive"
        }
        reason::WORKER_CRASH_LOOPING => {
            "`rbee worker show ID` shows its last crash; `rbee worker restart ID` tries it again"
        }
        reason::WORKER_EXITED | reason::WORKER_NOT_READY | reason::WORKER_START_FAILED => {
            "`rbee events` tells what happened; `rbee worker ls` lists the workers that are left"
        }
        _ => return None,
    })
}
