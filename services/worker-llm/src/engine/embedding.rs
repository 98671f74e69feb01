//! Vectors of texts: what the scheduler does between the portions of prompts.
//!
//! A step computes one portion of as many tokens as a prompt's: several short inputs together, or a part of
//! a long one. So embeddings go on beside generations, neither waits for the other's end, and a client that
//! leaves is noticed after a portion.

use std::ops::Range;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::backend::{Backend, BackendError, HiddenStep, SequenceId};
use super::error::EngineError;
use crate::model::Pooling;

/// Token ids of texts, and how the vectors of their tokens become one each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// Token ids of each text, special tokens included; at least one each.
    pub inputs: Vec<Vec<u32>>,
    /// How their vectors become one.
    pub pooling: Pooling,
}

/// What becomes of the vectors of a text's tokens, as they come.
#[derive(Debug, Default)]
struct Pool {
    /// In f64: a mean of thousands of numbers keeps its digits.
    sums: Vec<f64>,
    tokens: usize,
}

impl Pool {
    /// Takes the vectors of the next tokens.
    fn add(&mut self, pooling: Pooling, rows: &[f32], width: usize) {
        for row in rows.chunks_exact(width) {
            match pooling {
                Pooling::Mean if self.tokens > 0 => {
                    for (sum, number) in self.sums.iter_mut().zip(row) {
                        *sum += f64::from(*number);
                    }
                }
                Pooling::First if self.tokens > 0 => {}
                Pooling::Mean | Pooling::First | Pooling::Last => {
                    self.sums.clear();
                    self.sums.extend(row.iter().map(|number| f64::from(*number)));
                }
            }
            self.tokens += 1;
        }
    }

    fn vector(&self, pooling: Pooling) -> Vec<f32> {
        let divisor = match pooling {
            Pooling::Mean => self.tokens.max(1) as f64,
            Pooling::First | Pooling::Last => 1.0,
        };
        self.sums.iter().map(|sum| (sum / divisor) as f32).collect()
    }
}

/// A sequence in which an input is computed.
#[derive(Debug)]
struct Open {
    sequence: SequenceId,
    pool: Pool,
}

/// An accepted request for vectors.
pub(super) struct EmbedJob {
    request: EmbedRequest,
    reply: oneshot::Sender<Result<Vec<Vec<f32>>, EngineError>>,
    /// The place in the engine that this job takes until it is dropped.
    _place: OwnedSemaphorePermit,
    /// The input that is computed in portions.
    open: Option<Open>,
    done: Vec<Vec<f32>>,
}

impl EmbedJob {
    pub(super) fn new(
        request: EmbedRequest,
        reply: oneshot::Sender<Result<Vec<Vec<f32>>, EngineError>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            done: Vec::with_capacity(request.inputs.len()),
            request,
            reply,
            _place: place,
            open: None,
        }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.done.len() == self.request.inputs.len()
    }

    /// The sequence that it holds between its portions.
    pub(super) fn sequence(&self) -> Option<SequenceId> {
        self.open.as_ref().map(|open| open.sequence)
    }

    /// Tokens for which the next portion needs memory: those of whole inputs.
    pub(super) fn next_tokens(&self, chunk: usize) -> usize {
        self.next_inputs(chunk)
            .map(|input| self.request.inputs[input].len())
            .sum()
    }

    /// Answers; whoever waits may have left.
    pub(super) fn finish(self) {
        let _ = self.reply.send(Ok(self.done));
    }

    pub(super) fn fail(self, error: EngineError) {
        let _ = self.reply.send(Err(error));
    }

    /// The inputs of the next portion: one that is under way, or as many as fit into `chunk`.
    fn next_inputs(&self, chunk: usize) -> Range<usize> {
        let first = self.done.len();
        if self.open.is_some() {
            return first..first + 1;
        }
        let mut tokens = 0;
        let fits = |input: &&Vec<u32>| {
            tokens += input.len();
            tokens <= chunk
        };
        let count = self.request.inputs[first..].iter().take_while(fits).count();
        first..first + count.max(1).min(self.request.inputs.len() - first)
    }

    /// Computes the next portion, and gives the number of its tokens. Sequences are opened and closed here;
    /// after an error only [`EmbedJob::sequence`] is left to close.
    pub(super) fn step(&mut self, backend: &mut dyn Backend, chunk: usize) -> Result<usize, BackendError> {
        let inputs = self.next_inputs(chunk);
        let mut opened = Vec::with_capacity(inputs.len());
        for input in inputs.clone() {
            opened.push(match self.open.take() {
                Some(open) => open,
                None => Open {
                    sequence: match backend.open(self.request.inputs[input].len()) {
                        Ok(sequence) => sequence,
                        Err(error) => {
                            close(backend, &opened);
                            return Err(error);
                        }
                    },
                    pool: Pool::default(),
                },
            });
        }
        let computed = self.compute(backend, inputs.clone(), &mut opened, chunk);
        match computed {
            Ok(tokens) => {
                for (input, open) in inputs.zip(opened) {
                    if open.pool.tokens == self.request.inputs[input].len() {
                        backend.close(open.sequence);
                        self.done.push(open.pool.vector(self.request.pooling));
                    } else {
                        self.open = Some(open);
                    }
                }
                Ok(tokens)
            }
            Err(error) => {
                close(backend, &opened);
                Err(error)
            }
        }
    }

    fn compute(
        &self,
        backend: &mut dyn Backend,
        inputs: Range<usize>,
        opened: &mut [Open],
        chunk: usize,
    ) -> Result<usize, BackendError> {
        let width = backend.info().embedding_length;
        let mut hidden: Vec<Vec<f32>> = vec![Vec::new(); opened.len()];
        let mut batch: Vec<HiddenStep<'_>> = inputs
            .zip(&*opened)
            .zip(&mut hidden)
            .map(|((input, open), hidden)| {
                let tokens = &self.request.inputs[input][open.pool.tokens..];
                HiddenStep {
                    sequence: open.sequence,
                    tokens: &tokens[..tokens.len().min(chunk)],
                    hidden,
                }
            })
            .collect();
        let tokens = batch.iter().map(|step| step.tokens.len()).sum();
        backend.hidden(&mut batch)?;
        for (open, rows) in opened.iter_mut().zip(&hidden) {
            open.pool.add(self.request.pooling, rows, width);
        }
        Ok(tokens)
    }
}

fn close(backend: &mut dyn Backend, opened: &[Open]) {
    for open in opened {
        backend.close(open.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_pooled_as_they_come() {
        let pooled = |pooling: Pooling| {
            let mut pool = Pool::default();
            pool.add(pooling, &[1.0, 2.0, 3.0, 4.0], 2);
            pool.add(pooling, &[5.0, 9.0], 2);
            pool.vector(pooling)
        };
        assert_eq!(pooled(Pooling::Mean), [3.0, 5.0]);
        assert_eq!(pooled(Pooling::First), [1.0, 2.0]);
        assert_eq!(pooled(Pooling::Last), [5.0, 9.0]);
    }
}
