//! What a pass over a file does for the part beside downloading: its state, and the disk that it lies on.

use std::io;
use std::sync::Arc;

use super::download::blocking;
use super::error::{DownloadError, Failure};
use super::part::disk;
use super::ranges::RangeSet;
use super::session::{Session, lock};

impl Session<'_> {
    /// Voids all that came so far: first what was claimed, then the bytes.
    pub(super) async fn restart(&self) -> Result<(), Failure> {
        let gate = self.gate.lock().await;
        let part = Arc::clone(&self.part);
        blocking(move || part.forget()).await?;
        self.pipeline.restart().await?;
        let mut plan = self.plan();
        (plan.sent, plan.claimed) = (RangeSet::default(), RangeSet::default());
        drop(plan);
        let mut state = self.state();
        state.validator = None;
        state.size_bytes = self.what.expected.size_bytes;
        drop(state);
        drop(gate);
        Ok(())
    }

    /// Brings the state on the disk up to date, without waiting for it.
    pub(super) fn flush(&self) {
        let Ok(guard) = Arc::clone(&self.gate).try_lock_owned() else {
            return; // the last one is still at it, or all is void
        };
        let state = self.state().clone().with_done(&self.pipeline.written());
        let (part, trouble) = (Arc::clone(&self.part), Arc::clone(&self.trouble));
        // Half of what was kept free at the beginning: file systems need some for themselves.
        let space = self.space_check(0, self.with.config.keep_free_bytes / 2);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = part.save(&state).and_then(|()| space()) {
                *lock(&trouble) = Some(error);
            }
            drop(guard);
        });
    }

    pub(super) async fn close(&self) -> Result<(), DownloadError> {
        let (written, whole) = (self.pipeline.written(), self.is_whole());
        let state = self.state().clone();
        let part = Arc::clone(&self.part);
        blocking(move || match whole {
            true => part.save(&state.with_done(&written)),
            false => part.close(&state, written),
        })
        .await
    }

    /// A disk that is full says so in its own words.
    pub(super) async fn disk_failure(&self, source: io::Error) -> DownloadError {
        if source.kind() == io::ErrorKind::StorageFull {
            let (available, folder) = (self.with.available.clone(), self.what.folder.clone());
            let free = tokio::task::spawn_blocking(move || available.of(&folder)).await;
            return DownloadError::DiskFull {
                folder: self.what.folder.clone(),
                needed_bytes: self.missing_bytes(),
                available_bytes: free.ok().and_then(Result::ok).flatten().unwrap_or(0),
            };
        }
        disk("write", &self.part.paths.part)(source)
    }

    fn missing_bytes(&self) -> u64 {
        let size = self.state().size_bytes.unwrap_or(0);
        size.saturating_sub(self.plan().sent.covered())
    }

    /// An error unless the disk can take what is missing.
    pub(super) async fn check_space(&self) -> Result<(), Failure> {
        Ok(blocking(self.space_check(self.missing_bytes(), self.with.config.keep_free_bytes)).await?)
    }

    fn space_check(
        &self,
        missing_bytes: u64,
        keep_free_bytes: u64,
    ) -> impl FnOnce() -> Result<(), DownloadError> + Send + 'static {
        let (available, folder) = (self.with.available.clone(), self.what.folder.clone());
        let needed_bytes = missing_bytes.saturating_add(keep_free_bytes);
        move || match available.of(&folder).map_err(disk("measure", &folder))? {
            Some(available_bytes) if available_bytes < needed_bytes => Err(DownloadError::DiskFull {
                folder,
                needed_bytes,
                available_bytes,
            }),
            _ => Ok(()),
        }
    }
}
