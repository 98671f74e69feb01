//! What a worker's life must know of the thread that computes.

use std::future::Future;

/// How an engine thread came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineExit {
    /// It was told to stop, or nobody can send requests any more.
    Stopped,
    /// It panicked. The process must leave with an error, so that its hive starts a new one.
    Panicked {
        /// What the panic said.
        message: String,
    },
}

/// A handle to the thread that computes.
pub trait Engine: Clone + Send + Sync + 'static {
    /// Waits until the thread has ended. Cancel safe.
    fn exited(&self) -> impl Future<Output = EngineExit> + Send;

    /// Finishes what was accepted, refuses everything new, and returns when the thread has ended.
    fn drain(&self) -> impl Future<Output = EngineExit> + Send;

    /// Ends everything after the step that runs now, and returns when the thread has ended. May follow a
    /// [`drain`](Self::drain) that takes too long.
    fn abort(&self) -> impl Future<Output = EngineExit> + Send;
}
