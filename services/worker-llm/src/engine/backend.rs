//! The seam between scheduling and computing.

use std::fmt;

use crate::model::ModelInfo;

/// Names one open sequence of a [`Backend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u64);

impl fmt::Display for SequenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sequence {}", self.0)
    }
}

/// What one sequence does in one step: append `tokens`, and, if asked, tell what comes next.
#[derive(Debug)]
pub struct SequenceStep<'a> {
    /// An open sequence; no sequence may be twice in a batch.
    pub sequence: SequenceId,
    /// Token ids to append, at least one: a chunk of a prompt, or the last sampled token.
    pub tokens: &'a [u32],
    /// Where logits go.
    pub logits: LogitsWanted<'a>,
}

/// Which logits a step gives, `vocab_size` numbers for each token. They replace what was in the vector.
#[derive(Debug, Default)]
pub enum LogitsWanted<'a> {
    /// None.
    #[default]
    Nothing,
    /// Those after the last token.
    Last(&'a mut Vec<f32>),
    /// Those after each token, one after the other.
    All(&'a mut Vec<f32>),
}

/// What one sequence appends for the vectors of its tokens.
#[derive(Debug)]
pub struct HiddenStep<'a> {
    /// An open sequence; no sequence may be twice in a batch.
    pub sequence: SequenceId,
    /// Token ids to append, at least one.
    pub tokens: &'a [u32],
    /// Receives [`ModelInfo::embedding_length`] numbers for each of `tokens` (replacing what was in it): what the
    /// last layer made of it, after the last norm.
    pub hidden: &'a mut Vec<f32>,
}

/// A loaded model on a device: synchronous, driven by one thread.
///
/// The scheduler asks for a batch of sequences at a time; a backend that computes them one after
/// the other is correct, one that computes them together is faster.
pub trait Backend: Send {
    /// The facts of the loaded model.
    fn info(&self) -> &ModelInfo;

    /// Opens an empty sequence that will hold at most `capacity_tokens` tokens.
    ///
    /// # Errors
    /// [`BackendError`] when there is no memory for it.
    fn open(&mut self, capacity_tokens: usize) -> Result<SequenceId, BackendError>;

    /// Opens a sequence that begins with the first `tokens` tokens of another, which goes on being what
    /// it is. The memory of what they have in common is shared.
    ///
    /// # Errors
    /// [`BackendError`] when the other is not open, has fewer tokens, or there is no memory.
    fn fork(
        &mut self,
        other: SequenceId,
        tokens: usize,
        capacity_tokens: usize,
    ) -> Result<SequenceId, BackendError>;

    /// Ends a sequence and frees its memory. An unknown id is ignored.
    fn close(&mut self, sequence: SequenceId);

    /// Appends tokens to each sequence of the batch and computes the logits that are asked for.
    ///
    /// # Errors
    /// [`BackendError`]; the sequences of the batch are then in an unknown state and must be closed.
    fn step(&mut self, batch: &mut [SequenceStep<'_>]) -> Result<(), BackendError>;

    /// Appends tokens to each sequence of the batch and gives their vectors.
    ///
    /// # Errors
    /// As [`Backend::step`]; a backend that can't do it says so.
    fn hidden(&mut self, batch: &mut [HiddenStep<'_>]) -> Result<(), BackendError> {
        let _ = batch;
        Err(BackendError::Device("the device gives no vectors".to_owned()))
    }

    /// Memory that a sequence holds now, in bytes; of memory that it shares, its share. 0 for an unknown
    /// id.
    fn sequence_bytes(&self, sequence: SequenceId) -> u64;

    /// Memory that a sequence of so many tokens takes by itself, in bytes.
    fn bytes_for(&self, tokens: usize) -> u64;
}

/// Why a backend could not do a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The id does not name an open sequence.
    #[error("{0} is not open")]
    UnknownSequence(SequenceId),
    /// The sequence would grow past the capacity it was opened with.
    #[error("{sequence} would hold {tokens} tokens, {capacity} are reserved")]
    SequenceFull {
        /// Which sequence.
        sequence: SequenceId,
        /// How many tokens it would hold after the step.
        tokens: usize,
        /// How many it may hold.
        capacity: usize,
    },
    /// A sequence is to begin with more tokens of another than that has.
    #[error("{sequence} has {tokens} tokens, {wanted} were asked for")]
    SequenceShort {
        /// Which sequence.
        sequence: SequenceId,
        /// How many tokens it has.
        tokens: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// The model gave a number that is none, so its weights or the computation are broken.
    #[error("the model gave logits that are not finite")]
    NotFinite,
    /// The device failed.
    #[error("{0}")]
    Device(String),
}
