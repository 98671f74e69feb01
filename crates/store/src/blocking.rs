//! Work that blocks, kept off the threads that must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the thread that does the work when nobody waits for it any more.
#[derive(Default)]
pub(crate) struct Abandoned(pub(crate) Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this future with it: it is never polled again.
            Err(_) => std::future::pending().await,
        },
    }
}
