//! Steps 5 and 6: the process is ready, and the catalog hears of the worker.

use std::sync::Arc;
use std::time::Duration;

use super::parts::Parts;
use super::record::{SpawnEvent, SpawnRecord};
use super::step::Step;
use crate::domain::SpawnStep;

/// How long a spawn waits for the catalog to hear of its worker. A worker is of use also while the
/// catalog is away; it hears of it when it is back.
const REGISTER_PATIENCE: Duration = Duration::from_secs(5);

impl Parts {
    /// Tells who waits for a spawn that its worker is ready. Does not wait itself: the worker has to be seen to.
    pub(crate) fn announce(self: &Arc<Self>, record: &Arc<SpawnRecord>, process_id: u32) {
        if record.is_over() {
            return;
        }
        record.write(SpawnEvent::Finished(
            SpawnStep::Start,
            format!("process {process_id} is ready"),
        ));
        let (parts, record) = (self.clone(), record.clone());
        self.lifecycle.spawn(async move { parts.register(&record).await });
    }

    async fn register(&self, record: &SpawnRecord) {
        let id = record.worker_id();
        let step = Step::begin(record, SpawnStep::Register);
        // Cancel safe: waiting is all they do.
        let told = tokio::select! {
            told = self.told.wait_for(id, REGISTER_PATIENCE) => told,
            () = self.left(id) => false,
        };
        // If it has left, its own task says why.
        if let Some(worker) = self.workers.get(id) {
            step.finish(if told {
                format!("as {id}")
            } else {
                "the catalog is away; it is told when it is back".to_owned()
            });
            self.metrics.spawn_finished(Ok(()), record.age());
            record.write(SpawnEvent::Ready(Box::new(worker)));
        }
    }

    /// Ends when a worker has left.
    async fn left(&self, id: &rbee_artifacts::WorkerId) {
        if let Some(mut worker) = self.workers.follow(id) {
            while worker.changed().await.is_ok() {}
        }
    }
}
