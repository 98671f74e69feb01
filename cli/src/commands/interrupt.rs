//! Ctrl-C while something is under way.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

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
    let mut pressed = pin!(tokio::signal::ctrl_c());
    // Before the future does anything that somebody could see: who reacts to that with Ctrl-C is to be heard.
    match futures_util::poll!(pressed.as_mut()) {
        Poll::Ready(Ok(())) => return Outcome::Interrupted,
        Poll::Ready(Err(_)) => return Outcome::Done(future.await),
        Poll::Pending => {}
    }
    // Dropping the future is how callers stop what it does: a dropped stream ends its call.
    tokio::select! {
        // A result that is there already counts, even if Ctrl-C came at the same time.
        biased;
        value = future => Outcome::Done(value),
        Ok(()) = &mut pressed => Outcome::Interrupted,
    }
}
