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

mod embeddings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::backend::{Backend, BackendError, LogitsWanted, SequenceId, SequenceStep};
use super::embedding::EmbedJob;
use super::error::EngineError;
use super::event::{Event, FinishReason};
use super::handle::EngineConfig;
use super::kept::{KeptSequences, Reuse, better};
use super::request::GenerateRequest;
use super::running::{End, Running};
use super::stats::EngineStats;

/// An accepted request on its way to a slot.
pub(super) struct Job {
    pub(super) request: GenerateRequest,
    pub(super) events: mpsc::UnboundedSender<Result<Event, EngineError>>,
    /// The place in the engine that this job takes until it is dropped.
    pub(super) _place: OwnedSemaphorePermit,
    pub(super) arrived: Instant,
}

pub(super) struct Scheduler {
    backend: Box<dyn Backend>,
    config: EngineConfig,
    stats: Arc<EngineStats>,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    kept: KeptSequences,
    /// They take turns.
    embeddings: VecDeque<EmbedJob>,
    /// The next of them waits for memory: no generation begins before it has it.
    embedding_waits: bool,
    /// Memory for KV caches, in bytes: running sequences with their longest answers fit into it.
    limit_bytes: u64,
}

impl Scheduler {
    pub(super) fn new(backend: Box<dyn Backend>, config: EngineConfig, stats: Arc<EngineStats>) -> Self {
        let context = backend.bytes_for(backend.info().context_length);
        let whole = context.saturating_mul(config.slots as u64);
        Self {
            // One request must fit, or it would wait for ever.
            limit_bytes: config.kv_limit_bytes.unwrap_or(whole).max(context),
            backend,
            config,
            stats,
            waiting: VecDeque::new(),
            running: Vec::new(),
            kept: KeptSequences::default(),
            embeddings: VecDeque::new(),
            embedding_waits: false,
        }
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.embeddings.is_empty()
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
        self.fail_all_embeddings(error);
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
        self.embed();
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
        self.cancel_abandoned_embeddings();
        for running in &mut self.running {
            if running.job.events.is_closed() {
                running.end = Some(End::Finished(FinishReason::Cancelled));
            }
        }
        self.retire();
    }

    /// Gives waiting jobs slots, in their order: one that does not fit into memory yet holds up the
    /// others, so that it is not overtaken for ever.
    fn admit(&mut self) {
        while self.running.len() < self.config.slots
            && !self.embedding_waits
            && let Some(job) = self.waiting.front()
        {
            let room = self.backend.info().context_length - job.request.prompt.len();
            let max_tokens = job.request.max_tokens.unwrap_or(room).min(room);
            let capacity = job.request.prompt.len() + max_tokens;
            if self.reserved_bytes() + self.backend.bytes_for(capacity) > self.limit_bytes {
                break;
            }
            let Some(job) = self.waiting.pop_front() else {
                break;
            };
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            self.start(job, max_tokens, capacity);
        }
        self.stats.running.store(self.running.len(), Ordering::Relaxed);
    }

    fn start(&mut self, job: Job, max_tokens: usize, capacity: usize) {
        let reuse = self.reuse(&job.request);
        let opened = match reuse {
            Some(reuse) => self.backend.fork(reuse.sequence, reuse.tokens, capacity),
            None => self.backend.open(capacity),
        };
        match opened {
            Ok(sequence) => {
                if let Some(reuse) = reuse {
                    self.kept.used(reuse.sequence);
                    let tokens = reuse.tokens as u64;
                    self.stats.cached_tokens.fetch_add(tokens, Ordering::Relaxed);
                }
                // A receiver that is gone shows before the next computation.
                let _ = job.events.send(Ok(Event::Started));
                self.running.push(Running::new(job, sequence, reuse, max_tokens));
            }
            Err(error) => {
                self.stats.failed.fetch_add(1, Ordering::Relaxed);
                let _ = job.events.send(Err(failed(&error)));
            }
        }
    }

    /// The longest beginning of a prompt that is there, of sequences that have ended or run. None where all of the
    /// prompt is to be told of.
    fn reuse(&self, request: &GenerateRequest) -> Option<Reuse> {
        if request.tells_prompt() {
            return None;
        }
        let chunk = request.reproducible.then_some(self.config.prefill_chunk);
        let running = self.running.iter().map(Running::computed);
        self.kept
            .computed()
            .chain(running)
            .map(|computed| computed.reuse(&request.prompt, chunk))
            .fold(None, better)
    }

    /// What running sequences may come to take.
    fn reserved_bytes(&self) -> u64 {
        let reserved = self
            .running
            .iter()
            .map(|running| self.backend.bytes_for(running.capacity_tokens));
        let open = self.embeddings.iter().filter(|job| job.sequence().is_some());
        let embedding = open.map(|job| self.backend.bytes_for(job.next_tokens(0)));
        reserved.chain(embedding).sum()
    }

    /// Lets kept sequences go until there is memory for what was computed last.
    fn make_room(&mut self) {
        // By themselves they would take this much; what they share comes off.
        let alone: u64 = self
            .running
            .iter()
            .map(Running::computed)
            .chain(self.kept.computed())
            .map(|computed| {
                self.backend
                    .bytes_for(computed.prompt.len() + computed.answer.len())
            })
            .sum();
        if alone <= self.limit_bytes {
            return;
        }
        while self.taken_bytes() > self.limit_bytes
            && let Some(sequence) = self.kept.oldest()
        {
            self.backend.close(sequence);
        }
    }

    fn taken_bytes(&self) -> u64 {
        let running = self.running.iter().map(|running| running.sequence);
        let embedding = self.embeddings.iter().filter_map(EmbedJob::sequence);
        self.bytes(running.chain(embedding).chain(self.kept.sequences()))
    }

    fn bytes(&self, sequences: impl Iterator<Item = SequenceId>) -> u64 {
        sequences
            .map(|sequence| self.backend.sequence_bytes(sequence))
            .sum()
    }

    /// Computes the next chunk of the prompt that has waited longest for its turn.
    fn prefill(&mut self) {
        let Some(turn) = self.running.iter().position(|running| running.next.is_none()) else {
            return;
        };
        // In its place while it computes, so that a panic leaves it where `fail_all` finds it.
        let running = &mut self.running[turn];
        let chunk = self.config.prefill_chunk;
        let vocab_size = self.backend.info().vocab_size;
        let portion = running.next_chunk(chunk, vocab_size);
        let tells = running.job.request.tells_prompt();
        let prompt = &running.job.request.prompt;
        let complete = portion.end == prompt.len();
        let began = Instant::now();
        let result = self.backend.step(&mut [SequenceStep {
            sequence: running.sequence,
            tokens: &prompt[portion.clone()],
            logits: match (tells, complete) {
                (true, _) => LogitsWanted::All(&mut running.logits),
                (false, true) => LogitsWanted::Last(&mut running.logits),
                (false, false) => LogitsWanted::Nothing,
            },
        }]);
        running.prefill_time += began.elapsed();
        self.stats
            .prefill_tokens
            .fetch_add(portion.len() as u64, Ordering::Relaxed);
        running.prefilled(portion.clone(), chunk);
        if tells && result.is_ok() {
            running.tell_prompt(portion, vocab_size);
        }
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
                logits: LogitsWanted::Last(&mut running.logits),
            })
            .collect();
        let result = self.backend.step(&mut batch);
        for running in deciding {
            match &result {
                Ok(()) => {
                    running.appended.extend(running.next);
                    running.choose(&self.stats);
                }
                Err(error) => running.end = Some(End::Failed(failed(error))),
            }
        }
    }

    /// Takes ended jobs out of their slots, keeps what they computed and says goodbye. The goodbye comes
    /// last: who reads it may count on the free place and on counters that know of it.
    fn retire(&mut self) {
        let mut goodbyes = Vec::new();
        for mut running in self.running.extract_if(.., |running| running.end.is_some()) {
            // After a failure nobody knows what the sequence has.
            let useless = match running.end {
                Some(End::Failed(_)) => vec![running.sequence],
                _ => self.kept.keep(running.computed()),
            };
            for sequence in useless {
                self.backend.close(sequence);
            }
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
        self.make_room();
        self.stats.running.store(self.running.len(), Ordering::Relaxed);
        let running = self.bytes(self.running.iter().map(|running| running.sequence));
        self.stats.sequence_bytes.store(running, Ordering::Relaxed);
        let kept = self.bytes(self.kept.sequences());
        self.stats.kept_bytes.store(kept, Ordering::Relaxed);
        self.stats
            .kept_sequences
            .store(self.kept.len(), Ordering::Relaxed);
        for (events, event) in goodbyes {
            let _ = events.send(event);
        }
    }
}

fn failed(error: &BackendError) -> EngineError {
    EngineError::Failed {
        message: error.to_string(),
    }
}
