//! The logs of all workers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rbee_artifacts::WorkerId;

use super::ring::Log;

/// The logs of all workers. Cheap to clone; all clones are the same logs.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    limit_bytes: u64,
    open: Mutex<HashMap<WorkerId, Log>>,
}

impl Logs {
    /// The logs in a folder, which is created if it isn't there. Each takes at most `limit_bytes` on disk, or 512 KiB
    /// if that is more.
    ///
    /// # Errors
    /// If the folder can't be created.
    pub fn open(folder: PathBuf, limit_bytes: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Ok(Self {
            shared: Arc::new(Shared {
                folder,
                limit_bytes,
                open: Mutex::default(),
            }),
        })
    }

    /// A worker's log; a new one, or what an earlier start of the hive left of it. It stays until it is
    /// [removed](Self::remove).
    #[must_use]
    pub fn of(&self, id: &WorkerId) -> Log {
        let mut open = self.shared.open.lock();
        if let Some(log) = open.get(id) {
            return log.clone();
        }
        let log = Log::open(&self.shared.folder.join(id.as_str()), self.shared.limit_bytes);
        open.insert(id.clone(), log.clone());
        log
    }

    /// The log of a worker that has one since the hive started.
    #[must_use]
    pub fn get(&self, id: &WorkerId) -> Option<Log> {
        self.shared.open.lock().get(id).cloned()
    }

    /// Ends the log of a worker that is gone for good, and removes its files. Its readers get what is in memory, and
    /// end. Not there is as good as removed.
    pub fn remove(&self, id: &WorkerId) {
        let Some(log) = self.shared.open.lock().remove(id) else {
            return;
        };
        if let Err(error) = log.close() {
            tracing::warn!(worker_id = %id, %error, "a worker's log stays behind");
        }
    }

    /// Removes the logs of all workers but these: for the start of a hive.
    pub fn keep_only(&self, kept: &HashSet<WorkerId>) {
        let open: Vec<_> = self.shared.open.lock().keys().cloned().collect();
        for id in open.iter().filter(|id| !kept.contains(*id)) {
            self.remove(id);
        }
        for entry in std::fs::read_dir(&self.shared.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let wanted = name
                .to_str()
                .and_then(|name| name.parse::<WorkerId>().ok())
                .is_some_and(|id| kept.contains(&id));
            if wanted {
                continue;
            }
            if let Err(error) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "an old log stays behind");
            }
        }
    }
}
