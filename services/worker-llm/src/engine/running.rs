//! A job that has a slot, from its first token to its last.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backend::SequenceId;
use super::error::EngineError;
use super::event::{Delta, Event, Finish, FinishReason, Timings, TokenDetails, Usage};
use super::kept::{Computed, Reuse};
use super::scheduler::Job;
use super::scores::Scores;
use super::stats::EngineStats;
use super::untold::Untold;
use crate::constraint::{Accepted, ConstraintError};
use crate::sampling::Sampler;

/// Memory for the logits of one portion of a prompt of which is to be told, in bytes.
const PROMPT_LOGITS_BYTES: usize = 16 << 20;

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
    /// What is to be told of the token that was chosen last.
    details: Option<TokenDetails>,
    untold: Untold,
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
            details: None,
            untold: Untold::default(),
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
    /// so that portions of other prompts are the same; smaller ones where each token's logits are wanted.
    pub(super) fn next_chunk(&self, chunk: usize, vocab_size: usize) -> Range<usize> {
        let mut end = (self.prefilled / chunk + 1) * chunk;
        if self.job.request.tells_prompt() {
            let most = PROMPT_LOGITS_BYTES / size_of::<f32>() / vocab_size.max(1);
            end = end.min(self.prefilled + most.max(1));
        }
        self.prefilled..end.min(self.job.request.prompt.len())
    }

    /// Tells of the tokens that follow each of a portion of the prompt, whose logits are there, and leaves
    /// the last one's.
    pub(super) fn tell_prompt(&mut self, portion: Range<usize>, vocab_size: usize) {
        let request = &self.job.request;
        let top = request.log_probabilities.unwrap_or_default();
        let mut told = Vec::with_capacity(portion.len() + 1);
        if portion.start == 0 {
            told.extend(request.prompt.first().map(|&token| TokenDetails {
                token,
                log_probability: None,
                top: Vec::new(),
            }));
        }
        let following = &request.prompt[portion.start + 1..];
        for (logits, &token) in self.logits.chunks_exact(vocab_size).zip(following) {
            told.push(Scores::new(logits).details(token, top));
        }
        // A receiver that is gone shows before the next computation.
        let _ = self.job.events.send(Ok(Event::Prompt(told)));
        self.logits = self
            .logits
            .split_off(self.logits.len().saturating_sub(vocab_size));
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
        let token = match self.sample() {
            Ok(token) => token,
            Err(error) => {
                self.end = Some(End::Failed(error));
                return;
            }
        };
        if self.job.request.end_tokens.contains(&token) {
            self.end = Some(End::Finished(FinishReason::EndOfGeneration));
            return;
        }
        let accepted = self.accept(token);
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        self.generated += 1;
        self.next = Some(token);
        stats.generated_tokens.fetch_add(1, Ordering::Relaxed);
        let pushed = self.job.request.sink.push(token);
        let details = match self.details.take() {
            Some(details) => self.untold.push(details, &pushed),
            None => Vec::new(),
        };
        let delta = Event::Token(Delta {
            token,
            text: pushed.text,
            details,
        });
        self.end = if self.job.events.send(Ok(delta)).is_err() {
            Some(End::Finished(FinishReason::Cancelled))
        } else if pushed.stop {
            Some(End::Finished(FinishReason::StopString))
        } else {
            match accepted {
                Err(error) => Some(End::Failed(error.into())),
                Ok(Accepted::Complete) => Some(End::Finished(FinishReason::Constraint)),
                Ok(Accepted::GoesOn) if self.generated >= self.max_tokens => {
                    Some(End::Finished(FinishReason::Length))
                }
                Ok(Accepted::GoesOn) => None,
            }
        };
    }

    /// The next token, and what is to be told of it.
    fn sample(&mut self) -> Result<u32, EngineError> {
        let top = self.job.request.log_probabilities;
        // The model's own, before anything is done with them.
        let own = top.map(|_| self.logits.clone());
        if let Some(constraint) = &mut self.job.request.constraint {
            constraint.mask()?.apply(&mut self.logits);
        }
        let chosen = self.sampler.sample(&mut self.logits);
        let token = chosen.ok_or(EngineError::NoTokenLeft)?;
        if let (Some(own), Some(top)) = (own, top) {
            self.details = Some(Scores::new(&own).details(token, top));
        }
        Ok(token)
    }

    fn accept(&mut self, token: u32) -> Result<Accepted, ConstraintError> {
        match &mut self.job.request.constraint {
            Some(constraint) => constraint.accept(token),
            None => Ok(Accepted::GoesOn),
        }
    }

    pub(super) fn finish(&mut self, reason: FinishReason) -> Finish {
        let (text, details) = match reason {
            FinishReason::StopString | FinishReason::Cancelled => (String::new(), Vec::new()),
            FinishReason::EndOfGeneration | FinishReason::Length | FinishReason::Constraint => {
                (self.job.request.sink.finish(), self.untold.rest())
            }
        };
        let decoding = self
            .first_token
            .zip(self.last_token)
            .map(|(first, last)| last - first);
        Finish {
            reason,
            text,
            details,
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
