//! The host: its devices, and what they and the workers do each second.

use futures_util::StreamExt as _;
use rbee_proto::hive::v1 as hive;
use rbee_proto::hive::v1::hive_service_server::HiveService;
use rbee_proto::types::v1::{Device, DeviceKind, DeviceUse, WorkerState};
use tonic::{Request, Response, Status};

use super::services::{Cluster, now};
use super::{IMAGE_WORKER, Streamed, TEXT_WORKER, absent, ticks};

/// The device that both workers run on.
pub(super) const GPU: &str = "cuda:0";
pub(super) const GIB: u64 = 1 << 30;

/// Devices as they are at a moment that is counted in telemetry's ticks.
pub(super) fn devices(tick: u64) -> Vec<Device> {
    let wave = ((tick as f64 / 3.0).sin() * 6.0) as i32;
    let about = |middle: i32| Some(u32::try_from(middle + wave).unwrap_or(0));
    vec![
        Device {
            id: "cpu:0".into(),
            kind: DeviceKind::Cpu.into(),
            name: "Ryzen 9 7950X".into(),
            memory_total_bytes: Some(64 * GIB),
            memory_free_bytes: Some(41 * GIB),
            memory_available_bytes: Some(41 * GIB),
            core_count: Some(16),
            utilization_percent: about(14),
            temperature_celsius: Some(52),
            ..Device::default()
        },
        Device {
            id: GPU.into(),
            kind: DeviceKind::Cuda.into(),
            name: "GeForce RTX 4090".into(),
            memory_total_bytes: Some(24 * GIB),
            memory_free_bytes: Some(13 * GIB),
            memory_available_bytes: Some(13 * GIB),
            utilization_percent: about(87),
            temperature_celsius: Some(64),
            compute_capability: "8.9".into(),
            uses: [(TEXT_WORKER, 6), (IMAGE_WORKER, 4)]
                .map(|(worker, gib)| DeviceUse {
                    worker_id: worker.into(),
                    reserved_bytes: gib * GIB,
                    taken_bytes: Some(gib * GIB),
                })
                .to_vec(),
            ..Device::default()
        },
    ]
}

#[tonic::async_trait]
impl HiveService for Cluster {
    type SpawnWorkerStream = Streamed<hive::SpawnWorkerResponse>;
    type WatchWorkersStream = Streamed<hive::WatchWorkersResponse>;
    type StreamLogsStream = Streamed<hive::StreamLogsResponse>;
    type WatchTelemetryStream = Streamed<hive::WatchTelemetryResponse>;

    async fn watch_telemetry(
        &self,
        _: Request<hive::WatchTelemetryRequest>,
    ) -> Result<Response<Self::WatchTelemetryStream>, Status> {
        let second = std::time::Duration::from_secs(1);
        let pace = self.pace;
        let told = ticks(second).enumerate().map(move |(tick, _)| {
            let worker = |id: &str, memory: u64| hive::WorkerTelemetry {
                worker_id: id.into(),
                state: WorkerState::Ready.into(),
                cpu_percent: Some(35.0),
                resident_bytes: Some(GIB),
                device_memory_bytes: Some(memory),
                ..hive::WorkerTelemetry::default()
            };
            Ok(hive::WatchTelemetryResponse {
                time: now(),
                devices: devices(tick as u64),
                workers: vec![
                    hive::WorkerTelemetry {
                        tokens_per_second: Some(1.0 / pace.token.as_secs_f64()),
                        ..worker(TEXT_WORKER, 6 * GIB)
                    },
                    hive::WorkerTelemetry {
                        steps_per_second: Some(1.0 / pace.step.as_secs_f64()),
                        ..worker(IMAGE_WORKER, 4 * GIB)
                    },
                ],
                cache: None,
            })
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn get_hive(
        &self,
        _: Request<hive::GetHiveRequest>,
    ) -> Result<Response<hive::GetHiveResponse>, Status> {
        absent()
    }

    async fn list_devices(
        &self,
        _: Request<hive::ListDevicesRequest>,
    ) -> Result<Response<hive::ListDevicesResponse>, Status> {
        absent()
    }

    async fn check_spawn(
        &self,
        _: Request<hive::CheckSpawnRequest>,
    ) -> Result<Response<hive::CheckSpawnResponse>, Status> {
        absent()
    }

    async fn spawn_worker(
        &self,
        _: Request<hive::SpawnWorkerRequest>,
    ) -> Result<Response<Self::SpawnWorkerStream>, Status> {
        absent()
    }

    async fn stop_worker(
        &self,
        _: Request<hive::StopWorkerRequest>,
    ) -> Result<Response<hive::StopWorkerResponse>, Status> {
        absent()
    }

    async fn restart_worker(
        &self,
        _: Request<hive::RestartWorkerRequest>,
    ) -> Result<Response<hive::RestartWorkerResponse>, Status> {
        absent()
    }

    async fn update_worker(
        &self,
        _: Request<hive::UpdateWorkerRequest>,
    ) -> Result<Response<hive::UpdateWorkerResponse>, Status> {
        absent()
    }

    async fn attach_add_ons(
        &self,
        _: Request<hive::AttachAddOnsRequest>,
    ) -> Result<Response<hive::AttachAddOnsResponse>, Status> {
        absent()
    }

    async fn get_worker(
        &self,
        _: Request<hive::GetWorkerRequest>,
    ) -> Result<Response<hive::GetWorkerResponse>, Status> {
        absent()
    }

    async fn list_workers(
        &self,
        _: Request<hive::ListWorkersRequest>,
    ) -> Result<Response<hive::ListWorkersResponse>, Status> {
        absent()
    }

    async fn watch_workers(
        &self,
        _: Request<hive::WatchWorkersRequest>,
    ) -> Result<Response<Self::WatchWorkersStream>, Status> {
        absent()
    }

    async fn stream_logs(
        &self,
        _: Request<hive::StreamLogsRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        absent()
    }

    async fn drain(&self, _: Request<hive::DrainRequest>) -> Result<Response<hive::DrainResponse>, Status> {
        absent()
    }

    async fn resume(
        &self,
        _: Request<hive::ResumeRequest>,
    ) -> Result<Response<hive::ResumeResponse>, Status> {
        absent()
    }
}
