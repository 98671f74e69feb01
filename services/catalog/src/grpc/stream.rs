//! Watch streams: what is there first, then what becomes different, until the end of the service.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use rbee_service_kit::Fault;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// A stream of answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Sends `first`, then each change as it comes, converted by `convert`.
///
/// Ends with `WATCH_LAGGED` when the client reads too slowly, and with `SHUTTING_DOWN` when
/// `shutdown` begins.
pub(super) fn watch<C, T>(
    first: impl Iterator<Item = T> + Send + 'static,
    changes: broadcast::Receiver<C>,
    convert: impl Fn(C) -> T + Send + 'static,
    shutdown: CancellationToken,
) -> Answers<T>
where
    C: Clone + Send + 'static,
    T: Send + 'static,
{
    let changes = BroadcastStream::new(changes).map(move |change| match change {
        Ok(change) => Ok(convert(change)),
        // tonic ends a stream with its first error.
        Err(BroadcastStreamRecvError::Lagged(_)) => Err(Fault::watch_lagged().into()),
    });
    let end = stream::once(async { Err(Fault::shutting_down().into()) });
    Box::pin(
        stream::iter(first)
            .map(Ok)
            .chain(changes)
            .take_until(shutdown.cancelled_owned())
            .chain(end),
    )
}

#[cfg(test)]
mod tests {
    use rbee_service_kit::{RemoteFault, reason};

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_that_it_lagged() {
        let (sender, receiver) = broadcast::channel(2);
        let mut answers = watch([0].into_iter(), receiver, |n| n, CancellationToken::new());
        assert_eq!(answers.next().await.unwrap().unwrap(), 0);
        for n in 1..=5 {
            sender.send(n).unwrap();
        }
        let status = answers.next().await.unwrap().unwrap_err();
        assert!(RemoteFault::from(&status).is(reason::WATCH_LAGGED));
    }

    #[tokio::test]
    async fn a_watch_ends_at_shutdown() {
        let (sender, receiver) = broadcast::channel(2);
        let shutdown = CancellationToken::new();
        let mut answers = watch([].into_iter(), receiver, |n: u32| n, shutdown.clone());
        sender.send(7).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), 7);
        shutdown.cancel();
        let status = answers.next().await.unwrap().unwrap_err();
        assert!(RemoteFault::from(&status).is(reason::SHUTTING_DOWN));
        assert!(answers.next().await.is_none());
    }
}
