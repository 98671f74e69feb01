//! Which sequence computes what, and when: everything the engine thread does, without the thread.
//!
//! ```text
//!            a slot is free          prompt computed         end token, limit, stop string
//! waiting ────────────────▶ prefill ────────────────▶ decode ─────────────▶ finished
//!    └──────── receiver gone, failure ──┴──────────────────┴─────────────▶ closed
//! ```
//!
//! One [`step`](Scheduler::step) computes at most one chunk of one prompt (the sequences take
//! turns, oldest first) and then one token for every sequence that decodes, as one batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::backend::{Backend, BackendError, SequenceId, SequenceStep};
use super::error::EngineError;
use super::event::{Delta, Event, Finish, FinishReason, Timings, Usage};
use super::handle::EngineConfig;
use super::request::GenerateRequest;
use super::stats::EngineStats;
use crate::sampling::Sampler;

/// An accepted request on its way to a slot.
pub(super) struct Job {
    pub(super) request: GenerateRequest,
    pub(super) events: mpsc::UnboundedSender<Result<Event, EngineError>>,
    /// The place in the engine that this job takes until it is dropped.
    pub(super) _place: OwnedSemaphorePermit,
    pub(super) arrived: Instant,
}

/// A job that has a slot.
struct Running {
    job: Job,
    sequence: SequenceId,
    sampler: Sampler,
    logits: Vec<f32>,
    /// Prompt tokens computed so far.
    prefilled: usize,
    /// The sampled token that the next decode step appends; `None` while the prompt is computed.
    next: Option<u32>,
    generated: usize,
    max_tokens: usize,
    started: Instant,
    prefill_time: Duration,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    end: Option<End>,
}

/// How a running job leaves its slot.
enum End {
    Finished(FinishReason),
    Failed(EngineError),
}

pub(super) struct Scheduler {
    backend: Box<dyn Backend>,
    config: EngineConfig,
    stats: Arc<EngineStats>,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
}

impl Scheduler {
    pub(super) fn new(backend: Box<dyn Backend>, config: EngineConfig, stats: Arc<EngineStats>) -> Self {
        Self {
            backend,
            config,
            stats,
            waiting: VecDeque::new(),
            running: Vec::new(),
        }
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Puts a job at the end of the queue.
    pub(super) fn accept(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Ends every job with an error.
    pub(super) fn fail_all(&mut self, error: &EngineError) {
        for job in self.waiting.drain(..) {
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            self.stats.failed.fetch_add(1, Ordering::Relaxed);
            let _ = job.events.send(Err(error.clone()));
        }
        for running in &mut self.running {
            running.end.get_or_insert_with(|| End::Failed(error.clone()));
        }
        self.retire();
    }

    /// Does one round: drop who left, fill free slots, one prompt chunk, one token for each.
    pub(super) fn step(&mut self) {
        self.cancel_abandoned();
        self.admit();
        self.prefill();
        self.decode();
        self.retire();
    }

    /// Ends jobs whose receiver is gone, before anything more is computed for them.
    fn cancel_abandoned(&mut self) {
        let stats = &self.stats;
        self.waiting.retain(|job| {
            let abandoned = job.events.is_closed();
            if abandoned {
                stats.waiting.fetch_sub(1, Ordering::Relaxed);
                stats.cancelled.fetch_add(1, Ordering::Relaxed);
            }
            !abandoned
        });
        for running in &mut self.running {
            if running.job.events.is_closed() {
                running.end = Some(End::Finished(FinishReason::Cancelled));
            }
        }
        self.retire();
    }

    fn admit(&mut self) {
        while self.running.len() < self.config.slots {
            let Some(job) = self.waiting.pop_front() else {
                break;
            };
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            let room = self.backend.info().context_length - job.request.prompt.len();
            let max_tokens = job.request.max_tokens.unwrap_or(room).min(room);
            match self.backend.open(job.request.prompt.len() + max_tokens) {
                Ok(sequence) => {
                    // A receiver that is gone shows before the next computation.
                    let _ = job.events.send(Ok(Event::Started));
                    self.running.push(Running {
                        sampler: Sampler::new(&job.request.sampling, &job.request.prompt),
                        job,
                        sequence,
                        logits: Vec::new(),
                        prefilled: 0,
                        next: None,
                        generated: 0,
                        max_tokens,
                        started: Instant::now(),
                        prefill_time: Duration::ZERO,
                        first_token: None,
                        last_token: None,
                        end: None,
                    });
                }
                Err(error) => {
                    self.stats.failed.fetch_add(1, Ordering::Relaxed);
                    let _ = job.events.send(Err(failed(&error)));
                }
            }
        }
        self.stats.running.store(self.running.len(), Ordering::Relaxed);
    }

    /// Computes the next chunk of the prompt that has waited longest for its turn.
    fn prefill(&mut self) {
        let Some(turn) = self.running.iter().position(|running| running.next.is_none()) else {
            return;
        };
        // In its place while it computes, so that a panic leaves it where `fail_all` finds it.
        let running = &mut self.running[turn];
        let prompt = &running.job.request.prompt;
        let end = (running.prefilled + self.config.prefill_chunk).min(prompt.len());
        let complete = end == prompt.len();
        let began = Instant::now();
        let result = self.backend.step(&mut [SequenceStep {
            sequence: running.sequence,
            tokens: &prompt[running.prefilled..end],
            logits: complete.then_some(&mut running.logits),
        }]);
        running.prefill_time += began.elapsed();
        self.stats
            .prefill_tokens
            .fetch_add((end - running.prefilled) as u64, Ordering::Relaxed);
        running.prefilled = end;
        match result {
            Ok(()) if complete => running.choose(&self.stats),
            Ok(()) => {}
            Err(error) => running.end = Some(End::Failed(failed(&error))),
        }
        // To the back of the line, so that a long prompt does not hold up a short one.
        self.running[turn..].rotate_left(1);
    }

    /// Computes one token for every sequence that has its prompt behind it.
    fn decode(&mut self) {
        let mut deciding: Vec<&mut Running> = self
            .running
            .iter_mut()
            .filter(|running| running.next.is_some() && running.end.is_none())
            .collect();
        if deciding.is_empty() {
            return;
        }
        let mut batch: Vec<SequenceStep<'_>> = deciding
            .iter_mut()
            .map(|running| SequenceStep {
                sequence: running.sequence,
                tokens: running.next.as_slice(),
                logits: Some(&mut running.logits),
            })
            .collect();
        let result = self.backend.step(&mut batch);
        for running in deciding {
            match &result {
                Ok(()) => running.choose(&self.stats),
                Err(error) => running.end = Some(End::Failed(failed(error))),
            }
        }
    }

    /// Takes ended jobs out of their slots, frees their memory and says goodbye. The goodbye comes
    /// last: who reads it may count on the free place and on counters that know of it.
    fn retire(&mut self) {
        let mut goodbyes = Vec::new();
        for mut running in self.running.extract_if(.., |running| running.end.is_some()) {
            self.backend.close(running.sequence);
            self.stats.slot_was_held(running.started.elapsed());
            let (counter, event) = match running.end.take() {
                Some(End::Failed(error)) => (&self.stats.failed, Some(Err(error))),
                Some(End::Finished(reason)) if reason != FinishReason::Cancelled => (
                    &self.stats.finished,
                    Some(Ok(Event::Finished(running.finish(reason)))),
                ),
                _ => (&self.stats.cancelled, None),
            };
            counter.fetch_add(1, Ordering::Relaxed);
            goodbyes.extend(event.map(|event| (running.job.events, event)));
        }
        self.stats.running.store(self.running.len(), Ordering::Relaxed);
        self.stats
            .sequence_bytes
            .store(self.backend.sequence_bytes(), Ordering::Relaxed);
        for (events, event) in goodbyes {
            let _ = events.send(event);
        }
    }
}

impl Running {
    /// Samples from the logits and passes the token on, or ends.
    fn choose(&mut self, stats: &EngineStats) {
        let token = self.sampler.sample(&mut self.logits);
        if self.job.request.end_tokens.contains(&token) {
            self.end = Some(End::Finished(FinishReason::EndOfGeneration));
            return;
        }
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        self.generated += 1;
        self.next = Some(token);
        stats.generated_tokens.fetch_add(1, Ordering::Relaxed);
        let pushed = self.job.request.sink.push(token);
        let delta = Event::Token(Delta {
            token,
            text: pushed.text,
        });
        self.end = if self.job.events.send(Ok(delta)).is_err() {
            Some(End::Finished(FinishReason::Cancelled))
        } else if pushed.stop {
            Some(End::Finished(FinishReason::StopString))
        } else if self.generated >= self.max_tokens {
            Some(End::Finished(FinishReason::Length))
        } else {
            None
        };
    }

    fn finish(&mut self, reason: FinishReason) -> Finish {
        let text = match reason {
            FinishReason::StopString | FinishReason::Cancelled => String::new(),
            FinishReason::EndOfGeneration | FinishReason::Length => self.job.request.sink.finish(),
        };
        let decoding = self
            .first_token
            .zip(self.last_token)
            .map(|(first, last)| last - first);
        Finish {
            reason,
            text,
            usage: Usage {
                prompt_tokens: self.job.request.prompt.len(),
                cached_tokens: 0,
                completion_tokens: self.generated,
            },
            timings: Timings {
                queue: self.started - self.job.arrived,
                time_to_first_token: self.first_token.map(|first| first - self.job.arrived),
                prefill_tokens_per_second: rate(self.prefilled, self.prefill_time),
                decode_tokens_per_second: decoding
                    .and_then(|time| rate(self.generated.saturating_sub(1), time)),
            },
        }
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

fn failed(error: &BackendError) -> EngineError {
    EngineError::Failed {
        message: error.to_string(),
    }
}
