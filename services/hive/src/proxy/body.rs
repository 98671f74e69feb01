//! An answer on its way from a worker to its client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use rbee_artifacts::WorkerId;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use crate::grpc::status;
use crate::worker::Answering;

/// The worker's frames as they come. If the worker breaks off, the trailers say so: to the client
/// that is an orderly end with a reason.
pub(super) struct AnswerBody {
    inner: Body,
    worker: WorkerId,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
    state: State,
    /// The worker is busy for as long as its answer is on its way.
    _answering: Answering,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Streaming,
    Over,
}

impl AnswerBody {
    pub(super) fn new(inner: Body, worker: WorkerId, gone: CancellationToken, answering: Answering) -> Self {
        // An answer without any body has its status in the headers.
        let state = if http_body::Body::is_end_stream(&inner) {
            State::Over
        } else {
            State::Streaming
        };
        Self {
            inner,
            worker,
            gone: Box::pin(gone.cancelled_owned()),
            state,
            _answering: answering,
        }
    }

    fn lost(&mut self) -> Frame<Bytes> {
        self.state = State::Over;
        let mut trailers = HeaderMap::new();
        if Status::from(status::worker_lost(self.worker.as_str()))
            .add_header(&mut trailers)
            .is_err()
        {
            // Words that can't be sent; the code can.
            trailers.insert(
                "grpc-status",
                http::HeaderValue::from(tonic::Code::Unavailable as i32),
            );
        }
        Frame::trailers(trailers)
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.state == State::Over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if frame.is_trailers() {
                    this.state = State::Over;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // A gRPC answer ends with trailers; one that ends otherwise was broken off.
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Some(Ok(this.lost()))),
            Poll::Pending => match Future::poll(this.gone.as_mut(), context) {
                Poll::Ready(()) => Poll::Ready(Some(Ok(this.lost()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }

    fn size_hint(&self) -> SizeHint {
        // Trailers are no data: what the worker says of its data holds, unless it breaks off.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt as _;
    use rbee_service_kit::{RemoteFault, reason};

    use super::*;

    /// A body of these frames; what comes after them is an end, or nothing ever.
    struct Frames {
        frames: VecDeque<Result<Frame<Bytes>, Status>>,
        hangs: bool,
    }

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.frames.pop_front() {
                None if self.hangs => Poll::Pending,
                next => Poll::Ready(next),
            }
        }
    }

    fn answer(
        frames: impl IntoIterator<Item = Result<Frame<Bytes>, Status>>,
        hangs: bool,
        gone: &CancellationToken,
    ) -> AnswerBody {
        let frames = frames.into_iter().collect();
        AnswerBody::new(
            Body::new(Frames { frames, hangs }),
            "w-1".parse().unwrap(),
            gone.clone(),
            Answering::uncounted(),
        )
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn read(body: AnswerBody) -> (Vec<u8>, HeaderMap) {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        (collected.to_bytes().to_vec(), trailers)
    }

    fn assert_lost(trailers: &HeaderMap) {
        let fault = RemoteFault::from(&Status::from_header_map(trailers).unwrap());
        assert!(fault.is(reason::WORKER_LOST), "{fault:?}");
        assert_eq!(fault.code, tonic::Code::Unavailable);
        assert!(fault.retry_after.is_some());
    }

    #[tokio::test]
    async fn a_whole_answer_passes_as_it_is() {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [data("one"), data("two"), Ok(Frame::trailers(trailers.clone()))];
        let read = read(answer(frames, false, &CancellationToken::new())).await;
        assert_eq!(read, (b"onetwo".to_vec(), trailers));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_ends_with_a_reason() {
        let token = CancellationToken::new();
        let error = Err(Status::unknown("connection reset"));
        for frames in [vec![data("one"), error], vec![data("one")]] {
            let (bytes, trailers) = read(answer(frames, false, &token)).await;
            assert_eq!(bytes, b"one");
            assert_lost(&trailers);
        }
    }

    #[tokio::test]
    async fn an_answer_of_a_worker_that_is_gone_does_not_hang() {
        let gone = CancellationToken::new();
        let reading = tokio::spawn(read(answer([data("one")], true, &gone)));
        tokio::task::yield_now().await;
        gone.cancel();
        let (bytes, trailers) = reading.await.unwrap();
        assert_eq!(bytes, b"one");
        assert_lost(&trailers);
    }
}
