//! Every state that each worker passes through, as a watching client sees it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rbee_proto::hive::v1::WatchWorkersRequest;
use rbee_proto::hive::v1::watch_workers_response::Event;
use rbee_proto::types::v1::WorkerState;
use tokio::task::JoinHandle;

use crate::harness::{Cluster, DEADLINE};

pub(crate) struct Recorder {
    states: Arc<Mutex<HashMap<String, Vec<WorkerState>>>>,
    watch: JoinHandle<()>,
}

impl Recorder {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let mut watch = cluster
            .hive_client()
            .watch_workers(WatchWorkersRequest {})
            .await
            .unwrap()
            .into_inner();
        let states: Arc<Mutex<HashMap<String, Vec<WorkerState>>>> = Arc::default();
        let seen = states.clone();
        let watch = tokio::spawn(async move {
            while let Ok(Some(step)) = watch.message().await {
                let Some(Event::Upserted(worker)) = step.event else {
                    continue;
                };
                let state = worker.state();
                let mut seen = seen.lock();
                let passed = seen.entry(worker.id).or_default();
                if passed.last() != Some(&state) {
                    passed.push(state);
                }
            }
        });
        Self { states, watch }
    }

    /// The states that a worker passed through until now, without repetitions.
    pub(crate) fn passed(&self, id: &str) -> Vec<WorkerState> {
        self.states.lock().get(id).cloned().unwrap_or_default()
    }

    /// Waits until a worker has been seen to pass through these states in this order, perhaps with others between.
    pub(crate) async fn passes(&self, id: &str, states: &[WorkerState], what: &str) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while !is_within(states, &self.passed(id)) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what}: {:?} are not the states {states:?}",
                self.passed(id)
            );
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn is_within(some: &[WorkerState], all: &[WorkerState]) -> bool {
    let mut left = all.iter();
    some.iter().all(|state| left.any(|other| other == state))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
