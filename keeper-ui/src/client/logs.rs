//! A worker's log as it is written.

use rbee_proto::hive::v1::{LogStream as WireStream, StreamLogsRequest};
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::convert::time::timestamp;
use super::failure::Failure;
use crate::model::cluster::Worker;
use crate::model::logs::{LogLine, LogStream};

/// Lines of the past to begin with.
const TAIL_LINES: u32 = 2_000;

/// Messages that wait for the window.
const WAITING: usize = 32;

/// Follows a worker's log. Dropping the receiver ends it; the last message is a failure if one ended it, and none if the
/// worker is gone.
#[must_use]
pub fn follow(cluster: Cluster, worker: &Worker) -> mpsc::Receiver<Result<Vec<LogLine>, Failure>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (id, address) = (worker.id.to_string(), worker.hive_address.clone());
    tokio::spawn(async move {
        let end = tokio::select! {
            end = read(&cluster, id, &address, &sender) => end,
            () = sender.closed() => return,
        };
        if let Err(failure) = end {
            // Whoever left needs no failure.
            let _ = sender.send(Err(failure)).await;
        }
    });
    receiver
}

async fn read(
    cluster: &Cluster,
    worker_id: String,
    address: &str,
    sender: &mpsc::Sender<Result<Vec<LogLine>, Failure>>,
) -> Result<(), Failure> {
    let request = StreamLogsRequest {
        worker_id,
        tail_lines: Some(TAIL_LINES),
        follow: true,
    };
    let mut stream = cluster.hive(address)?.stream_logs(request).await?.into_inner();
    while let Some(told) = stream.message().await? {
        let line = |line: rbee_proto::hive::v1::LogLine| LogLine {
            number: line.number,
            stream: match line.stream() {
                WireStream::Stdout => LogStream::Output,
                WireStream::Hive => LogStream::Hive,
                WireStream::Stderr | WireStream::Unspecified => LogStream::Error,
            },
            at: timestamp(line.time),
            text: line.text,
        };
        if sender
            .send(Ok(told.lines.into_iter().map(line).collect()))
            .await
            .is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}
