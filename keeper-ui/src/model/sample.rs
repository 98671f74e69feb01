//! Workers for the tests of the model.

use super::cluster::{
    ClusterChange, ClusterView, Hardware, Worker, WorkerFailure, WorkerKind, WorkerState, WorkerType,
};

/// A worker that is ready.
pub(crate) fn worker(id: &str, kind: WorkerKind) -> Worker {
    Worker {
        id: id.into(),
        model: "local:qwen".into(),
        worker_type: Some(WorkerType {
            hardware: Hardware::Cpu,
            kind,
        }),
        device: Some("cpu:0".into()),
        state: WorkerState::Ready,
        hive: "desk".into(),
        hive_address: String::new(),
        created_at: None,
        failure: None,
        load_fraction: None,
        context_length: None,
        process_id: None,
        memory: None,
        state_since: None,
        restart_count: 0,
        next_attempt_at: None,
        pinned: false,
        idle_ttl: None,
        unreachable: false,
    }
}

/// A failed one.
pub(crate) fn failed(id: &str) -> Worker {
    let failure = WorkerFailure {
        reason: "WORKER_EXITED".to_owned(),
        message: "it left".to_owned(),
        exit_code: Some(1),
        signal: None,
        log_tail: Vec::new(),
        occurred_at: None,
    };
    Worker {
        state: WorkerState::Failed,
        failure: Some(failure),
        ..worker(id, WorkerKind::Text)
    }
}

/// A cluster that has told all of these.
pub(crate) fn cluster(ids: &[&str]) -> ClusterView {
    let mut view = ClusterView::default();
    view.apply(ClusterChange::Began);
    for id in ids {
        view.apply(ClusterChange::Worker(Box::new(worker(id, WorkerKind::Text))));
    }
    view.apply(ClusterChange::Synced);
    view
}
