//! Why there are no pictures.

use std::time::Duration;

use rbee_artifacts::ModelId;

use crate::domain::Violations;

/// Why a request was refused, or ended without its pictures.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The request does not go with the model, or its pictures can't be used.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// As many requests as can be are painted, and the queue is full.
    #[error(
        "a picture is being made and {queue} requests wait already; try again in {} s",
        retry_after.as_secs().max(1)
    )]
    QueueFull {
        /// Requests that may be painted at the same time.
        slots: usize,
        /// Requests that may wait.
        queue: usize,
        /// When there is a place, from how long requests took so far.
        retry_after: Duration,
    },
    /// The worker does not have an add-on.
    #[error("the worker does not have the add-on {model_id}; attach it first (HiveService.AttachAddOns)")]
    AddOnNotFound {
        /// Its id.
        model_id: ModelId,
    },
    /// An add-on does not go with the model, or is something else.
    #[error("the add-on {model_id} cannot be used: {problem}")]
    AddOnUnsuitable {
        /// Its id.
        model_id: ModelId,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no memory for it.
    #[error("there is not enough memory for this picture: {message}")]
    OutOfMemory {
        /// What could not be taken.
        message: String,
    },
    /// The numbers left the range in which there are pictures.
    #[error("the computation gave numbers that are no picture; nothing is sent in its place")]
    NotFinite,
    /// The engine stops and takes no more requests, or gave this one up.
    #[error("the worker is shutting down")]
    Stopping,
    /// The computation failed.
    #[error("the picture could not be made: {message}")]
    Failed {
        /// What went wrong.
        message: String,
    },
}
