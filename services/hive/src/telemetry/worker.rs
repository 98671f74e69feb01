//! What telemetry reads of a worker besides its id and process.

use rbee_artifacts::DeviceId;
use rbee_proto::types::v1::WorkerState;

use crate::domain::Worker;
use crate::grpc::convert;

/// Where it is in its life.
pub(crate) fn state(worker: &Worker) -> WorkerState {
    convert::state_to_wire(worker.state)
}

/// The device that it runs on.
pub(super) fn device(worker: &Worker) -> Option<DeviceId> {
    worker.device_id
}
