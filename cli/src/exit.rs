//! What the exit codes mean, and which failure gives which.

use rbee_service_kit::{RemoteFault, reason};
use tonic::Code;

/// How the command ends. Scripts rely on the numbers: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It worked.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command line, or a value in it, is wrong.
    Usage = 2,
    /// The server can't be reached.
    Unreachable = 3,
    /// What was named isn't there.
    NotFound = 4,
    /// The server refused: something must be different first.
    Refused = 5,
    /// No room or no time now; the same command may work later.
    TryLater = 6,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

/// The table that `rbee help exit-codes` shows.
pub(crate) const EXPLANATION: &str = "\
Exit codes:
    0  it worked
    1  it failed
    2  the command line, or a value in it, is wrong
    3  the server can't be reached
    4  what was named isn't there
    5  the server refused: something must be different first
    6  no room or no time now; the same command may work later
  130  interrupted by Ctrl-C

With --json an error is one line of JSON on stderr: {\"error\":{\"exit_code\":…,\"message\":…,\"reason\":…}}.
Match `reason`, never the message; docs/errors/<REASON>.md explains each.";

impl Exit {
    /// The exit code for an error that the server answered with.
    pub(crate) fn of_fault(fault: &RemoteFault) -> Self {
        match fault.code {
            Code::NotFound => Self::NotFound,
            Code::InvalidArgument | Code::OutOfRange => Self::Usage,
            Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Aborted => Self::Refused,
            Code::ResourceExhausted => Self::TryLater,
            // A service of rbee says so with a reason; without one nobody answered.
            Code::Unavailable | Code::DeadlineExceeded if fault.reason.is_some() => Self::TryLater,
            Code::Unavailable | Code::DeadlineExceeded => Self::Unreachable,
            _ => Self::Failed,
        }
    }

    /// The exit code for a failure that is only known by its reason, such as a job's.
    pub(crate) fn of_reason(reason: &str) -> Self {
        match reason {
            reason::INVALID_ARGUMENT | reason::INVALID_MODEL_ID => Self::Usage,
            reason::DISK_FULL
            | reason::INSUFFICIENT_MEMORY
            | reason::LEDGER_UNAVAILABLE
            | reason::TOO_MANY_JOBS
            | reason::CATALOG_UNAVAILABLE
            | reason::PROVISIONER_UNAVAILABLE
            | reason::STORE_UNAVAILABLE
            | reason::VENDOR_RATE_LIMITED
            | reason::VENDOR_UNAVAILABLE
            | reason::PACKAGE_SOURCE_UNAVAILABLE
            | reason::SHUTTING_DOWN => Self::TryLater,
            reason::MODEL_EXISTS
            | reason::HARD_LINK_IMPOSSIBLE
            | reason::IMPORT_NOT_ALLOWED
            | reason::JOB_CONFLICT
            | reason::MODEL_GATED
            | reason::MODEL_INCOMPLETE
            | reason::MODEL_FLAGGED
            | reason::MODEL_FILE_AMBIGUOUS
            | reason::MODEL_ARCHIVED
            | reason::MODEL_EARLY_ACCESS
            | reason::DOWNLOADS_DISABLED
            | reason::VENDOR_LOGIN_REQUIRED
            | reason::VENDOR_TOKEN_REJECTED
            | reason::VENDOR_ACCESS_DENIED
            | reason::PACKAGE_ARCH_UNSUPPORTED
            | reason::PACKAGE_DEPENDENCY_MISSING => Self::Refused,
            reason::MODEL_NOT_AT_VENDOR => Self::NotFound,
            reason if reason.ends_with("_NOT_FOUND") => Self::NotFound,
            _ => Self::Failed,
        }
    }

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: Code, reason: Option<&str>) -> RemoteFault {
        RemoteFault {
            code,
            reason: reason.map(str::to_owned),
            message: String::new(),
            metadata: std::collections::HashMap::new(),
            retry_after: None,
            violations: Vec::new(),
        }
    }

    #[test]
    fn every_kind_of_answer_has_its_exit_code() {
        let cases = [
            (Code::NotFound, Some("MODEL_NOT_FOUND"), Exit::NotFound),
            (Code::InvalidArgument, Some("INVALID_MODEL_ID"), Exit::Usage),
            (
                Code::FailedPrecondition,
                Some("MODEL_INCOMPATIBLE"),
                Exit::Refused,
            ),
            (Code::AlreadyExists, Some("MODEL_EXISTS"), Exit::Refused),
            (Code::Unauthenticated, Some("UNAUTHENTICATED"), Exit::Refused),
            (Code::PermissionDenied, Some("IMPORT_NOT_ALLOWED"), Exit::Refused),
            (Code::ResourceExhausted, Some("QUEUE_FULL"), Exit::TryLater),
            (Code::Unavailable, Some("CATALOG_UNAVAILABLE"), Exit::TryLater),
            (Code::Unavailable, None, Exit::Unreachable),
            (Code::Internal, Some("INTERNAL"), Exit::Failed),
            (Code::Unimplemented, None, Exit::Failed),
        ];
        for (code, reason, exit) in cases {
            assert_eq!(Exit::of_fault(&fault(code, reason)), exit, "{code:?} {reason:?}");
        }
    }

    #[test]
    fn a_reason_alone_tells_what_is_missing() {
        assert_eq!(Exit::of_reason("FILE_NOT_FOUND"), Exit::NotFound);
        assert_eq!(Exit::of_reason("MODEL_CORRUPT"), Exit::Failed);
        assert_eq!(Exit::of_reason("DISK_FULL"), Exit::TryLater);
        assert_eq!(Exit::of_reason("MODEL_NOT_AT_VENDOR"), Exit::NotFound);
        assert_eq!(Exit::of_reason("MODEL_GATED"), Exit::Refused);
        assert_eq!(Exit::of_reason("VENDOR_RATE_LIMITED"), Exit::TryLater);
    }

    #[test]
    fn the_explanation_names_every_code() {
        for exit in [
            Exit::Ok,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Refused,
            Exit::TryLater,
            Exit::Interrupted,
        ] {
            let code = format!("{:>5}  ", exit.code());
            assert!(
                EXPLANATION.lines().any(|line| line.starts_with(&code)),
                "{code:?}"
            );
        }
    }
}
