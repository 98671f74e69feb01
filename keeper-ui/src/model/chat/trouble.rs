//! Why an answer failed, and what the person can do about it from where they are.

use std::time::Duration;

use rbee_service_kit::reason;
use serde::{Deserialize, Serialize};

/// A failure as the conversation keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The project's error reason, where a service gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened, for a person.
    pub sentence: String,
    /// What the service said of this case, where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// After which time the same may work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

/// What the person is offered beside a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Ask the same again.
    Retry,
    /// Ask again, and let the worker leave out the oldest turns.
    RetryWithoutOldest,
    /// Go on in a conversation of its own.
    StartAnew,
    /// Start the worker anew.
    RestartWorker,
    /// Look at the settings of sampling and system prompt.
    OpenSettings,
    /// Look at what the services did.
    ShowActivity,
}

impl Trouble {
    /// A failure that no service named.
    #[must_use]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            reason: None,
            sentence: sentence.into(),
            detail: None,
            retry_after: None,
        }
    }

    /// A failure with one of the project's reasons.
    #[must_use]
    pub fn because(reason: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::new(sentence)
        }
    }

    /// What can be done about it, the likeliest to help first; never empty.
    #[must_use]
    pub fn remedies(&self) -> &'static [Remedy] {
        let Some(reason) = self.reason.as_deref() else {
            return &[Remedy::Retry, Remedy::ShowActivity];
        };
        match reason {
            reason::CONTEXT_OVERFLOW => &[Remedy::RetryWithoutOldest, Remedy::StartAnew],
            reason::WORKER_EXITED
            | reason::WORKER_CRASH_LOOPING
            | reason::WORKER_START_FAILED
            | reason::ENGINE_FAILED
            | reason::OUT_OF_MEMORY => &[Remedy::RestartWorker, Remedy::Retry],
            reason::INVALID_ARGUMENT | reason::CHAT_TEMPLATE_FAILED => &[Remedy::OpenSettings, Remedy::Retry],
            reason::NO_CHAT_TEMPLATE => &[Remedy::OpenSettings],
            reason::WORKER_NOT_FOUND | reason::WORKER_STOPPING => &[Remedy::ShowActivity, Remedy::Retry],
            _ => &[Remedy::Retry, Remedy::ShowActivity],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_remedy() {
        for reason in [
            None,
            Some(reason::CONTEXT_OVERFLOW),
            Some(reason::QUEUE_FULL),
            Some("NEVER_HEARD_OF"),
        ] {
            let trouble = Trouble {
                reason: reason.map(str::to_owned),
                ..Trouble::new("x")
            };
            assert!(!trouble.remedies().is_empty(), "{reason:?}");
        }
    }

    #[test]
    fn a_full_context_is_answered_by_leaving_out() {
        let trouble = Trouble::because(reason::CONTEXT_OVERFLOW, "too long");
        assert_eq!(trouble.remedies()[0], Remedy::RetryWithoutOldest);
    }
}
