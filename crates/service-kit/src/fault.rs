//! Errors on their way to a client, and as a client reads them.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::reason;

/// An error on its way to a client: a gRPC code, a [`reason`] to match, words for a person, and
/// what helps to act on it.
///
/// ```
/// use rbee_service_kit::Fault;
/// use tonic::{Code, Status};
///
/// let status: Status = Fault::new(Code::NotFound, "MODEL_NOT_FOUND", "no model has the id local:qwen")
///     .with("model_id", "local:qwen")
///     .into();
/// assert_eq!(status.code(), Code::NotFound);
/// ```
#[derive(Debug)]
pub struct Fault {
    code: Code,
    reason: &'static str,
    message: String,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
    violations: Vec<(String, String)>,
}

impl Fault {
    /// An error with its code, reason and message.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            retry_after: None,
            violations: Vec::new(),
        }
    }

    /// `INVALID_ARGUMENT` for one field of a request.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        Self::new(
            Code::InvalidArgument,
            reason::INVALID_ARGUMENT,
            format!("{field}: {description}"),
        )
        .field(field, description)
    }

    /// A failure that is nobody's fault but ours. The error's whole chain goes to the log; the
    /// client gets its first line.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "internal error");
        Self::new(Code::Internal, reason::INTERNAL, error.to_string())
    }

    /// The service is shutting down; another attempt may reach its successor.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::new(
            Code::Unavailable,
            reason::SHUTTING_DOWN,
            "the service is shutting down",
        )
        .retry_after(Duration::from_secs(2))
    }

    /// A watching client reads too slowly.
    #[must_use]
    pub fn watch_lagged() -> Self {
        Self::new(
            Code::ResourceExhausted,
            reason::WATCH_LAGGED,
            "the client reads too slowly and missed changes; watch again to get a fresh snapshot",
        )
    }

    /// Adds a fact for programs, such as the id that was not found.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// Says that the same call may succeed after a while.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Says what is wrong with a field of the request.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push((field.into(), description.into()));
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The words for a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut details = ErrorDetails::with_error_info(fault.reason, reason::DOMAIN, fault.metadata);
        for (field, description) in fault.violations {
            details.add_bad_request_violation(field, description);
        }
        if let Some(delay) = fault.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(fault.code, fault.message, details)
    }
}

/// An error as a client reads it from a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFault {
    /// The gRPC code.
    pub code: Code,
    /// The reason, if the answer came from rbee.
    pub reason: Option<String>,
    /// The words for a person.
    pub message: String,
    /// Facts for programs.
    pub metadata: HashMap<String, String>,
    /// After which time the same call may succeed.
    pub retry_after: Option<Duration>,
    /// Fields of the request and what is wrong with each.
    pub violations: Vec<(String, String)>,
}

impl RemoteFault {
    /// Whether the reason is the given one.
    #[must_use]
    pub fn is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }
}

impl From<&Status> for RemoteFault {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == reason::DOMAIN);
        Self {
            code: status.code(),
            reason: info.map(|info| info.reason.clone()),
            message: status.message().to_owned(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            violations: details.bad_request().map_or_else(Vec::new, |request| {
                request
                    .field_violations
                    .iter()
                    .map(|violation| (violation.field.clone(), violation.description.clone()))
                    .collect()
            }),
        }
    }
}

/// Prints an error with its causes: `outer: middle: inner`.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_crosses_the_wire_whole() {
        let status: Status = Fault::new(Code::ResourceExhausted, "QUEUE_FULL", "the queue is full")
            .with("queue_length", 8)
            .retry_after(Duration::from_millis(1500))
            .field("max_tokens", "too many")
            .into();
        // Only what is in the trailers reaches a client.
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let received = Status::from_header_map(&headers).unwrap();

        let remote = RemoteFault::from(&received);
        assert_eq!(remote.code, Code::ResourceExhausted);
        assert!(remote.is("QUEUE_FULL"));
        assert_eq!(remote.message, "the queue is full");
        assert_eq!(remote.metadata["queue_length"], "8");
        assert_eq!(remote.retry_after, Some(Duration::from_millis(1500)));
        assert_eq!(
            remote.violations,
            [("max_tokens".to_owned(), "too many".to_owned())]
        );
    }

    #[test]
    fn a_status_of_another_system_has_no_reason() {
        let mut status = Status::not_found("gone");
        assert_eq!(RemoteFault::from(&status).reason, None);
        status = Status::with_error_details(
            Code::NotFound,
            "gone",
            ErrorDetails::with_error_info("GONE", "elsewhere.example", HashMap::new()),
        );
        assert_eq!(RemoteFault::from(&status).reason, None);
    }

    #[test]
    fn an_invalid_field_is_named_in_the_message_too() {
        let status: Status = Fault::invalid("name", "must not be empty").into();
        assert_eq!(status.message(), "name: must not be empty");
        assert_eq!(RemoteFault::from(&status).violations.len(), 1);
    }
}
