//! A connection that is lost amid a call is `UNAVAILABLE`, as gRPC has it. tonic calls it `UNKNOWN` where it ends in
//! a way that HTTP/2 has no code for, such as an answer to a ping that did not come.

use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::{Fault, reason};

/// The status of a call that could not be made, or whose answer did not come.
pub(super) fn of_call(error: tonic::transport::Error) -> Status {
    let expired = is_expired(&error);
    let left = has_left(&error);
    let status = Status::from_error(Box::new(error));
    match status.code() {
        Code::Internal if left => unavailable(status),
        // The caller's own deadline, which tonic calls cancelled.
        Code::Cancelled if expired => Status::deadline_exceeded(status.message()),
        // Not by the caller, who would not be there to hear of it: the connection ended first.
        Code::Cancelled => unavailable(status),
        _ => unavailable_if_unknown(status),
    }
}

/// Whether the time that the caller gave a call is over.
fn is_expired(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the other side left in order with calls unanswered, as a server does whose grace at shutdown is over. tonic
/// calls that an internal error.
fn has_left(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason() == Some(h2::Reason::NO_ERROR);
        }
        cause = error.source();
    }
    false
}

/// An answer whose end is told as it is.
pub(super) fn watched(answer: http::Response<Body>) -> http::Response<Body> {
    // What the other side says of a call comes in trailers; an error of the body is one of the connection.
    answer.map(|body| Body::new(body.map_err(unavailable_if_unknown)))
}

fn unavailable_if_unknown(status: Status) -> Status {
    match status.code() {
        Code::Unknown => unavailable(status),
        // tonic's own word for a connection that was reset; what a service says comes with a reason.
        Code::Unavailable if std::error::Error::source(&status).is_some() => unavailable(status),
        Code::Internal if has_left(&status) => unavailable(status),
        _ => status,
    }
}

fn unavailable(status: Status) -> Status {
    let mut lost = Status::from(Fault::new(
        Code::Unavailable,
        reason::CONNECTION_LOST,
        format!("the connection was lost ({})", status.message()),
    ));
    lost.set_source(std::sync::Arc::new(status));
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unknown_is_taken_for_a_lost_connection() {
        let lost = unavailable_if_unknown(Status::unknown("broken pipe"));
        assert_eq!(lost.code(), Code::Unavailable);
        assert_eq!(lost.message(), "the connection was lost (broken pipe)");
        assert!(crate::RemoteFault::from(&lost).is(reason::CONNECTION_LOST));
        let answered: Status = Fault::shutting_down().into();
        let kept = unavailable_if_unknown(answered);
        assert!(crate::RemoteFault::from(&kept).is(reason::SHUTTING_DOWN));
        let cancelled = unavailable_if_unknown(Status::cancelled("reset"));
        assert_eq!(
            (cancelled.code(), cancelled.message()),
            (Code::Cancelled, "reset")
        );
    }

    #[test]
    fn a_server_that_leaves_in_order_is_a_lost_connection_and_one_that_breaks_rules_is_not() {
        let told = |reason: h2::Reason| {
            let status = Status::from_error(Box::new(h2::Error::from(reason)));
            assert_eq!(status.code(), Code::Internal);
            unavailable_if_unknown(status).code()
        };
        assert_eq!(told(h2::Reason::NO_ERROR), Code::Unavailable);
        assert_eq!(told(h2::Reason::PROTOCOL_ERROR), Code::Internal);
    }
}
