//! One job at a time for a model, whatever it was called when it was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rbee_artifacts::ModelId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::JobError;
use crate::jobs::JobContext;

/// A lock for each model that a job is at. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelLocks(Arc<Mutex<HashMap<ModelId, Weak<AsyncMutex<()>>>>>);

impl ModelLocks {
    /// Waits for the model's turn.
    pub(super) async fn lock(
        &self,
        model_id: &ModelId,
        context: &JobContext,
    ) -> Result<OwnedMutexGuard<()>, JobError> {
        let lock = self.of(model_id);
        if let Ok(turn) = Arc::clone(&lock).try_lock_owned() {
            return Ok(turn);
        }
        let note = context.handle.job().note;
        context
            .reporter
            .note(format!("another job is bringing {model_id} in; waiting for it"));
        // Cancel safe: a turn that was not taken is nobody's.
        let turn = tokio::select! {
            turn = lock.lock_owned() => turn,
            () = context.cancel.cancelled() => return Err(JobError::Cancelled),
        };
        context.reporter.note(note);
        Ok(turn)
    }

    /// The model's turn, if nobody has it.
    pub(super) fn try_lock(&self, model_id: &ModelId) -> Option<OwnedMutexGuard<()>> {
        self.of(model_id).try_lock_owned().ok()
    }

    fn of(&self, model_id: &ModelId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(model_id).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(model_id.clone(), Arc::downgrade(&lock));
        lock
    }
}
