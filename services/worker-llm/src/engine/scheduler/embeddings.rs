//! Vectors of texts, between the portions of prompts.

use std::sync::atomic::Ordering;

use super::{EmbedJob, EngineError, Scheduler, failed};

impl Scheduler {
    /// Puts a job at the end of those that take turns.
    pub(in crate::engine) fn accept_embedding(&mut self, job: EmbedJob) {
        self.embeddings.push_back(job);
    }

    /// Ends those for which nobody waits.
    pub(super) fn cancel_abandoned_embeddings(&mut self) {
        let stats = &self.stats;
        let (backend, embeddings) = (&mut self.backend, &mut self.embeddings);
        embeddings.retain(|job| {
            let abandoned = job.is_abandoned();
            if abandoned {
                stats.waiting.fetch_sub(1, Ordering::Relaxed);
                stats.cancelled.fetch_add(1, Ordering::Relaxed);
                if let Some(sequence) = job.sequence() {
                    backend.close(sequence);
                }
            }
            !abandoned
        });
    }

    /// Ends all of them with an error.
    pub(super) fn fail_all_embeddings(&mut self, error: &EngineError) {
        for job in self.embeddings.drain(..) {
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(sequence) = job.sequence() {
                self.backend.close(sequence);
            }
            job.fail(error.clone());
        }
    }

    /// Computes the next portion of the texts that have waited longest for their turn, once there is memory
    /// for them.
    pub(super) fn embed(&mut self) {
        let chunk = self.config.prefill_chunk;
        let reserved = self.reserved_bytes();
        self.embedding_waits = false;
        // In its place while it computes, so that a panic leaves it where `fail_all` finds it.
        let Some(job) = self.embeddings.front_mut() else {
            return;
        };
        let wanted = self.backend.bytes_for(job.next_tokens(chunk));
        if job.sequence().is_none() && !self.running.is_empty() && reserved + wanted > self.limit_bytes {
            self.embedding_waits = true;
            return;
        }
        let result = job.step(&mut *self.backend, chunk);
        if let Ok(tokens) = result {
            self.stats
                .prefill_tokens
                .fetch_add(tokens as u64, Ordering::Relaxed);
        }
        // So that there is never more than one that holds memory while it waits.
        if result.is_ok() && job.sequence().is_some() {
            return;
        }
        let Some(job) = self.embeddings.pop_front() else {
            return;
        };
        match result {
            Ok(_) if !job.is_complete() => {
                self.embeddings.push_back(job);
            }
            Ok(_) => {
                self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
                self.stats.finished.fetch_add(1, Ordering::Relaxed);
                job.finish();
            }
            Err(error) => {
                self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
                self.stats.failed.fetch_add(1, Ordering::Relaxed);
                job.fail(failed(&error));
            }
        }
    }
}
