//! The worker's life, which is every worker's ([`rbee_worker_kit::service`]), with an image model.

use rbee_worker_kit::{Identity, Surroundings};
use secrecy::SecretString;

use crate::config::{Arguments, WORKER_TYPE};
use crate::grpc;
use crate::load::{self, LoadFailure};

/// Why a worker ended without having been told to.
pub type RunError = rbee_worker_kit::RunError<LoadFailure>;

/// Loads the model and serves it until told to leave. Callers must show `token`.
///
/// # Errors
/// If it can't start, can't load the model, or breaks while it serves. The hive has been told then.
pub async fn run(arguments: &Arguments, token: SecretString, around: &Surroundings) -> Result<(), RunError> {
    let owned = arguments.clone();
    let load = move |progress: rbee_worker_kit::service::Progress| load::load(&owned, progress);
    let worker = &arguments.worker;
    rbee_worker_kit::service::run(worker, identity(arguments), token, around, grpc::mount, load).await
}

fn identity(arguments: &Arguments) -> Identity {
    Identity {
        worker_id: arguments.worker.worker_id.clone(),
        model_id: arguments.worker.model_id.clone(),
        device_id: arguments.device.to_string(),
        worker_type: rbee_wire::worker_type_to_wire(WORKER_TYPE),
        version: env!("CARGO_PKG_VERSION"),
    }
}
