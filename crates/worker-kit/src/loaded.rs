//! The model, from the moment on at which it is loaded.

use std::sync::{Arc, OnceLock};

use rbee_proto::worker::v1 as proto;
use rbee_service_kit::Fault;

use crate::engine::Engine;
use crate::refusal;

/// What a worker serves: a loaded model with everything around it that answers requests.
pub trait Served: Send + Sync + 'static {
    /// The thread that computes.
    type Engine: Engine;

    /// The thread that computes.
    fn engine(&self) -> &Self::Engine;

    /// How busy it is.
    fn load(&self) -> proto::WorkerLoad;

    /// Facts about the model.
    fn facts(&self) -> proto::get_info_response::ModelInfo;
}

/// The model, once it is loaded. Cheap to clone; all clones see it at the same moment.
#[derive(Debug)]
pub struct Loaded<M> {
    model: Arc<OnceLock<M>>,
}

impl<M> Loaded<M> {
    /// From now on requests are answered. A second call changes nothing.
    pub fn set(&self, model: M) {
        let _ = self.model.set(model);
    }

    /// The model.
    ///
    /// # Errors
    /// `WORKER_NOT_READY` while it is not loaded.
    pub fn get(&self) -> Result<&M, Fault> {
        self.model.get().ok_or_else(refusal::not_ready)
    }
}

impl<M> Clone for Loaded<M> {
    fn clone(&self) -> Self {
        Self {
            model: Arc::clone(&self.model),
        }
    }
}

impl<M> Default for Loaded<M> {
    fn default() -> Self {
        Self {
            model: Arc::default(),
        }
    }
}
