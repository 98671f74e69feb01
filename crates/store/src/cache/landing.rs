//! A flight from its beginning to its end, whichever that is.

use std::path::PathBuf;
use std::sync::Arc;

use rbee_artifacts::Sha256;

use super::Inner;
use super::error::FetchError;
use super::flight::{Flight, Progress, Wanted, receive};
use crate::blocking::blocking;
use crate::store::Store;

/// Fetches a blob for all who want it, until it is there or nobody does any more.
pub(super) async fn fly(
    inner: Arc<Inner>,
    store: Store,
    wanted: Wanted,
    flight: Arc<Flight>,
    doomed: Vec<PathBuf>,
) {
    let sha256 = wanted.sha256;
    let landing = Landing {
        inner: inner.clone(),
        sha256,
        flight: flight.clone(),
        begun_bytes: inner.folder.part_bytes(&sha256),
        keep_part: false,
        end: None,
    };
    let folder = inner.folder.clone();
    // Before a byte is written, so that the limit holds at every moment.
    let cleared = blocking(move || doomed.iter().try_for_each(|path| folder.remove(path))).await;
    let fetched = match cleared {
        Ok(()) => {
            let deserted = inner.deserted(sha256, &flight);
            receive(&inner.folder, &store, wanted, inner.options, &flight, deserted).await
        }
        Err(error) => Err(error.into()),
    };
    // Removing a part may take its time, so it is no work for this thread.
    blocking(move || landing.land(fetched)).await;
}

/// The end of a flight, whichever it is: also if its task panics or is dropped.
struct Landing {
    inner: Arc<Inner>,
    sha256: Sha256,
    flight: Arc<Flight>,
    // What the part had when this began.
    begun_bytes: u64,
    keep_part: bool,
    end: Option<Progress>,
}

impl Landing {
    fn land(mut self, fetched: Result<(), FetchError>) {
        self.keep_part = fetched.as_ref().is_err_and(FetchError::keeps_part);
        self.end = Some(match fetched {
            Ok(()) => Progress::Arrived,
            Err(FetchError::Cancelled { .. }) => Progress::Deserted,
            Err(error) => Progress::Failed(error),
        });
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let sha256 = self.sha256;
        let end = self
            .end
            .take()
            .unwrap_or(Progress::Failed(FetchError::Interrupted { sha256 }));
        let inner = &self.inner;
        let fetched = match &end {
            Progress::Arrived => {
                std::fs::metadata(inner.folder.blob_path(&sha256)).map_or(0, |file| file.len())
            }
            _ => inner.folder.part_bytes(&sha256),
        };
        {
            let mut counts = inner.counts();
            counts.fetched_bytes += fetched.saturating_sub(self.begun_bytes);
            counts.failures += u64::from(matches!(end, Progress::Failed(_)));
        }
        if let Progress::Arrived = end {
            inner.ledger().arrived(&sha256);
        } else {
            let kept_bytes = if self.keep_part { fetched } else { 0 };
            if kept_bytes == 0
                && let Err(error) = inner.folder.remove(&inner.folder.part_path(&sha256))
            {
                tracing::warn!(%sha256, %error, "a part stays behind until the cache is opened next");
            }
            // Not before its part is gone, or counted: the next flight writes there.
            let mut ledger = inner.ledger();
            ledger.remove(&sha256);
            if kept_bytes > 0 {
                ledger.found_part(sha256, kept_bytes);
            }
        }
        self.flight.progress.send_replace(end);
    }
}
