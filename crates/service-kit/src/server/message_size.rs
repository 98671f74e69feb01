//! A request whose messages are measured as they pass, also those that the hive passes on without decoding them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::{Fault, reason};

/// Before each message: a byte that says whether it is compressed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const PREFIX_BYTES: usize = 5;

/// A request's body that ends with an error where a message is announced that is too large.
pub(super) struct Measured {
    inner: Body,
    most: u64,
    /// What has come of the next message's prefix.
    prefix: [u8; PREFIX_BYTES],
    prefix_length: usize,
    /// What is to come of this message.
    to_come: u64,
    /// Hears of it, to answer in place of whoever reads the request.
    too_large: Option<oneshot::Sender<Fault>>,
}

impl Measured {
    /// A body whose messages have at most so many bytes, and what to answer when one has more.
    pub(super) fn wrap(inner: Body, most: u64) -> (Body, oneshot::Receiver<Fault>) {
        let (too_large, heard) = oneshot::channel();
        let measured = Self {
            inner,
            most,
            prefix: [0; PREFIX_BYTES],
            prefix_length: 0,
            to_come: 0,
            too_large: Some(too_large),
        };
        (Body::new(measured), heard)
    }

    /// Follows the bytes; answers the length of a message that is too large.
    fn follow(&mut self, mut bytes: &[u8]) -> Option<u64> {
        while !bytes.is_empty() {
            if self.to_come > 0 {
                let passed = bytes
                    .len()
                    .min(usize::try_from(self.to_come).unwrap_or(usize::MAX));
                self.to_come -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = bytes.len().min(PREFIX_BYTES - self.prefix_length);
            self.prefix[self.prefix_length..][..taken].copy_from_slice(&bytes[..taken]);
            self.prefix_length += taken;
            bytes = &bytes[taken..];
            if self.prefix_length == PREFIX_BYTES {
                self.prefix_length = 0;
                let [_, length @ ..] = self.prefix;
                self.to_come = u32::from_be_bytes(length).into();
                if self.to_come > self.most {
                    return Some(self.to_come);
                }
            }
        }
        None
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.inner).poll_frame(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().and_then(|data| this.follow(data)),
            _ => None,
        };
        let Some(length) = length else {
            return Poll::Ready(frame);
        };
        this.inner = Body::empty();
        let fault = || too_large(length, this.most);
        if let Some(hears) = this.too_large.take() {
            // Nobody hears of it once the answer has begun.
            let _ = hears.send(fault());
        }
        Poll::Ready(Some(Err(fault().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn too_large(length: u64, most: u64) -> Fault {
    Fault::new(
        Code::ResourceExhausted,
        reason::MESSAGE_TOO_LARGE,
        format!("a message of {length} bytes is more than this server takes, which is {most}"),
    )
    .with("size_bytes", length)
    .with("limit_bytes", most)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// Messages of these lengths, cut into pieces of this size.
    fn request(lengths: &[usize], piece: usize) -> Body {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.push(0);
            bytes.extend_from_slice(&(*length as u32).to_be_bytes());
            bytes.resize(bytes.len() + length, 7);
        }
        let pieces: Vec<_> = bytes
            .chunks(piece)
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        Body::new(StreamBody::new(tokio_stream::iter(pieces)))
    }

    #[tokio::test]
    async fn messages_up_to_the_limit_pass_however_they_are_cut() {
        for piece in [1, 3, 5, 6, 1000] {
            let (body, _heard) = Measured::wrap(request(&[0, 100, 7, 0, 100], piece), 100);
            let bytes = body.collect().await.unwrap().to_bytes();
            assert_eq!(bytes.len(), 207 + 5 * PREFIX_BYTES);
        }
    }

    #[tokio::test]
    async fn a_larger_one_ends_the_request_with_a_reason() {
        for piece in [1, 3, 5, 6, 1000] {
            let (body, mut heard) = Measured::wrap(request(&[100, 101], piece), 100);
            let status = body.collect().await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(heard.try_recv().unwrap().reason(), reason::MESSAGE_TOO_LARGE);
        }
    }
}
