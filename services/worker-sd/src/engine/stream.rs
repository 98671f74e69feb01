//! The answer to a request: its events as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::error::EngineError;
use super::event::Event;
use super::queue::Queue;

/// The events of a request, ended by [`Event::Finished`] or an error. Dropping it gives the request up.
#[must_use]
pub struct PictureStream {
    pub(super) id: u64,
    pub(super) events: UnboundedReceiver<Result<Event, EngineError>>,
    pub(super) unread_previews: Arc<AtomicUsize>,
    pub(super) queue: Arc<Queue>,
    pub(super) done: bool,
}

impl Stream for PictureStream {
    type Item = Result<Event, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        // A channel that closes without a last event belongs to a request that went down with the thread.
        let event = ready!(self.events.poll_recv(context)).unwrap_or(Err(EngineError::Stopping));
        if let Ok(Event::Preview { .. }) = event {
            self.unread_previews.fetch_sub(1, Ordering::Relaxed);
        }
        self.done = matches!(event, Ok(Event::Finished(_)) | Err(_));
        Poll::Ready(Some(event))
    }
}

impl Drop for PictureStream {
    fn drop(&mut self) {
        self.events.close();
        if !self.done {
            self.queue.forget(self.id);
        }
    }
}
