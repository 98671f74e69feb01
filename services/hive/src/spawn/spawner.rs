//! Taking spawns in.

use std::sync::Arc;

use parking_lot::Mutex;
use rbee_service_kit::{Fault, narrate};
use tokio::sync::watch;

use super::check::Check;
use super::error::SpawnError;
use super::parts::Parts;
use super::record::SpawnRecord;
use super::requests::{Known, Requests};
use crate::domain::{Desired, Keep, SpawnRequest, State, Wish, Worker, worker_id};
use crate::grpc::status;
use crate::reconciler::{Orders, Tend};
use crate::worker::tend;

/// Spawns workers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    parts: Arc<Parts>,
    requests: Arc<Mutex<Requests>>,
}

impl Spawner {
    /// A spawner that works with these.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            requests: Arc::default(),
        }
    }

    /// What it works with.
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Begins a spawn, or joins the one that the same request began before. Without a request id
    /// every request is a new one.
    ///
    /// # Errors
    /// If the request id was used for another request, or the hive takes no spawns.
    pub(crate) async fn spawn(
        &self,
        request_id: String,
        request: SpawnRequest,
        keep: Keep,
    ) -> Result<Arc<SpawnRecord>, Fault> {
        let record = match self.record(&request_id, &request)? {
            (record, true) => record,
            (record, false) => return Ok(record),
        };
        match request.device_id {
            Some(device_id) => {
                narrate!(worker_id = %record.worker_id(), "spawning worker {} for {} on {device_id}", record.worker_id(), request.model_id);
            }
            None => {
                narrate!(worker_id = %record.worker_id(), "spawning worker {} for {}", record.worker_id(), request.model_id);
            }
        }
        let desired = Desired {
            id: record.worker_id().clone(),
            request,
            request_id,
            keep,
            created_at: jiff::Timestamp::now(),
            proof: None,
            failure: None,
            add_ons: Vec::new(),
        };
        if let Err(error) = self.parts.orders.spawn(desired).await {
            // Who joined meanwhile hears it too.
            record.fail(SpawnError::Order(error.clone()));
            return Err(status::order(&error));
        }
        Ok(record)
    }

    /// The record of a request, and whether it is new.
    fn record(&self, request_id: &str, request: &SpawnRequest) -> Result<(Arc<SpawnRecord>, bool), Fault> {
        let mut requests = self.requests.lock();
        match requests.find(request_id, request) {
            Known::New => {}
            Known::Joined(record) => return Ok((record, false)),
            Known::Conflict => {
                return Err(Fault::invalid(
                    "request_id",
                    "was used for another request; choose a new one",
                ));
            }
        }
        let random = getrandom::u64().map_err(|error| Fault::internal(&SpawnError::Random(error)))?;
        let id = worker_id::generate(&request.model_id, random);
        if self.parts.workers.knows(&id) {
            return Err(Fault::internal(&SpawnError::IdTaken));
        }
        let record = Arc::new(SpawnRecord::new(id, request.clone()));
        requests.remember(request_id.to_owned(), record.clone());
        Ok((record, true))
    }

    /// Says how a worker would fit, without starting anything.
    ///
    /// # Errors
    /// If the model can't be served as asked, or its files do not tell what it needs.
    pub(crate) async fn check(&self, request: &SpawnRequest) -> Result<Check, SpawnError> {
        self.parts.check(request).await
    }

    /// The record of a worker that is wanted. One that an earlier hive began gets a new one, so that its request can be
    /// repeated here.
    fn record_of(&self, desired: &Desired) -> Arc<SpawnRecord> {
        let mut requests = self.requests.lock();
        requests.of_worker(&desired.id).unwrap_or_else(|| {
            let record = Arc::new(SpawnRecord::new(desired.id.clone(), desired.request.clone()));
            requests.remember(desired.request_id.clone(), record.clone());
            record
        })
    }
}

impl Tend for Spawner {
    fn tend(
        &self,
        desired: Desired,
        wish: watch::Receiver<Wish>,
        orders: Orders,
    ) -> impl Future<Output = ()> + Send + 'static {
        let record = self.record_of(&desired);
        let parts = self.parts.clone();
        // Before others see the worker, so that they can follow it. What an earlier hive left of it goes on.
        let log = parts.logs.of(&desired.id);
        let place = parts.workers.enter(waiting(&desired));
        async move {
            // The table knows nobody by this id: the reconciler has one task a worker, and ids are not used twice.
            if let Some(place) = place {
                tend(parts, desired, record, wish, orders, place, log).await;
            }
        }
    }
}

fn waiting(desired: &Desired) -> Worker {
    let request = &desired.request;
    Worker {
        id: desired.id.clone(),
        model_id: request.model_id.clone(),
        worker_type: request.worker_type,
        device_id: desired
            .proof
            .as_ref()
            .map(|proof| proof.device_id)
            .or(request.device_id),
        created_at: desired.created_at,
        context_length: request.llm.context_length,
        memory: None,
        process_id: None,
        state: State::Pending,
        state_since: jiff::Timestamp::now(),
        failure: desired.failure.clone(),
        proven: desired.proof.is_some(),
        restart_count: 0,
        next_attempt_at: None,
        keep: desired.keep,
    }
}
