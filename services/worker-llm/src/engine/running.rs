//! A job that has a slot, from its first token to its last.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backend::SequenceId;
use super::error::EngineError;
use super::event::{Delta, Event, Finish, FinishReason, Timings, Usage};
use super::kept::{Computed, Reuse};
use super::scheduler::Job;
use super::stats::EngineStats;
use crate::sampling::Sampler;

/// A job that has a slot.
pub(super) struct Running {
    pub(super) job: Job,
    pub(super) sequence: SequenceId,
    pub(super) sampler: Sampler,
    pub(super) logits: Vec<f32>,
    /// Prompt tokens that were there already.
    pub(super) reused: usize,
    /// Prompt tokens in the KV cache so far.
    pub(super) prefilled: usize,
    /// The sampled token that the next decode step appends; `None` while the prompt is computed.
    pub(super) next: Option<u32>,
    /// So many prompt tokens were computed in whole chunks from the start.
    pub(super) in_chunks: usize,
    /// Tokens of the answer in the KV cache: all but the last.
    pub(super) appended: Vec<u32>,
    pub(super) generated: usize,
    /// The most tokens it may have, and memory for that many is set aside.
    pub(super) capacity_tokens: usize,
    pub(super) max_tokens: usize,
    pub(super) started: Instant,
    pub(super) prefill_time: Duration,
    pub(super) first_token: Option<Instant>,
    pub(super) last_token: Option<Instant>,
    pub(super) end: Option<End>,
}

/// How a running job leaves its slot.
pub(super) enum End {
    Finished(FinishReason),
    Failed(EngineError),
}

impl Running {
    /// Gives a job its slot: `sequence` has `reuse` of its prompt already.
    pub(super) fn new(job: Job, sequence: SequenceId, reuse: Option<Reuse>, max_tokens: usize) -> Self {
        let reused = reuse.map_or(0, |reuse| reuse.tokens);
        Self {
            sampler: Sampler::new(&job.request.sampling, &job.request.prompt),
            sequence,
            logits: Vec::new(),
            reused,
            prefilled: reused,
            in_chunks: reuse.map_or(0, |reuse| reuse.in_chunks),
            next: None,
            appended: Vec::new(),
            generated: 0,
            capacity_tokens: job.request.prompt.len() + max_tokens,
            max_tokens,
            started: Instant::now(),
            prefill_time: Duration::ZERO,
            first_token: None,
            last_token: None,
            end: None,
            job,
        }
    }

    /// What its sequence has.
    pub(super) fn computed(&self) -> Computed<'_> {
        Computed {
            sequence: self.sequence,
            prompt: &self.job.request.prompt[..self.prefilled],
            answer: &self.appended,
            in_chunks: self.in_chunks,
        }
    }

    /// Which tokens of the prompt come next. Portions end at multiples of `chunk`, wherever they begin,
    /// so that portions of other prompts are the same.
    pub(super) fn next_chunk(&self, chunk: usize) -> Range<usize> {
        let end = (self.prefilled / chunk + 1) * chunk;
        self.prefilled..end.min(self.job.request.prompt.len())
    }

    /// Notes that a portion of the prompt is in the KV cache.
    pub(super) fn prefilled(&mut self, portion: Range<usize>, chunk: usize) {
        if self.in_chunks == portion.start && portion.end == portion.start + chunk {
            self.in_chunks = portion.end;
        }
        self.prefilled = portion.end;
    }

    /// Samples from the logits and passes the token on, or ends.
    pub(super) fn choose(&mut self, stats: &EngineStats) {
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

    pub(super) fn finish(&mut self, reason: FinishReason) -> Finish {
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
                cached_tokens: self.reused,
                completion_tokens: self.generated,
            },
            timings: Timings {
                queue: self.started - self.job.arrived,
                time_to_first_token: self.first_token.map(|first| first - self.job.arrived),
                prefill_tokens_per_second: rate(self.prefilled - self.reused, self.prefill_time),
                decode_tokens_per_second: decoding
                    .and_then(|time| rate(self.generated.saturating_sub(1), time)),
            },
        }
    }
}

fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}
