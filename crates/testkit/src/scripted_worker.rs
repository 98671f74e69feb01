//! A worker that does what its model file says, for tests of what must cope with it.
//!
//! It speaks the whole protocol between a hive and a worker: the command line, the token on its
//! standard input, the reports on its standard output, health, reflection and the worker's services
//! on its socket. Only the text is made up. If its model file begins with `{` it is a [`Script`];
//! with any other file it behaves.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, Stream};
use rbee_proto::types::v1::WorkerType;
use rbee_proto::worker::v1::text_service_server::{TextService, TextServiceServer};
use rbee_proto::worker::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, CompleteRequest, CompleteResponse, CountTokensRequest, CountTokensResponse,
    DetokenizeRequest, DetokenizeResponse, FinishReason, GenerationFinished, GenerationStarted,
    GetInfoRequest, GetInfoResponse, TextDelta, TokenizeRequest, TokenizeResponse, Usage, WorkerLoad,
    chat_response, complete_response,
};
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder};
use serde::{Deserialize, Serialize};

use tonic::{Request, Response, Status};

/// What the worker does besides serving. Everything is off by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// How long the model takes to load, with ten reports on the way.
    pub load_ms: u64,
    /// Loads forever.
    pub never_ready: bool,
    /// Says that it is ready while its health says that it isn't.
    pub ready_without_health: bool,
    /// Exits with this code while it loads.
    pub exit_loading: Option<i32>,
    /// Reports this reason while it loads, and exits with code 2.
    pub fail_loading: Option<String>,
    /// Exits with this code when it is asked for an answer.
    pub exit_serving: Option<i32>,
    /// Aborts when it is asked for an answer.
    pub abort_serving: bool,
    /// Does not leave when it is told to.
    pub ignore_term: bool,
    /// Forks a process that outlives it unless somebody ends it.
    pub fork: bool,
    /// Lines to log at once while it loads.
    pub log_lines: u64,
    /// Stops answering anything, health too, when it is asked for an answer.
    pub hang_serving: bool,
    /// Answers health, and nothing else.
    pub hang_requests: bool,
    /// Tokens of each answer.
    pub tokens: u32,
    /// Time between tokens.
    pub token_ms: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            load_ms: 0,
            never_ready: false,
            ready_without_health: false,
            exit_loading: None,
            fail_loading: None,
            exit_serving: None,
            abort_serving: false,
            ignore_term: false,
            fork: false,
            log_lines: 0,
            hang_serving: false,
            hang_requests: false,
            tokens: 5,
            token_ms: 1,
        }
    }
}

impl Script {
    /// The content of a model file that makes the worker do this.
    ///
    /// # Panics
    /// Never: a script can be written as JSON.
    #[must_use]
    pub fn to_model(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a script is made of numbers and strings")
    }

    fn read(model: &Path) -> std::io::Result<Self> {
        let content = std::fs::read(model)?;
        if content.starts_with(b"{") {
            Ok(serde_json::from_slice(&content)?)
        } else {
            Ok(Self::default())
        }
    }
}

/// The program, as it was built beside the tests that run now. Cargo builds it with all tests of a
/// crate or of the workspace, but not with a single one (`--test name`).
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let folder = test.ancestors().nth(2).expect("a test lies in <profile>/deps");
    // A binary of this crate, or an example of the crate that is tested: the newest counts.
    [
        folder.join("scripted-worker"),
        folder.join("examples/scripted-worker"),
    ]
    .into_iter()
    .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
    .max()
    .map(|(_, path): (SystemTime, PathBuf)| path)
    .expect("run `cargo build -p rbee-testkit` first: the scripted worker is not built")
}

#[derive(Debug, Default)]
struct Options {
    worker_id: String,
    model_id: String,
    model: PathBuf,
    device: String,
    socket: PathBuf,
}

fn options() -> Options {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match name.as_str() {
            "--version" => {
                println!("llm-worker-rbee-cpu 0.1.0-scripted");
                std::process::exit(0);
            }
            "--worker-id" => options.worker_id = value(),
            "--model-id" => options.model_id = value(),
            "--model" => options.model = value().into(),
            "--device" => options.device = value(),
            "--socket" => options.socket = value().into(),
            // What there is more of does not matter to made-up text.
            _ => drop(value()),
        }
    }
    options
}

/// The program's `main`.
#[must_use]
pub fn run() -> ExitCode {
    let options = options();
    let mut token = String::new();
    if std::io::stdin().lock().read_line(&mut token).is_err() || token.trim().is_empty() {
        eprintln!("a token was expected on the standard input");
        return ExitCode::from(64);
    }
    std::thread::spawn(|| {
        // The end of the standard input means that the hive is gone.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let served = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(options, token.trim().to_owned())));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn report(json: &serde_json::Value) {
    println!("rbee-worker: {json}");
}

async fn serve(options: Options, token: String) -> Result<(), Box<dyn std::error::Error>> {
    let script = Script::read(&options.model)?;
    let life = Lifecycle::new();
    if script.ignore_term {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        life.spawn(async move { while term.recv().await.is_some() {} });
    } else {
        life.shut_down_on_signals()?;
    }
    if script.fork {
        std::process::Command::new("sleep").arg("3600").spawn()?;
    }
    let worker = ScriptedWorker {
        inner: Arc::new(Inner {
            options,
            script: script.clone(),
            running: AtomicU32::new(0),
            generated: AtomicU64::new(0),
        }),
    };
    let mut server = ServerBuilder::new(Auth::Token(token.into()));
    server
        .add_service(WorkerServiceServer::new(worker.clone()))
        .add_service(TextServiceServer::new(worker.clone()));
    let readiness = server.readiness();
    let listener = Listener::unix(&worker.inner.options.socket).await?;
    tokio::spawn(async move {
        load(&script).await;
        if !script.ready_without_health {
            readiness.set_ready().await;
        }
        report(&serde_json::json!({"event": "ready"}));
    });
    server.serve(listener, &life, Duration::from_millis(500)).await?;
    Ok(())
}

async fn load(script: &Script) {
    for line in 0..script.log_lines {
        println!("line {line} of a flood {}", "~".repeat(60));
    }
    println!("loading a model that is made up");
    for step in 1..=10_u8 {
        tokio::time::sleep(Duration::from_millis(script.load_ms / 10)).await;
        report(&serde_json::json!({"event": "loading", "fraction": f32::from(step) / 10.0}));
        if step == 5 {
            if let Some(code) = script.exit_loading {
                eprintln!("exiting with code {code} as the script says");
                std::process::exit(code);
            }
            if let Some(reason) = &script.fail_loading {
                report(
                    &serde_json::json!({"event": "failed", "reason": reason, "message": "as the script says"}),
                );
                std::process::exit(2);
            }
            if script.never_ready {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What the script has in mind for a worker that serves.
async fn misbehave(script: &Script) {
    if let Some(code) = script.exit_serving {
        eprintln!("exiting with code {code} as the script says");
        std::process::exit(code);
    }
    if script.abort_serving {
        std::process::abort();
    }
    if script.hang_serving {
        // Both threads of the runtime; nothing is polled any more.
        for _ in 0..2 {
            tokio::spawn(async {
                loop {
                    std::thread::sleep(Duration::from_secs(3600));
                }
            });
        }
    }
    if script.hang_serving || script.hang_requests {
        std::future::pending::<()>().await;
    }
}

#[derive(Clone)]
struct ScriptedWorker {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    script: Script,
    running: AtomicU32,
    generated: AtomicU64,
}

/// Counts an answer as running until it is dropped.
struct Running(Arc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl ScriptedWorker {
    /// An answer: how far it is told by `event` for every step, from 0 to one more than its tokens.
    async fn answer<T: Send + 'static>(
        &self,
        event: impl Fn(u32, u32) -> T + Send + 'static,
    ) -> Result<Response<Answers<T>>, Status> {
        let inner = self.inner.clone();
        misbehave(&inner.script).await;
        inner.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(inner.clone());
        let tokens = inner.script.tokens;
        let pace = Duration::from_millis(inner.script.token_ms);
        let steps = stream::unfold(0, move |step| {
            let generated = (1..=tokens).contains(&step);
            let answer = (step <= tokens + 1).then(|| (Ok(event(step, tokens)), step + 1));
            let running = running.0.clone();
            async move {
                if generated {
                    tokio::time::sleep(pace).await;
                    running.generated.fetch_add(1, Ordering::SeqCst);
                }
                answer
            }
        });
        Ok(Response::new(Box::pin(steps)))
    }
}

fn started() -> GenerationStarted {
    GenerationStarted {
        prompt_tokens: 1,
        seed: 1,
    }
}

fn delta(step: u32) -> TextDelta {
    TextDelta {
        text: format!("{step} "),
        completion_tokens: step,
    }
}

fn finished(tokens: u32) -> GenerationFinished {
    GenerationFinished {
        reason: FinishReason::EndOfGeneration.into(),
        usage: Some(Usage {
            prompt_tokens: 1,
            cached_prompt_tokens: 0,
            completion_tokens: tokens,
        }),
        timings: None,
    }
}

#[tonic::async_trait]
impl TextService for ScriptedWorker {
    type ChatStream = Answers<ChatResponse>;
    type CompleteStream = Answers<CompleteResponse>;

    async fn chat(&self, _: Request<ChatRequest>) -> Result<Response<Self::ChatStream>, Status> {
        self.answer(|step, tokens| {
            let event = match step {
                0 => chat_response::Event::Started(started()),
                step if step <= tokens => chat_response::Event::Delta(delta(step)),
                _ => chat_response::Event::Finished(finished(tokens)),
            };
            ChatResponse { event: Some(event) }
        })
        .await
    }

    async fn complete(&self, _: Request<CompleteRequest>) -> Result<Response<Self::CompleteStream>, Status> {
        self.answer(|step, tokens| {
            let event = match step {
                0 => complete_response::Event::Started(started()),
                step if step <= tokens => complete_response::Event::Delta(delta(step)),
                _ => complete_response::Event::Finished(finished(tokens)),
            };
            CompleteResponse { event: Some(event) }
        })
        .await
    }

    async fn tokenize(
        &self,
        request: Request<TokenizeRequest>,
    ) -> Result<Response<TokenizeResponse>, Status> {
        let token_ids = request.into_inner().text.chars().map(u32::from).collect();
        Ok(Response::new(TokenizeResponse { token_ids }))
    }

    async fn detokenize(
        &self,
        request: Request<DetokenizeRequest>,
    ) -> Result<Response<DetokenizeResponse>, Status> {
        let text = request
            .into_inner()
            .token_ids
            .into_iter()
            .filter_map(char::from_u32)
            .collect();
        Ok(Response::new(DetokenizeResponse { text }))
    }

    async fn count_tokens(
        &self,
        request: Request<CountTokensRequest>,
    ) -> Result<Response<CountTokensResponse>, Status> {
        let prompt_tokens = u32::try_from(request.into_inner().messages.len()).unwrap_or(u32::MAX);
        Ok(Response::new(CountTokensResponse { prompt_tokens }))
    }
}

#[tonic::async_trait]
impl WorkerService for ScriptedWorker {
    async fn get_info(&self, _: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let Inner {
            options,
            running,
            generated,
            ..
        } = &*self.inner;
        Ok(Response::new(GetInfoResponse {
            worker_id: options.worker_id.clone(),
            model_id: options.model_id.clone(),
            worker_type: WorkerType::CpuLlm.into(),
            version: "0.1.0-scripted".into(),
            device_id: options.device.clone(),
            load: Some(WorkerLoad {
                running_requests: running.load(Ordering::SeqCst),
                generated_tokens: generated.load(Ordering::SeqCst),
                ..WorkerLoad::default()
            }),
            model_info: None,
        }))
    }
}
