//! Why a worker is not serving.

use jiff::Timestamp;
use rbee_service_kit::reason;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Exit, FailureCause, with_cause};

/// Why a worker is not serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The reason that clients match, one of [`rbee_service_kit::reason`].
    pub reason: &'static str,
    /// What happened, for a person.
    pub message: String,
    /// How the process ended, if one ran.
    pub exit: Option<Exit>,
    /// The last lines of its log, oldest first.
    pub log_tail: Vec<String>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// What made the process end, where that can be told.
    pub cause: Option<FailureCause>,
}

impl Failure {
    /// A failure of which nothing more is known yet.
    #[must_use]
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            exit: None,
            log_tail: Vec::new(),
            occurred_at: None,
            cause: None,
        }
    }

    /// Adds what made the process end, and says so.
    pub fn explain(&mut self, cause: Option<FailureCause>) {
        self.cause = cause;
        if let Some(cause) = cause {
            self.message = with_cause(&self.message, cause);
        }
    }

    /// Whether another attempt may end otherwise without anybody doing anything about it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(
            self.reason,
            reason::MODEL_NOT_FOUND
                | reason::MODEL_CORRUPT
                | reason::MODEL_UNSUPPORTED
                | reason::MODEL_INCOMPATIBLE
                | reason::MODEL_FILES_MISSING
                | reason::DEVICE_NOT_FOUND
                | reason::DEVICE_INCOMPATIBLE
                | reason::INVALID_ARGUMENT
        )
    }
}

/// A failure as another version of the hive may have kept it.
#[derive(Deserialize)]
struct Kept {
    reason: String,
    message: String,
    exit: Option<Exit>,
    log_tail: Vec<String>,
    occurred_at: Option<Timestamp>,
    #[serde(default)]
    cause: Option<FailureCause>,
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        Ok(Self {
            // A reason that this version does not know says less.
            reason: reason::known(&kept.reason).unwrap_or(reason::WORKER_FAILED),
            message: kept.message,
            exit: kept.exit,
            log_tail: kept.log_tail,
            occurred_at: kept.occurred_at,
            cause: kept.cause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_over_a_restart_of_the_hive() {
        let failure = Failure {
            exit: Some(Exit::Signal(9)),
            log_tail: vec!["last words".into()],
            occurred_at: Some(Timestamp::UNIX_EPOCH),
            cause: Some(FailureCause::Killed),
            ..Failure::new(reason::WORKER_EXITED, "it ended")
        };
        let kept = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&kept).unwrap(), failure);
        let of_another_version = kept.replace("WORKER_EXITED", "WORKER_VANISHED");
        let read: Failure = serde_json::from_str(&of_another_version).unwrap();
        assert_eq!(read.reason, reason::WORKER_FAILED);
    }
}
