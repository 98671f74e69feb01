//! The client: reads answers as bytes and splits them into messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use rbee_proto::worker::v1::ChatResponse;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_service_kit::client::ClientChannel;
use tonic::Status;
use tonic::body::Body;
use tower::{Service as _, ServiceExt as _};

use super::{cores, worker};

/// Bytes before each message of a gRPC stream: a flag and the length.
const PREFIX: usize = 5;

/// An answer on its way.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    body: Body,
}

/// Asks for an answer of so many messages.
pub(crate) async fn ask(channel: &ClientChannel, messages: u64, pace_us: u64) -> anyhow::Result<Answer> {
    let nothing = Full::new(Bytes::from_static(&[0; PREFIX])).map_err(|never| match never {});
    let request = Request::post("http://bench/rbee.worker.v1.TextService/Chat")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(worker::MESSAGES, HeaderValue::from(messages))
        .header(worker::PACE, HeaderValue::from(pace_us))
        .body(Body::new(nothing))?;
    let answer = channel.clone().ready().await?.call(request).await?;
    let (head, body) = answer.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        ensure!(status.code() == tonic::Code::Ok, "{status}");
    }
    Ok(Answer {
        headers: head.headers,
        body,
    })
}

impl Answer {
    /// Reads to the end; how long each message was under way, in nanoseconds.
    pub(crate) async fn latencies(mut self) -> anyhow::Result<Vec<u64>> {
        let mut latencies = Vec::new();
        let mut buffer = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame?;
            let Some(data) = frame.data_ref() else {
                ensure!(
                    frame.trailers_ref().and_then(|all| all.get("grpc-status"))
                        == Some(&HeaderValue::from(0)),
                    "the answer ended wrong: {frame:?}"
                );
                return Ok(latencies);
            };
            let arrived = cores::now_ns();
            buffer.extend_from_slice(data);
            while let Some(message) = take(&mut buffer) {
                latencies.push(arrived.saturating_sub(sent(message)?));
            }
        }
        anyhow::bail!("the answer broke off")
    }

    /// Reads for ever and counts messages.
    pub(crate) async fn count(mut self, counted: Arc<AtomicU64>) -> anyhow::Result<()> {
        let mut counter = Counter::default();
        while let Some(frame) = self.body.frame().await {
            let frame = frame?;
            match frame.data_ref() {
                Some(data) => counted.fetch_add(counter.messages(data), Ordering::Relaxed),
                None => anyhow::bail!("the answer ended while it was counted: {frame:?}"),
            };
        }
        anyhow::bail!("the answer broke off")
    }
}

fn take(buffer: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(buffer.get(1..PREFIX)?.try_into().ok()?) as usize;
    if buffer.len() < PREFIX + length {
        return None;
    }
    buffer.advance(PREFIX);
    Some(buffer.split_to(length).freeze())
}

fn sent(message: Bytes) -> anyhow::Result<u64> {
    let Some(Event::Delta(delta)) = ChatResponse::decode(message)?.event else {
        anyhow::bail!("another message than was asked for");
    };
    let digits = delta.text.split(' ').next().context("a text begins")?;
    Ok(digits.parse()?)
}

/// Counts the messages that end in a stream of bytes.
#[derive(Default)]
struct Counter {
    prefix: [u8; PREFIX],
    /// Of the prefix that has come.
    has: usize,
    /// Of the message that is still to come.
    left: usize,
}

impl Counter {
    fn messages(&mut self, mut data: &[u8]) -> u64 {
        let mut ended = 0;
        while !data.is_empty() {
            if self.has < PREFIX {
                let part = data.len().min(PREFIX - self.has);
                self.prefix[self.has..self.has + part].copy_from_slice(&data[..part]);
                self.has += part;
                data = &data[part..];
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length) as usize;
            }
            let part = data.len().min(self.left);
            self.left -= part;
            data = &data[part..];
            if self.has == PREFIX && self.left == 0 {
                ended += 1;
                self.has = 0;
            }
        }
        ended
    }
}
