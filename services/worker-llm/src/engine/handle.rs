//! The async side: a cheap handle to send requests to the engine thread.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::Stream;
use parking_lot::Mutex;
use rbee_worker_kit::EngineExit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::backend::Backend;
use super::embedding::{EmbedJob, EmbedRequest};
use super::error::EngineError;
use super::event::Event;
use super::request::GenerateRequest;
use super::scheduler::{Job, Scheduler};
use super::stats::{EngineStats, StatsSnapshot};
use super::thread::{self, Command};
use crate::model::ModelInfo;

/// The sizes of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// Sequences that run at once, at least 1.
    pub slots: usize,
    /// Requests that may wait for a slot.
    pub queue: usize,
    /// Prompt tokens computed between two decode steps, at least 1. Larger is faster for the
    /// prompt and slower for everybody else, and for noticing that a client went away.
    pub prefill_chunk: usize,
    /// Memory for KV caches, in bytes; at least that of one whole context is taken. `None`: what all
    /// slots take with their contexts full. Requests wait until there is room for their longest answer.
    pub kv_limit_bytes: Option<u64>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            queue: 32,
            prefill_chunk: 128,
            kv_limit_bytes: None,
        }
    }
}

/// A handle to a running engine. Clones share it; when the last is dropped, the engine finishes
/// what it has accepted and ends.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: ModelInfo,
    config: EngineConfig,
    commands: std::sync::mpsc::Sender<Command>,
    /// One permit for each slot and each place in the queue; a job keeps its permit to its end.
    places: Arc<Semaphore>,
    stats: Arc<EngineStats>,
    exit: watch::Receiver<Option<EngineExit>>,
    closed: Mutex<bool>,
}

impl Engine {
    /// Starts the engine thread for a loaded model.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(backend: Box<dyn Backend>, config: EngineConfig) -> std::io::Result<Self> {
        let config = EngineConfig {
            slots: config.slots.max(1),
            prefill_chunk: config.prefill_chunk.max(1),
            ..config
        };
        let stats = Arc::new(EngineStats::default());
        let info = backend.info().clone();
        let scheduler = Scheduler::new(backend, config, Arc::clone(&stats));
        let (commands, inbox) = std::sync::mpsc::channel();
        let (exited, exit) = watch::channel(None);
        thread::spawn(scheduler, inbox, exited)?;
        Ok(Self {
            shared: Arc::new(Shared {
                info,
                config,
                commands,
                places: Arc::new(Semaphore::new(config.slots + config.queue)),
                stats,
                exit,
                closed: Mutex::new(false),
            }),
        })
    }

    /// The facts of the loaded model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    /// The sizes it runs with.
    #[must_use]
    pub fn config(&self) -> EngineConfig {
        self.shared.config
    }

    /// The counters as they are now.
    #[must_use]
    pub fn stats(&self) -> StatsSnapshot {
        self.shared.stats.snapshot()
    }

    /// Accepts a request and gives the stream of its answer. Returns at once, also when the
    /// request has to wait for a slot. Dropping the stream cancels the generation.
    ///
    /// # Errors
    /// Everything that can be said before computing: a full queue, a prompt that does not fit,
    /// a setting out of range, an engine that stops.
    pub fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError> {
        let shared = &self.shared;
        self.check(&request)?;
        // Under the lock, so that no job can slip in behind the message that ends the engine.
        let closed = shared.closed.lock();
        let place = self.place(*closed)?;
        // Unbounded, yet never longer than the context: an answer has no more tokens than that.
        // A slow reader so cannot hold up the other sequences.
        let (events, receiver) = mpsc::unbounded_channel();
        let job = Job {
            request,
            events,
            _place: place,
            arrived: Instant::now(),
        };
        shared
            .stats
            .waiting
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if shared.commands.send(Command::Generate(Box::new(job))).is_err() {
            shared
                .stats
                .waiting
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            return Err(self.ended());
        }
        Ok(TokenStream {
            events: receiver,
            exit: shared.exit.clone(),
            done: false,
        })
    }

    /// Makes vectors of texts, one each, in their order. Dropping the future cancels it.
    ///
    /// # Errors
    /// As [`Engine::generate`], and when the computation fails.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check_inputs(&request)?;
        if request.inputs.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        {
            let closed = self.shared.closed.lock();
            let place = self.place(*closed)?;
            let stats = &self.shared.stats;
            stats.waiting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let job = Box::new(EmbedJob::new(request, reply, place));
            if self.shared.commands.send(Command::Embed(job)).is_err() {
                stats.waiting.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                return Err(self.ended());
            }
        }
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// A place for one more request, if new ones are taken.
    fn place(&self, closed: bool) -> Result<OwnedSemaphorePermit, EngineError> {
        let shared = &self.shared;
        if closed {
            return Err(EngineError::ShuttingDown);
        }
        if let Some(exit) = &*shared.exit.borrow() {
            return Err(exit_error(exit));
        }
        Arc::clone(&shared.places)
            .try_acquire_owned()
            .map_err(|_| EngineError::QueueFull {
                slots: shared.config.slots,
                queue: shared.config.queue,
                retry_after: shared.stats.retry_after(shared.config.slots),
            })
    }

    fn check_inputs(&self, request: &EmbedRequest) -> Result<(), EngineError> {
        for input in &request.inputs {
            self.check_prompt(input, 0)?;
        }
        Ok(())
    }

    /// Finishes what was accepted, refuses everything new, and returns when the thread has ended.
    pub async fn drain(&self) -> EngineExit {
        self.close(Command::Drain);
        self.exited().await
    }

    /// Ends every generation with [`EngineError::ShuttingDown`] after the step that runs now, and
    /// returns when the thread has ended. May follow a [`drain`](Self::drain) that takes too long.
    pub async fn abort(&self) -> EngineExit {
        self.close(Command::Abort);
        self.exited().await
    }

    /// Waits until the engine thread has ended. Cancel safe.
    pub async fn exited(&self) -> EngineExit {
        let mut exit = self.shared.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().expect("wait_for saw a value"),
            // The sender lives on the engine thread and always sends before it goes.
            Err(_) => EngineExit::Panicked {
                message: "the engine thread vanished".to_owned(),
            },
        }
    }

    fn close(&self, command: Command) {
        let mut closed = self.shared.closed.lock();
        *closed = true;
        // An error means that the thread has ended, which is what is wanted.
        let _ = self.shared.commands.send(command);
    }

    fn ended(&self) -> EngineError {
        self.shared
            .exit
            .borrow()
            .as_ref()
            .map_or(EngineError::ShuttingDown, exit_error)
    }

    fn check(&self, request: &GenerateRequest) -> Result<(), EngineError> {
        request.sampling.validate()?;
        if request.max_tokens == Some(0) {
            return Err(EngineError::NoTokensWanted);
        }
        self.check_prompt(&request.prompt, request.max_tokens.unwrap_or(1))
    }

    /// Whether these are tokens, and fit into the context with so many more.
    fn check_prompt(&self, prompt: &[u32], max_tokens: usize) -> Result<(), EngineError> {
        let info = &self.shared.info;
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        let vocab_size = info.vocab_size;
        if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocab_size) {
            return Err(EngineError::UnknownToken { token, vocab_size });
        }
        let prompt_tokens = prompt.len();
        let over_by = prompt_tokens
            .saturating_add(max_tokens)
            .saturating_sub(info.context_length);
        if over_by > 0 {
            return Err(EngineError::ContextOverflow {
                prompt_tokens,
                max_tokens,
                context_length: info.context_length,
                over_by,
            });
        }
        Ok(())
    }
}

impl rbee_worker_kit::Engine for Engine {
    async fn exited(&self) -> EngineExit {
        Engine::exited(self).await
    }

    async fn drain(&self) -> EngineExit {
        Engine::drain(self).await
    }

    async fn abort(&self) -> EngineExit {
        Engine::abort(self).await
    }
}

fn exit_error(exit: &EngineExit) -> EngineError {
    match exit {
        EngineExit::Stopped => EngineError::ShuttingDown,
        EngineExit::Panicked { message } => EngineError::Failed {
            message: message.clone(),
        },
    }
}

/// The answer to a [`GenerateRequest`]: tokens as they are made, then one [`Event::Finished`].
/// An error ends it too. Dropping it cancels the generation.
#[derive(Debug)]
pub struct TokenStream {
    events: mpsc::UnboundedReceiver<Result<Event, EngineError>>,
    exit: watch::Receiver<Option<EngineExit>>,
    done: bool,
}

impl TokenStream {
    /// The next event; `None` after the last. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Event, EngineError>> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event, EngineError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let event = std::task::ready!(self.events.poll_recv(context));
        // A channel that closes without a last event belongs to a job that the thread never saw,
        // or that went down with it.
        let event = event.unwrap_or_else(|| {
            Err(self
                .exit
                .borrow()
                .as_ref()
                .map_or(EngineError::ShuttingDown, exit_error))
        });
        self.done = !matches!(event, Ok(Event::Started | Event::Prompt(_) | Event::Token(_)));
        Poll::Ready(Some(event))
    }
}

impl Stream for TokenStream {
    type Item = Result<Event, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(context)
    }
}
