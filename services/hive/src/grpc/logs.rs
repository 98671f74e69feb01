//! A worker's log as a stream of messages.

use futures_util::{Stream, stream};
use rbee_proto::hive::v1 as wire;
use rbee_service_kit::Fault;
use rbee_wire::timestamp_to_wire;
use tonic::Status;

use crate::domain::{LogLine, LogStream};
use crate::log::{Cursor, Log};

/// Lines to begin with where the request doesn't say.
const TAIL_LINES: u32 = 100;

/// Most lines to begin with.
const MAX_TAIL_LINES: u32 = 100_000;

/// Lines of one message: some 1 MiB where all are of the longest, which is less than clients take by default (4 MiB).
const MESSAGE_LINES: usize = 256;

/// The last lines of a log and, if asked for, those to come until the worker is gone. `None` is the log of a worker
/// that is just leaving.
///
/// # Errors
/// If the request asks for too much.
pub(super) async fn stream(
    log: Option<Log>,
    request: &wire::StreamLogsRequest,
) -> Result<impl Stream<Item = Result<wire::StreamLogsResponse, Status>> + Send + use<>, Fault> {
    let tail_lines = request.tail_lines.unwrap_or(TAIL_LINES);
    if tail_lines > MAX_TAIL_LINES {
        return Err(Fault::invalid("tail_lines", "must be at most 100,000"));
    }
    let reading = match log {
        Some(log) => Some(Reading {
            // Before the cursor is put in place: lines that come meanwhile are for those who follow.
            end: (!request.follow).then(|| log.next_number()),
            cursor: log.read_tail(tail_lines as usize).await,
        }),
        None => None,
    };
    Ok(stream::unfold(reading, async |reading| {
        let mut reading = reading?;
        let lines = reading.next().await?;
        Some((Ok(message(&lines)), Some(reading)))
    }))
}

struct Reading {
    cursor: Cursor,
    // Number of the first line that is not wanted any more.
    end: Option<u64>,
}

impl Reading {
    /// The lines of the next message; `None` at the end.
    async fn next(&mut self) -> Option<Vec<LogLine>> {
        let Some(end) = self.end else {
            return self.cursor.next(MESSAGE_LINES).await;
        };
        let mut lines = self.cursor.read(MESSAGE_LINES).await;
        lines.retain(|line| line.number < end);
        (!lines.is_empty()).then_some(lines)
    }
}

fn message(lines: &[LogLine]) -> wire::StreamLogsResponse {
    wire::StreamLogsResponse {
        lines: lines.iter().map(line).collect(),
    }
}

fn line(line: &LogLine) -> wire::LogLine {
    let stream = match line.stream {
        LogStream::Stdout => wire::LogStream::Stdout,
        LogStream::Stderr => wire::LogStream::Stderr,
        LogStream::Hive => wire::LogStream::Hive,
    };
    wire::LogLine {
        number: line.number,
        time: Some(timestamp_to_wire(line.time)),
        stream: stream.into(),
        text: line.text.to_string(),
    }
}
