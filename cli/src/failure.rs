//! Why a command failed, in words for a person and in facts for a script.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::Duration;

use rbee_service_kit::RemoteFault;
use tonic::Status;

use crate::exit::Exit;
use crate::hints;

/// A failed command. Rendered by [`crate::render::error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What didn't work.
    pub(crate) message: String,
    /// Why, from the outermost cause inwards.
    pub(crate) why: Vec<String>,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
    /// The error reason that the server gave.
    pub(crate) reason: Option<String>,
    /// Facts that the server gave.
    pub(crate) metadata: BTreeMap<String, String>,
    /// After which time the same command may work.
    pub(crate) retry_after: Option<Duration>,
    /// Whether whoever read the output has gone: nothing to tell, and nobody to tell it to.
    pub(crate) reader_left: bool,
}

impl Failure {
    /// A failure without a cause from elsewhere.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            why: Vec::new(),
            hints: Vec::new(),
            reason: None,
            metadata: BTreeMap::new(),
            retry_after: None,
            reader_left: false,
        }
    }

    /// Adds a cause.
    #[must_use]
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Adds something to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the reason, and adds what is known to help against it.
    #[must_use]
    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.hints.extend(hints::for_reason(reason).map(str::to_owned));
        self.reason = Some(reason.to_owned());
        self
    }

    /// A failure with an error's chain of causes.
    pub(crate) fn of_error(exit: Exit, doing: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(exit, doing);
        let mut cause = Some(error);
        while let Some(error) = cause {
            let words = error.to_string();
            cause = error.source();
            // Some libraries repeat the inner error's words in the outer one's; tonic's outermost
            // words say nothing that the inner ones don't.
            let says_nothing = words == "transport error" && cause.is_some();
            if !says_nothing && failure.why.last() != Some(&words) {
                failure.why.push(words);
            }
        }
        failure
    }

    /// What the server answered, or what kept it from answering.
    pub(crate) fn of_status(doing: impl Into<String>, status: &Status) -> Self {
        // Only a status that was made here, by a connection that broke, has a cause.
        if let Some(cause) = status.source() {
            let mut failure = Self::of_error(Exit::Unreachable, doing, cause);
            failure.hints.push(hints::UNREACHABLE.to_owned());
            failure.reason = RemoteFault::from(status).reason;
            return failure;
        }
        let fault = RemoteFault::from(status);
        let mut failure = Self::new(Exit::of_fault(&fault), doing);
        if fault.violations.is_empty() || !fault.message.is_empty() {
            failure.why.push(if fault.message.is_empty() {
                format!("the server answered {}", describe(fault.code))
            } else {
                fault.message
            });
        }
        for (field, description) in fault.violations {
            let words = format!("{field}: {description}");
            if !failure.why.contains(&words) && !failure.why.contains(&description) {
                failure.why.push(words);
            }
        }
        failure.metadata = fault.metadata.into_iter().collect();
        failure.retry_after = fault.retry_after;
        match fault.reason {
            Some(reason) => failure.reason(&reason),
            None if failure.exit == Exit::Unreachable => failure.hint(hints::UNREACHABLE),
            None => failure,
        }
    }
}

impl From<io::Error> for Failure {
    /// A failure to write what the command has to say.
    fn from(error: io::Error) -> Self {
        let mut failure = Self::of_error(Exit::Failed, "can't write the output", &error);
        failure.reader_left = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// Turns the error into a [`Failure`] that begins with what was being done.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, Status> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|status| Failure::of_status(what(), &status))
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::of_error(Exit::Failed, what(), &error))
    }
}

fn describe(code: tonic::Code) -> String {
    format!("{code:?}: {}", code.description())
}

#[cfg(test)]
mod tests {
    use rbee_service_kit::Fault;
    use tonic::Code;

    use super::*;

    #[test]
    fn an_answer_keeps_its_words_reason_and_facts() {
        let status: Status = Fault::new(
            Code::NotFound,
            "MODEL_NOT_FOUND",
            "no model has the id local:qwen",
        )
        .with("model_id", "local:qwen")
        .into();
        let failure = Failure::of_status("can't show the model", &status);
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.message, "can't show the model");
        assert_eq!(failure.why, ["no model has the id local:qwen"]);
        assert_eq!(failure.reason.as_deref(), Some("MODEL_NOT_FOUND"));
        assert_eq!(failure.metadata["model_id"], "local:qwen");
        assert!(failure.hints[0].contains("rbee model ls"), "{:?}", failure.hints);
    }

    #[test]
    fn a_wrong_field_is_told_once() {
        let status: Status = Fault::invalid("temperature", "must be 0 to 5").into();
        let failure = Failure::of_status("can't chat", &status);
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.why, ["temperature: must be 0 to 5"]);
    }

    #[test]
    fn a_broken_connection_is_no_answer() {
        let mut status = Status::unknown("transport error");
        status.set_source(std::sync::Arc::new(io::Error::other("connection reset by peer")));
        let failure = Failure::of_status("can't list the models", &status);
        assert_eq!(failure.exit, Exit::Unreachable);
        assert_eq!(failure.why, ["connection reset by peer"]);
    }

    #[test]
    fn a_reader_that_left_is_nothing_to_complain_about() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).reader_left);
        assert!(!Failure::from(io::Error::other("disk full")).reader_left);
    }
}
