//! Ctrl-C while something is under way.

use std::future::Future;

/// What a future came to.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// It ended.
    Done(T),
    /// Ctrl-C came first; the future was dropped.
    Interrupted,
}

/// Runs a future until it ends or Ctrl-C is pressed.
///
/// From the first call on, Ctrl-C no longer ends the process by itself: only calls of this
/// function notice it.
pub(super) async fn or_ctrl_c<T>(future: impl Future<Output = T>) -> Outcome<T> {
    // Dropping the future is how callers stop what it does: a dropped stream ends its call.
    tokio::select! {
        // A result that is there already counts, even if Ctrl-C came at the same time.
        biased;
        value = future => Outcome::Done(value),
        Ok(()) = tokio::signal::ctrl_c() => Outcome::Interrupted,
    }
}
