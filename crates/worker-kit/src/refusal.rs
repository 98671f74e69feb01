//! Refusals that every worker gives.

use std::time::Duration;

use rbee_service_kit::{Fault, reason};
use tonic::Code;

use crate::violation::Violations;

/// When to ask again a worker that is loading or leaving.
pub const RETRY_SOON: Duration = Duration::from_secs(1);

/// The model is not loaded yet.
#[must_use]
pub fn not_ready() -> Fault {
    Fault::new(
        Code::Unavailable,
        reason::WORKER_NOT_READY,
        "the worker is still loading its model",
    )
    .retry_after(RETRY_SOON)
}

/// Every field that is wrong.
#[must_use]
pub fn invalid(violations: &Violations) -> Fault {
    let fault = Fault::new(
        Code::InvalidArgument,
        reason::INVALID_ARGUMENT,
        violations.to_string(),
    );
    violations.iter().fold(fault, |fault, violation| {
        fault.field(&violation.field, &violation.description)
    })
}

#[cfg(test)]
mod tests {
    use rbee_service_kit::RemoteFault;
    use tonic::Status;

    use super::*;

    #[test]
    fn every_violation_is_named() {
        let mut violations = Violations::default();
        violations.add("sampling.top_p", "must be less");
        violations.add("stop.max_tokens", "must be more");
        let remote = RemoteFault::from(&Status::from(invalid(&violations)));
        assert_eq!(remote.code, Code::InvalidArgument);
        assert!(remote.is(reason::INVALID_ARGUMENT));
        let fields: Vec<&str> = remote
            .violations
            .iter()
            .map(|(field, _)| field.as_str())
            .collect();
        assert_eq!(fields, ["sampling.top_p", "stop.max_tokens"]);
    }

    #[test]
    fn a_worker_that_loads_says_when_to_ask_again() {
        let loading = RemoteFault::from(&Status::from(not_ready()));
        assert!(loading.is(reason::WORKER_NOT_READY) && loading.retry_after.is_some());
    }
}
