//! What happened in a spawn, from the beginning, for whoever wants to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream};
use parking_lot::Mutex;
use rbee_artifacts::WorkerId;
use tokio::sync::watch;

use super::error::SpawnError;
use crate::domain::{SpawnRequest, SpawnStep, Worker};

/// Load progress is told when it is this much further: the record of a spawn stays small.
const LOADING_STEP: f32 = 0.01;

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) enum SpawnEvent {
    /// A step began.
    Started(SpawnStep),
    /// A step succeeded, and what came out of it, for a person.
    Finished(SpawnStep, String),
    /// This share of the model is loaded, 0 to 1.
    Loading(f32),
    /// So many bytes of all that this host lacked are here.
    Fetching {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// A worker was stopped to make room.
    Evicted(Box<Worker>),
    /// The worker is ready and registered. The last event.
    Ready(Box<Worker>),
    /// There is no worker. The last event.
    Failed(Arc<SpawnError>),
}

impl SpawnEvent {
    fn is_last(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Failed(_))
    }
}

/// The record of a spawn.
#[derive(Debug)]
pub(crate) struct SpawnRecord {
    worker_id: WorkerId,
    request: SpawnRequest,
    began: Instant,
    events: Mutex<Vec<SpawnEvent>>,
    written: watch::Sender<usize>,
}

impl SpawnRecord {
    /// An empty record.
    #[must_use]
    pub(crate) fn new(worker_id: WorkerId, request: SpawnRequest) -> Self {
        Self {
            worker_id,
            request,
            began: Instant::now(),
            events: Mutex::default(),
            written: watch::Sender::new(0),
        }
    }

    /// The worker that is to come out of it.
    #[must_use]
    pub(crate) fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }

    /// What was asked for.
    #[must_use]
    pub(crate) fn request(&self) -> &SpawnRequest {
        &self.request
    }

    /// How long ago the spawn began.
    #[must_use]
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.events.lock().last().is_some_and(SpawnEvent::is_last)
    }

    /// Everything from the beginning, and then as it happens. Ends after the last event.
    pub(crate) fn follow(self: Arc<Self>) -> impl Stream<Item = SpawnEvent> + Send + 'static {
        let written = self.written.subscribe();
        stream::unfold(
            (self, written, 0, false),
            |(record, mut written, next, over)| async move {
                if over {
                    return None;
                }
                written.wait_for(|count| *count > next).await.ok()?;
                let event = record.events.lock()[next].clone();
                let over = event.is_last();
                Some((event, (record, written, next + 1, over)))
            },
        )
    }

    /// Tells which share of the model is loaded.
    pub(crate) fn loading(&self, fraction: f32) {
        self.write(SpawnEvent::Loading(fraction));
    }

    /// Tells how many bytes of all that this host lacked are here.
    pub(crate) fn fetching(&self, done_bytes: u64, total_bytes: u64) {
        self.write(SpawnEvent::Fetching {
            done_bytes,
            total_bytes,
        });
    }

    /// Tells that there will be no worker.
    pub(crate) fn fail(&self, error: SpawnError) {
        self.write(SpawnEvent::Failed(Arc::new(error)));
    }

    /// Adds what happened; nothing more once it is over: what becomes of a worker later is not part of its spawn.
    pub(super) fn write(&self, event: SpawnEvent) {
        let count = {
            let mut events = self.events.lock();
            if events.last().is_some_and(SpawnEvent::is_last) {
                return;
            }
            if let (Some(SpawnEvent::Loading(told)), SpawnEvent::Loading(now)) = (events.last(), &event)
                && now - told < LOADING_STEP
            {
                return;
            }
            events.push(event);
            events.len()
        };
        self.written.send_replace(count);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use rbee_artifacts::{DeviceId, ModelId, WorkerType};

    use super::*;
    use crate::domain::{LlmSettings, SdSettings};

    fn record() -> Arc<SpawnRecord> {
        let request = SpawnRequest {
            model_id: ModelId::local("qwen").unwrap(),
            worker_type: WorkerType::CpuLlm,
            device_id: Some(DeviceId::CPU),
            llm: LlmSettings::default(),
            sd: SdSettings::default(),
            force: false,
            evict: false,
        };
        Arc::new(SpawnRecord::new("qwen-1".parse().unwrap(), request))
    }

    #[tokio::test]
    async fn whoever_comes_late_reads_from_the_beginning() {
        let record = record();
        let early = tokio::spawn(record.clone().follow().collect::<Vec<_>>());
        record.write(SpawnEvent::Started(SpawnStep::Model));
        tokio::task::yield_now().await;
        record.write(SpawnEvent::Finished(SpawnStep::Model, "qwen2".into()));
        assert!(!record.is_over());
        record.write(SpawnEvent::Failed(Arc::new(SpawnError::Stopped)));
        assert!(record.is_over());
        let late: Vec<_> = record.follow().collect().await;
        assert_eq!(format!("{late:?}"), format!("{:?}", early.await.unwrap()));
        assert_eq!(late.len(), 3);
    }

    #[tokio::test]
    async fn small_progress_is_not_told() {
        let record = record();
        for thousandth in 0..=1000 {
            record.write(SpawnEvent::Loading(thousandth as f32 / 1000.0));
        }
        record.write(SpawnEvent::Failed(Arc::new(SpawnError::Stopped)));
        let count = record.follow().count().await;
        assert!((80..=102).contains(&count), "{count}");
    }
}
