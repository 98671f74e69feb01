//! An answer on its way from a worker to its client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use rbee_artifacts::WorkerId;
use rbee_service_kit::fault::Chain;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};

use super::counted::{self, Counted};
use super::{Deadline, deadline_exceeded};
use crate::grpc::status;

/// Up to where what has come is sent on as one frame: the largest frame of HTTP/2 that every peer takes (RFC 9113,
/// 6.5.2), so that more would be split again.
const GATHERED_BYTES: usize = 16 << 10;

/// The worker's bytes as they come. If the worker breaks off, the trailers say so: to the client
/// that is an orderly end with a reason.
///
/// What has come in many small frames leaves in one: sending a frame costs far more than copying a token. Nothing
/// waits for that; a token that comes alone leaves alone.
pub(super) struct AnswerBody {
    inner: Body,
    gathered: BytesMut,
    /// What came after what was gathered, and leaves after it.
    next: Option<Frame<Bytes>>,
    worker: WorkerId,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
    deadline: Deadline,
    state: State,
    counted: Counted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Streaming,
    Over,
}

impl AnswerBody {
    /// A worker's answer as its client gets it.
    pub(super) fn of(
        answer: Response<Body>,
        worker: WorkerId,
        gone: CancellationToken,
        deadline: Deadline,
        mut counted: Counted,
    ) -> Response<Body> {
        // An answer without any body has its status in the headers.
        let state = if http_body::Body::is_end_stream(answer.body()) {
            counted.finished(counted::code(answer.headers()).unwrap_or(Code::Unknown));
            State::Over
        } else {
            State::Streaming
        };
        answer.map(|inner| {
            Body::new(Self {
                inner,
                gathered: BytesMut::new(),
                next: None,
                worker,
                gone: Box::pin(gone.cancelled_owned()),
                deadline,
                state,
                counted,
            })
        })
    }

    /// The worker's next frame. Never an error: that is an end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if self.state == State::Over {
            return Poll::Ready(None);
        }
        match http_body::Body::poll_frame(Pin::new(&mut self.inner), context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.state = State::Over;
                    self.counted
                        .finished(counted::code(trailers).unwrap_or(Code::Unknown));
                }
                Poll::Ready(Some(frame))
            }
            // A gRPC answer ends with trailers; one that ends otherwise was broken off.
            Poll::Ready(None) => Poll::Ready(Some(self.lost())),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(error = %Chain(&error), worker_id = %self.worker, "an answer broke off");
                Poll::Ready(Some(self.lost()))
            }
            Poll::Pending => self.poll_end(context),
        }
    }

    /// What else than the worker can end the answer. Asked only when nothing has come.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(self.end(&deadline_exceeded())));
        }
        match self.gone.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(self.lost())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// These bytes and those that have come after them.
    fn gather(&mut self, first: Bytes, context: &mut Context<'_>) -> Bytes {
        let mut alone = Some(first);
        let mut length = alone.as_ref().map_or(0, Bytes::len);
        while length < GATHERED_BYTES {
            let Poll::Ready(Some(frame)) = self.poll_next(context) else {
                break;
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Some(first) = alone.take() {
                        self.gathered.reserve(GATHERED_BYTES);
                        self.gathered.extend_from_slice(&first);
                    }
                    self.gathered.extend_from_slice(&data);
                    length += data.len();
                }
                Err(other) => {
                    self.next = Some(other);
                    break;
                }
            }
        }
        alone.unwrap_or_else(|| self.gathered.split().freeze())
    }

    fn lost(&mut self) -> Frame<Bytes> {
        self.end(&Status::from(status::worker_lost(self.worker.as_str())))
    }

    /// Ends the answer for the client, and its stream at the worker.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.state = State::Over;
        self.inner = Body::empty();
        self.counted.finished(status.code());
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            // Words that can't be sent; the code can.
            trailers.insert("grpc-status", http::HeaderValue::from(status.code() as i32));
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
        if let Some(next) = this.next.take() {
            return Poll::Ready(Some(Ok(next)));
        }
        let Poll::Ready(frame) = this.poll_next(context) else {
            return Poll::Pending;
        };
        Poll::Ready(frame.map(|frame| match frame.into_data() {
            Ok(data) => Ok(Frame::data(this.gather(data, context))),
            Err(other) => Ok(other),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over && self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // Trailers are no data: what the worker says of its data holds, unless it breaks off.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;
    use rbee_service_kit::{RemoteFault, reason};

    use super::*;
    use crate::telemetry::Metrics;
    use crate::worker::Answering;

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
    ) -> Body {
        let frames = frames.into_iter().collect();
        let worker: WorkerId = "w-1".parse().unwrap();
        let counted = Counted::new(Metrics::default().request(&worker), Answering::uncounted());
        let answer = Response::new(Body::new(Frames { frames, hangs }));
        AnswerBody::of(answer, worker, gone.clone(), None, counted).into_body()
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn read(body: Body) -> (Vec<u8>, HeaderMap) {
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
    async fn what_has_come_leaves_together_and_waits_for_nothing() {
        let mut body = answer([data("one"), data("two")], true, &CancellationToken::new());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "onetwo"
        );
        assert!(body.frame().now_or_never().is_none());
        assert!(!http_body::Body::is_end_stream(&body));

        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [data("one"), data("two"), Ok(Frame::trailers(trailers.clone()))];
        let mut body = answer(frames, true, &CancellationToken::new());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "onetwo"
        );
        assert!(!http_body::Body::is_end_stream(&body), "the trailers are to come");
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_trailers().unwrap(),
            trailers
        );
        assert!(http_body::Body::is_end_stream(&body));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_is_large_leaves_at_once_and_uncopied() {
        let (large, part) = (
            Bytes::from(vec![1; GATHERED_BYTES]),
            Bytes::from(vec![2; GATHERED_BYTES - 1]),
        );
        let all = [&large, &part, &part, &part].map(|bytes| Ok(Frame::data(bytes.clone())));
        let mut body = answer(all, true, &CancellationToken::new());
        let mut next = async || body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(next().await.as_ptr(), large.as_ptr());
        assert_eq!(next().await, [&part[..], &part].concat());
        assert_eq!(next().await.as_ptr(), part.as_ptr());
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
