//! Starts the real program as a hive does, and reads what it says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_service_kit::RemoteFault;
use rbee_service_kit::client::{ClientChannel, unix_channel};
use secrecy::SecretString;
use tempfile::TempDir;
use tonic::{Status, Streaming};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_llm-worker-rbee-cpu");
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How long anything may take that is expected to happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A tiny model with random weights: 512 tokens of context, a chat template, a vocabulary of 640.
pub(crate) fn tiny() -> PathBuf {
    rbee_testkit::models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")
}

/// What the reference says of the tiny model.
pub(crate) fn golden() -> serde_json::Value {
    let path = rbee_testkit::models::fixture("llm/tiny/qwen2/golden.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A running worker, killed when dropped.
pub(crate) struct Worker {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    statuses: mpsc::Receiver<serde_json::Value>,
    pub(crate) socket: PathBuf,
    _folder: TempDir,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(crate) fn ready(model: &Path, more: &[&str]) -> Self {
        let worker = Self::start(model, more);
        worker.until("ready");
        worker
    }

    /// Starts a worker and gives it the token.
    pub(crate) fn start(model: &Path, more: &[&str]) -> Self {
        Self::start_with(model, more, Some(&format!("{TOKEN}\n")))
    }

    /// Starts a worker with this on its stdin, which stays open; or closed, without.
    pub(crate) fn start_with(model: &Path, more: &[&str], input: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, model, more, input)
    }

    pub(crate) fn start_in(folder: TempDir, model: &Path, more: &[&str], input: Option<&str>) -> Self {
        let socket = folder.path().join("w.sock");
        let mut command = Command::new(PROGRAM);
        command
            .args(["--worker-id", "w1", "--model-id", "local:tiny"])
            .arg("--model")
            .arg(model);
        command.arg("--socket").arg(&socket).args(more);
        command.env_remove("RBEE_LOG").env_remove("RBEE_OTLP_ENDPOINT");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take();
        match input {
            Some(input) => stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap(),
            None => stdin = None,
        }
        let statuses = statuses(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            statuses,
            socket,
            _folder: folder,
        }
    }

    /// Waits for a status line of this kind, and fails if the worker says another end before.
    pub(crate) fn until(&self, event: &str) -> serde_json::Value {
        loop {
            let status = self
                .statuses
                .recv_timeout(DEADLINE)
                .expect("the worker says how far it is");
            if status["event"] == event {
                return status;
            }
            assert_eq!(status["event"], "loading", "{status}");
        }
    }

    /// All that it says until it closes its stdout.
    pub(crate) fn rest(&self) -> Vec<serde_json::Value> {
        self.statuses.iter().collect()
    }

    /// Ends its stdin, as a hive that dies does.
    pub(crate) fn abandon(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn terminate(&self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits until it has left: its exit code, and how long that took from now.
    pub(crate) async fn left(&mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        while since.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), since.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the worker did not leave");
    }

    pub(crate) fn channel(&self) -> ClientChannel {
        unix_channel(&self.socket, Some(&SecretString::from(TOKEN))).unwrap()
    }

    pub(crate) fn text(&self) -> TextServiceClient<ClientChannel> {
        TextServiceClient::new(self.channel())
    }

    pub(crate) async fn info(&self) -> proto::GetInfoResponse {
        let mut client = WorkerServiceClient::new(self.channel());
        client
            .get_info(proto::GetInfoRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    pub(crate) async fn load(&self) -> proto::WorkerLoad {
        self.info().await.load.unwrap()
    }

    /// Asks for its load until it is as wanted.
    pub(crate) async fn until_load(
        &self,
        what: &str,
        wanted: impl Fn(&proto::WorkerLoad) -> bool,
    ) -> proto::WorkerLoad {
        let since = Instant::now();
        loop {
            let load = self.load().await;
            if wanted(&load) {
                return load;
            }
            assert!(since.elapsed() < DEADLINE, "{what}: {load:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn statuses(stdout: std::process::ChildStdout) -> mpsc::Receiver<serde_json::Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(json) = line.strip_prefix("rbee-worker: ") {
                let _ = sender.send(serde_json::from_str(json).unwrap());
            }
        }
    });
    receiver
}

pub(crate) fn user(text: &str) -> proto::Message {
    message(proto::Role::User, text)
}

pub(crate) fn message(role: proto::Role, text: &str) -> proto::Message {
    let part = proto::content_part::Part::Text(text.to_owned());
    proto::Message {
        role: role.into(),
        content: vec![proto::ContentPart { part: Some(part) }],
        ..proto::Message::default()
    }
}

/// Greedy, until `max_tokens`.
pub(crate) fn greedy(messages: Vec<proto::Message>, max_tokens: u32) -> proto::ChatRequest {
    proto::ChatRequest {
        messages,
        sampling: Some(likeliest()),
        stop: stop(max_tokens),
        ..Default::default()
    }
}

pub(crate) fn likeliest() -> proto::SamplingParameters {
    proto::SamplingParameters {
        temperature: Some(0.0),
        ..Default::default()
    }
}

#[allow(clippy::unnecessary_wraps, reason = "as the requests want it")]
pub(crate) fn stop(max_tokens: u32) -> Option<proto::StopConditions> {
    Some(proto::StopConditions {
        max_tokens: Some(max_tokens),
        ..proto::StopConditions::default()
    })
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) started: proto::GenerationStarted,
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) tool_calls: Vec<proto::ToolCall>,
    pub(crate) deltas: Vec<(Instant, proto::TextDelta)>,
    pub(crate) finished: proto::GenerationFinished,
}

impl Answer {
    pub(crate) fn reason(&self) -> proto::FinishReason {
        self.finished.reason()
    }

    pub(crate) fn usage(&self) -> proto::Usage {
        self.finished.usage.unwrap()
    }
}

/// An event of Chat or Complete.
pub(crate) trait IntoEvent {
    fn event(self) -> Event;
}

impl IntoEvent for proto::ChatResponse {
    fn event(self) -> Event {
        self.event.unwrap()
    }
}

impl IntoEvent for proto::CompleteResponse {
    fn event(self) -> Event {
        use proto::complete_response::Event as Complete;
        match self.event.unwrap() {
            Complete::Started(started) => Event::Started(started),
            Complete::Delta(delta) => Event::Delta(delta),
            Complete::Finished(finished) => Event::Finished(finished),
        }
    }
}

/// Reads a stream to its end, and checks that its events come in their order.
pub(crate) async fn read<T: IntoEvent>(mut stream: Streaming<T>) -> Result<Answer, Status> {
    let first = stream.next().await.expect("a stream says something")?;
    let Event::Started(started) = first.event() else {
        panic!("a stream begins with Started")
    };
    let (mut text, mut reasoning) = (String::new(), String::new());
    let (mut deltas, mut tool_calls) = (Vec::new(), Vec::new());
    loop {
        match stream
            .next()
            .await
            .expect("a stream ends with Finished or an error")?
            .event()
        {
            Event::Started(_) => panic!("a stream starts once"),
            Event::Delta(delta) => {
                assert!(!delta.text.is_empty() || !delta.tokens.is_empty());
                text.push_str(&delta.text);
                deltas.push((Instant::now(), delta));
            }
            Event::Reasoning(delta) => {
                assert!(!delta.text.is_empty());
                assert!(text.is_empty(), "reasoning comes first");
                reasoning.push_str(&delta.text);
            }
            Event::ToolCall(call) => tool_calls.push(call),
            Event::Finished(finished) => {
                assert!(stream.next().await.is_none(), "nothing comes after Finished");
                return Ok(Answer {
                    started,
                    text,
                    reasoning,
                    tool_calls,
                    deltas,
                    finished,
                });
            }
        }
    }
}

pub(crate) async fn chat(worker: &Worker, request: proto::ChatRequest) -> Result<Answer, RemoteFault> {
    let stream = worker
        .text()
        .chat(request)
        .await
        .map_err(|status| RemoteFault::from(&status))?;
    read(stream.into_inner())
        .await
        .map_err(|status| RemoteFault::from(&status))
}

pub(crate) async fn complete(
    worker: &Worker,
    request: proto::CompleteRequest,
) -> Result<Answer, RemoteFault> {
    let stream = worker
        .text()
        .complete(request)
        .await
        .map_err(|status| RemoteFault::from(&status))?;
    read(stream.into_inner())
        .await
        .map_err(|status| RemoteFault::from(&status))
}
