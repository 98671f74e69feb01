//! Where templates are rendered and text becomes tokens: off the runtime's threads, a few at a time.
//!
//! Both are plain computation that a hostile file or request can make slow, so neither may hold up
//! the threads that move other clients' tokens.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A bounded number of threads, and of requests that wait for one.
#[derive(Debug)]
pub(super) struct Preparation {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// Why something could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum PreparationError {
    /// Too many requests wait already.
    #[error("too many requests are being prepared")]
    Full,
    /// The work panicked.
    #[error("preparing the request failed")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Preparation {
    /// At most `threads` work at a time, and at most `places` work or wait.
    pub(super) fn new(threads: usize, places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Does the work on a thread where it may take its time. If the caller goes away, work that
    /// has begun goes on to its end, and keeps its place until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PreparationError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| PreparationError::Full)?;
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _held = (place, thread);
            span.in_scope(work)
        })
        .await
        .map_err(PreparationError::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_work_is_bounded_and_keeps_its_place_when_the_caller_leaves() {
        let preparation = Arc::new(Preparation::new(1, 1));
        let (release, released) = mpsc::channel::<()>();
        let (begun, begin) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let preparation = Arc::clone(&preparation);
            async move {
                preparation
                    .run(move || {
                        begun.send(()).unwrap();
                        released.recv().unwrap();
                    })
                    .await
            }
        });
        begin.await.unwrap();
        assert!(matches!(
            preparation.run(|| ()).await,
            Err(PreparationError::Full)
        ));
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(matches!(
            preparation.run(|| ()).await,
            Err(PreparationError::Full)
        ));
        release.send(()).unwrap();
        // The place comes free when the work has ended.
        let _ = preparation.places.acquire().await.unwrap();
        assert_eq!(preparation.run(|| 5).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn a_panic_stays_in_its_request() {
        let preparation = Preparation::new(1, 1);
        let panicked = preparation.run(|| panic!("on purpose")).await;
        assert!(matches!(panicked, Err::<(), _>(PreparationError::Panicked(_))));
        assert_eq!(preparation.run(|| 5).await.unwrap(), 5);
    }
}
