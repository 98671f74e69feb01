//! The async side: a cheap handle to send requests to the engine thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::EngineExit;
use super::error::EngineError;
use super::painter::{Painter, Work};
use super::queue::{Job, Queue};
use super::stream::PictureStream;
use super::thread;
use crate::domain::{Choices, Facts, ImageRequest};

/// The settings of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Requests that may be painted side by side, at least 1.
    pub slots: usize,
    /// Requests that may wait while others are painted.
    pub queue: usize,
    /// Id of the model, for pictures' settings.
    pub model_id: String,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) images: AtomicU64,
    pub(super) steps: AtomicU64,
}

/// How busy an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Requests that are painted.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Pictures since the start.
    pub images: u64,
    /// Steps since the start.
    pub steps: u64,
}

/// A handle to a running engine. Clones share it; when the last is dropped, the engine finishes what it has accepted
/// and ends.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    facts: Facts,
    config: EngineConfig,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    exit: watch::Receiver<Option<EngineExit>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close(false);
    }
}

impl Engine {
    /// Starts the engine thread for a loaded model.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(painter: Box<dyn Painter>, config: EngineConfig) -> std::io::Result<Self> {
        let facts = painter.facts().clone();
        let queue = Arc::new(Queue::new(config.slots, config.queue));
        let counters = Arc::new(Counters::default());
        let (exited, exit) = watch::channel(None);
        let studio = thread::Studio {
            painter,
            model_id: config.model_id.clone(),
            slots: config.slots.max(1),
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
        };
        studio.open(exited)?;
        Ok(Self {
            shared: Arc::new(Shared {
                facts,
                config,
                queue,
                counters,
                exit,
            }),
        })
    }

    /// What the model is.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.shared.facts
    }

    /// The settings it runs with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    /// How busy it is.
    #[must_use]
    pub fn load(&self) -> Load {
        let (running, waiting) = self.shared.queue.load();
        Load {
            running,
            waiting,
            images: self.shared.counters.images.load(Ordering::Relaxed),
            steps: self.shared.counters.steps.load(Ordering::Relaxed),
        }
    }

    /// Accepts a request that was checked. `random` becomes its seed if it names none. Returns at once, also when it
    /// has to wait.
    ///
    /// # Errors
    /// Everything that can be said before painting.
    pub fn generate(&self, request: ImageRequest, random: u64) -> Result<PictureStream, EngineError> {
        let shared = &self.shared;
        let choices = Choices::of(&request, &shared.facts, random)?;
        if let Some(EngineExit::Panicked { message }) = &*shared.exit.borrow() {
            return Err(EngineError::Failed {
                message: message.clone(),
            });
        }
        // Unbounded, yet of few messages: a request has at most so many steps and pictures, and previews that nobody
        // reads are left out.
        let (events, receiver) = mpsc::unbounded_channel();
        let unread_previews = Arc::new(AtomicUsize::new(0));
        let mut given = 0;
        shared.queue.push(|id| {
            given = id;
            Job {
                id,
                work: Arc::new(Work { request, choices }),
                events,
                arrived: Instant::now(),
                unread_previews: Arc::clone(&unread_previews),
            }
        })?;
        Ok(PictureStream {
            id: given,
            events: receiver,
            unread_previews,
            queue: Arc::clone(&shared.queue),
            done: false,
        })
    }
}

impl rbee_worker_kit::Engine for Engine {
    async fn exited(&self) -> EngineExit {
        let mut exit = self.shared.exit.clone();
        match exit.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(exit)) => exit.clone(),
            // The sender lives on the engine thread and always sends before it goes.
            _ => EngineExit::Panicked {
                message: "the engine thread vanished".to_owned(),
            },
        }
    }

    async fn drain(&self) -> EngineExit {
        self.shared.queue.close(false);
        self.exited().await
    }

    async fn abort(&self) -> EngineExit {
        self.shared.queue.close(true);
        self.exited().await
    }
}
