//! One cancellation tree and one task tracker for a process.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The life of a process: everything that runs in it is tracked here and told here to end.
///
/// Cheap to clone; all clones are the same life.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Lifecycle {
    /// A new life.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when shutdown begins.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that [`finish`](Self::finish) waits for.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Begins the shutdown. Safe to call more than once.
    pub fn shutdown(&self) {
        self.token.cancel();
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Begins the shutdown and waits until all tracked tasks have ended, at most for `grace`.
    /// Answers whether they did.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.shutdown();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }

    /// Begins the shutdown on SIGINT or SIGTERM (Ctrl-C elsewhere). A second signal ends the
    /// process at once with exit code 130.
    ///
    /// # Errors
    /// If the process can't listen for signals.
    pub fn shut_down_on_signals(&self) -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        let token = self.token();
        // Not tracked: it waits for a second signal for as long as the process lives.
        tokio::spawn(async move {
            signals.next().await;
            tracing::info!("shutting down; a second signal ends the process at once");
            token.cancel();
            signals.next().await;
            std::process::exit(130);
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        // Cancel safe: a signal that was not received stays with its stream.
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finish_waits_for_tasks_that_heed_the_token() {
        let life = Lifecycle::new();
        let token = life.token();
        life.spawn(async move { token.cancelled().await });
        assert!(!life.is_shutting_down());
        assert!(life.finish(Duration::from_secs(5)).await);
        assert!(life.is_shutting_down());
    }

    #[tokio::test(start_paused = true)]
    async fn finish_gives_up_on_a_task_that_does_not() {
        let life = Lifecycle::new();
        life.spawn(std::future::pending::<()>());
        assert!(!life.finish(Duration::from_secs(5)).await);
    }
}
