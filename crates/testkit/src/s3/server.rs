//! The server: reads requests, asks its bucket, and writes what the mood of the moment lets through.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bucket::{Answer, Asked, Bucket, Get};

/// Bytes of a body that are written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How often one that is silent looks whether it still is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server of the S3 protocol. Dropping it ends it.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    bucket: Arc<Mutex<Bucket>>,
    _end: DropGuard,
}

impl S3Server {
    /// Serves on a free port of loopback.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let bucket = Arc::new(Mutex::new(Bucket::default()));
        let end = CancellationToken::new();
        let (ended, shared) = (end.clone(), bucket.clone());
        tokio::spawn(async move {
            // Cancel safe: a connection that is not accepted waits in the listener, which ends with this task.
            while let Some(Ok((stream, _))) = ended.run_until_cancelled(listener.accept()).await {
                let (ended, shared) = (ended.clone(), shared.clone());
                tokio::spawn(async move { ended.run_until_cancelled(converse(stream, &shared)).await });
            }
        });
        Self {
            address,
            bucket,
            _end: end.drop_guard(),
        }
    }

    /// Its address, as `AWS_ENDPOINT_URL` takes it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a program needs in its environment to use it; the keys are any.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// Puts an object at `bucket/key`, in place of what was there.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) {
        self.bucket.lock().objects.insert(path.to_owned(), content.into());
    }

    /// The object at `bucket/key`.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Bytes> {
        self.bucket.lock().objects.get(path).cloned()
    }

    /// What there is, as `bucket/key`.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.bucket.lock().objects.keys().cloned().collect()
    }

    /// All reads of objects until now.
    #[must_use]
    pub fn gets(&self) -> Vec<Get> {
        self.bucket.lock().gets.clone()
    }

    /// Answers everything with 503, or does not any more.
    pub fn fail(&self, fails: bool) {
        self.bucket.lock().mood.fails = fails;
    }

    /// Says nothing more, in the middle of an answer too, or goes on where it stopped.
    pub fn be_silent(&self, is_silent: bool) {
        self.bucket.lock().mood.is_silent = is_silent;
    }

    /// Closes connections after so many bytes of a body.
    pub fn cut_after(&self, bytes: Option<u64>) {
        self.bucket.lock().mood.cut_after = bytes;
    }

    /// Sends at most so many bytes of a body a second.
    pub fn slow_down(&self, bytes_per_second: Option<u64>) {
        self.bucket.lock().mood.bytes_per_second = bytes_per_second;
    }
}

async fn converse(mut stream: TcpStream, bucket: &Mutex<Bucket>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer).await? {
        patience(bucket).await;
        let head_only = asked.method == "HEAD";
        let answer = {
            let mut bucket = bucket.lock();
            match bucket.mood.fails {
                true => Answer::error(503, "SlowDown"),
                false => bucket.answer(asked),
            }
        };
        if !write(&mut stream, bucket, &answer, head_only).await? {
            break;
        }
    }
    stream.shutdown().await
}

/// Waits while the server is silent.
async fn patience(bucket: &Mutex<Bucket>) {
    while bucket.lock().mood.is_silent {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Writes an answer; false if the connection is to be closed.
async fn write(
    stream: &mut TcpStream,
    bucket: &Mutex<Bucket>,
    answer: &Answer,
    head_only: bool,
) -> io::Result<bool> {
    let length = answer.length.unwrap_or(answer.body.len() as u64);
    let mut head = format!("HTTP/1.1 {} S3\r\nContent-Length: {length}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    if head_only {
        return Ok(true);
    }
    let mut sent = 0;
    for piece in answer.body.chunks(PIECE_BYTES) {
        patience(bucket).await;
        let mood = bucket.lock().mood;
        if answer.get.is_some() && mood.cut_after.is_some_and(|most| sent >= most) {
            return Ok(false);
        }
        stream.write_all(piece).await?;
        sent += piece.len() as u64;
        if let Some(number) = answer.get {
            bucket.lock().gets[number].sent_bytes = sent;
        }
        if let Some(rate) = mood.bytes_per_second {
            let seconds = piece.len() as f64 / rate as f64;
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
    }
    Ok(true)
}

/// Reads a request with its body; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut start = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (start.next().unwrap_or_default(), start.next().unwrap_or("/"));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0);
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body: Bytes = buffer.drain(..length).collect();
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Some(Asked {
        method: method.to_owned(),
        path: decode(path.trim_start_matches('/')),
        query: query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect(),
        range: headers.get("range").cloned(),
        copy_source: headers.get("x-amz-copy-source").map(|text| decode(text)),
        body,
    }))
}
