//! A call as others count it.

use http::HeaderMap;
use tonic::Code;

use crate::telemetry::Call;
use crate::worker::Answering;

/// A call for as long as it goes on: its worker is busy, and metrics wait for its end. One that is dropped without an
/// end was cancelled.
pub(super) struct Counted {
    call: Option<Call>,
    _answering: Answering,
}

impl Counted {
    pub(super) fn new(call: Call, answering: Answering) -> Self {
        Self {
            call: Some(call),
            _answering: answering,
        }
    }

    /// The call ended with this code. Its first end counts.
    pub(super) fn finished(&mut self, code: Code) {
        if let Some(call) = self.call.take() {
            call.finished(code);
        }
    }
}

/// The code in an answer's headers or trailers, if it is there.
pub(super) fn code(headers: &HeaderMap) -> Option<Code> {
    let status = headers.get("grpc-status")?;
    Some(Code::from_bytes(status.as_bytes()))
}
