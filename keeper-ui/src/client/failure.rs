//! Why something did not work, in words for a person, with something to do about it.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use rbee_service_kit::client::TargetError;
use rbee_service_kit::{RemoteFault, reason};
use tonic::{Code, Status};

mod actions;
mod sentences;

pub use actions::Action;

/// Something that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error reason that the server gave; `None` for what has none, such as a lost connection.
    pub reason: Option<String>,
    /// What is wrong, in one sentence for a person.
    pub sentence: String,
    /// What the server said about this case, where that is more than the sentence.
    pub detail: Option<String>,
    /// What to do about it.
    pub action: Option<Action>,
    /// After which time the same may work.
    pub retry_after: Option<Duration>,
    /// Facts that the server gave, by name.
    pub metadata: BTreeMap<String, String>,
}

impl Failure {
    /// A failure in this window's own words.
    #[must_use]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            reason: None,
            sentence: sentence.into(),
            detail: None,
            action: None,
            retry_after: None,
            metadata: BTreeMap::new(),
        }
    }

    /// The same with something to do.
    #[must_use]
    pub fn with(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    /// The same with what is known further.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// A failure of a worker as the cluster tells it: a reason with words, without a status.
    #[must_use]
    pub fn of_reason(reason: &str, message: &str) -> Self {
        let mut failure =
            Self::new(sentences::of_reason(reason).map_or_else(|| message.to_owned(), str::to_owned));
        failure.detail = (!message.is_empty() && message != failure.sentence).then(|| message.to_owned());
        failure.action = actions::for_reason(reason);
        failure.reason = Some(reason.to_owned());
        failure
    }

    /// Whether the reason is the given one.
    #[must_use]
    pub fn is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }

    /// Whether the connection broke or was never there: nobody answered.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.action == Some(Action::Reconnect)
    }

    /// Whether the server refuses this client whatever it asks.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        [
            reason::UNAUTHENTICATED,
            reason::TOKEN_UNKNOWN,
            reason::TOKEN_EXPIRED,
            reason::TOKEN_REVOKED,
        ]
        .iter()
        .any(|reason| self.is(reason))
    }

    fn unreachable(cause: &(dyn Error + 'static)) -> Self {
        Self::new(sentences::UNREACHABLE)
            .because(innermost(cause))
            .with(Action::Reconnect)
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        // Only a status that was made here, by a connection that broke, has a cause.
        if let Some(cause) = status.source() {
            return Self::unreachable(cause);
        }
        let fault = RemoteFault::from(status);
        let mut failure = match &fault.reason {
            Some(reason) => Self::of_reason(reason, &fault.message),
            None => without_reason(&fault),
        };
        if failure.is(reason::INVALID_ARGUMENT) && !fault.violations.is_empty() {
            let fields: Vec<_> = fault
                .violations
                .iter()
                .map(|(field, words)| format!("{field}: {words}"))
                .collect();
            failure.detail = Some(fields.join("; "));
        }
        failure.retry_after = fault.retry_after;
        failure.metadata = fault.metadata.into_iter().collect();
        failure
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match &error {
            TargetError::Unreachable { address, source } => {
                Self::new(format!("Nothing answers at {address}."))
                    .because(innermost(source))
                    .with(Action::Reconnect)
            }
            TargetError::Address { .. } | TargetError::Tls { .. } | TargetError::Token => {
                Self::new(sentence(&error.to_string())).with(Action::OpenSettings)
            }
            TargetError::WorkerId { .. } => Self::new(sentence(&error.to_string())),
        }
    }
}

/// What did not come from rbee: a proxy between, or another program at this address.
fn without_reason(fault: &RemoteFault) -> Failure {
    let failure = Failure::new(sentences::of_code(fault.code));
    let failure = if fault.message.is_empty() {
        failure
    } else {
        failure.because(fault.message.clone())
    };
    match fault.code {
        Code::Unavailable => failure.with(Action::Reconnect),
        Code::Unimplemented => failure.with(Action::OpenSettings),
        _ => failure.with(Action::Retry),
    }
}

/// The words of the cause that began it: those around it say no more.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// Words as a sentence: with a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use std::io;

    use rbee_service_kit::Fault;

    use super::*;

    #[test]
    fn an_answer_becomes_a_sentence_with_its_reason_and_facts() {
        let status: Status = Fault::new(
            Code::NotFound,
            reason::MODEL_NOT_FOUND,
            "no model has the id local:qwen",
        )
        .with("model_id", "local:qwen")
        .into();
        let failure = Failure::from(status);
        assert!(failure.is(reason::MODEL_NOT_FOUND));
        assert_eq!(failure.detail.as_deref(), Some("no model has the id local:qwen"));
        assert_eq!(failure.metadata["model_id"], "local:qwen");
        assert_eq!(failure.action, Some(Action::OpenModels));
    }

    #[test]
    fn every_reason_has_a_sentence() {
        for reason in reason::ALL {
            let words = sentences::of_reason(reason).unwrap_or_else(|| panic!("{reason} has no sentence"));
            assert!(
                words.ends_with('.') && !words.contains(reason),
                "{reason}: {words}"
            );
        }
    }

    #[test]
    fn a_broken_connection_offers_to_connect_again() {
        let mut status = Status::unknown("transport error");
        status.set_source(std::sync::Arc::new(io::Error::other("connection reset by peer")));
        let failure = Failure::from(&status);
        assert!(failure.is_unreachable());
        assert_eq!(failure.detail.as_deref(), Some("connection reset by peer"));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let failure = Failure::from(Status::from(Fault::invalid("temperature", "must be 0 to 5")));
        assert_eq!(failure.detail.as_deref(), Some("temperature: must be 0 to 5"));
    }

    #[test]
    fn what_is_not_from_rbee_is_never_a_raw_status() {
        let failure = Failure::from(Status::new(Code::Unimplemented, ""));
        assert!(failure.sentence.ends_with('.'), "{}", failure.sentence);
        assert!(failure.detail.is_none());
    }

    #[test]
    fn an_unknown_reason_shows_the_words_of_the_server() {
        let failure = Failure::of_reason("NEW_REASON", "the moon is in the way");
        assert_eq!(failure.sentence, "the moon is in the way");
        assert!(failure.detail.is_none());
    }
}
