//! Made-up answers, and who is being given one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::Stream;
use rbee_proto::worker::v1::WorkerLoad;
use rbee_service_kit::{Fault, reason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::{Code, Status};

use super::perform::Behaviour;
use super::program::Options;
use super::{Act, Script};

/// Where requests wait for a slot and are answered. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    script: Script,
    behaviour: Behaviour,
    slot_count: u32,
    queue_length: u32,
    slots: Arc<Semaphore>,
    waiting: AtomicU32,
    running: AtomicU32,
    generated: AtomicU64,
    prefilled: AtomicU64,
}

impl Desk {
    pub(super) fn new(script: &Script, options: &Options, behaviour: Behaviour) -> Self {
        let slot_count = options.slots.unwrap_or(script.slots);
        Self {
            inner: Arc::new(Inner {
                script: script.clone(),
                behaviour,
                slot_count,
                queue_length: options.queue.unwrap_or(script.queue),
                slots: Arc::new(Semaphore::new(slot_count as usize)),
                waiting: AtomicU32::new(0),
                running: AtomicU32::new(0),
                generated: AtomicU64::new(0),
                prefilled: AtomicU64::new(0),
            }),
        }
    }

    /// How busy the worker is, as it really is.
    pub(super) fn load(&self) -> WorkerLoad {
        let inner = &self.inner;
        WorkerLoad {
            running_requests: inner.running.load(Ordering::SeqCst),
            waiting_requests: inner.waiting.load(Ordering::SeqCst),
            slot_count: inner.slot_count,
            queue_length: inner.queue_length,
            generated_tokens: inner.generated.load(Ordering::SeqCst),
            prefilled_tokens: inner.prefilled.load(Ordering::SeqCst),
            ..WorkerLoad::default()
        }
    }

    /// Never returns for a worker that answers no requests any more.
    pub(super) async fn unless_stalled(&self) {
        self.inner.behaviour.unless_stalled().await;
    }

    /// An answer to `prompt`: what each step of it looks like is told by `event`.
    pub(super) async fn answer<T>(
        &self,
        prompt: &str,
        event: fn(Step) -> T,
    ) -> Result<Pin<Box<Answer<T>>>, Status> {
        let running = self.slot().await?;
        let inner = &self.inner;
        inner.behaviour.perform(inner.script.acts_asked()).await;
        inner
            .behaviour
            .perform(Act::of_message(prompt).into_iter().collect())
            .await;
        inner.behaviour.unless_stalled().await;
        let prompt_tokens = u32::try_from(prompt.split_whitespace().count().max(1)).unwrap_or(u32::MAX);
        inner
            .prefilled
            .fetch_add(u64::from(prompt_tokens), Ordering::SeqCst);
        Ok(Box::pin(Answer {
            next: 0,
            tokens: inner.script.tokens,
            prompt_tokens,
            pace: pace(inner.script.token_ms),
            event,
            running,
        }))
    }

    async fn slot(&self) -> Result<Running, Status> {
        let inner = &self.inner;
        let permit = match inner.slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let waiting = Waiting::new(inner)?;
                let permit = inner.slots.clone().acquire_owned().await;
                drop(waiting);
                permit.map_err(|_| Status::internal("nobody closes the slots"))?
            }
        };
        inner.running.fetch_add(1, Ordering::SeqCst);
        Ok(Running {
            inner: inner.clone(),
            _permit: permit,
        })
    }
}

fn pace(milliseconds: u64) -> Option<Interval> {
    let pace = Duration::from_millis(milliseconds);
    (!pace.is_zero()).then(|| {
        let mut interval = interval_at(Instant::now() + pace, pace);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    })
}

/// Counts a request as waiting until it is dropped.
struct Waiting(Arc<Inner>);

impl Waiting {
    fn new(inner: &Arc<Inner>) -> Result<Self, Status> {
        if inner.waiting.fetch_add(1, Ordering::SeqCst) >= inner.queue_length {
            inner.waiting.fetch_sub(1, Ordering::SeqCst);
            let words = format!("{} requests wait already", inner.queue_length);
            let fault = Fault::new(Code::ResourceExhausted, reason::QUEUE_FULL, words);
            return Err(fault.retry_after(Duration::from_secs(1)).into());
        }
        Ok(Self(inner.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts an answer as running, and keeps its slot, until it is dropped.
#[derive(Debug)]
struct Running {
    inner: Arc<Inner>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One message of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The first.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
    },
    /// A token, from 1.
    Token(u32),
    /// The last.
    Finished {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the answer.
        tokens: u32,
    },
}

/// An answer on its way. It is generated as it is taken, so that who does not read stops it.
pub(super) struct Answer<T> {
    next: u32,
    tokens: u32,
    prompt_tokens: u32,
    pace: Option<Interval>,
    event: fn(Step) -> T,
    running: Running,
}

impl<T> Stream for Answer<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.running.inner.behaviour.is_stalled() {
            // Nobody wakes it any more, which is the point.
            return Poll::Pending;
        }
        let prompt_tokens = this.prompt_tokens;
        let step = match this.next {
            0 => Step::Started { prompt_tokens },
            token if token <= this.tokens => {
                if let Some(pace) = &mut this.pace {
                    ready!(pace.poll_tick(context));
                }
                this.running.inner.generated.fetch_add(1, Ordering::SeqCst);
                Step::Token(token)
            }
            last if last == this.tokens + 1 => Step::Finished {
                prompt_tokens,
                tokens: this.tokens,
            },
            _ => return Poll::Ready(None),
        };
        this.next += 1;
        Poll::Ready(Some(Ok((this.event)(step))))
    }
}
