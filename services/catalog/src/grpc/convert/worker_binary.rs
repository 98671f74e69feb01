//! Worker binaries.

use jiff::Timestamp;
use rbee_artifacts::{Platform, Sha256, WorkerBinary, WorkerBinaryId, WorkerType};
use rbee_proto::types::v1 as wire;
use rbee_wire::{platform_from_wire, required_worker_type};

use super::missing;
use crate::domain::limits::{self, InvalidField};

/// What a client says of a worker program; the catalog adds the rest.
pub(in crate::grpc) struct NewWorkerBinary {
    worker_type: WorkerType,
    version: String,
    platform: Platform,
    size_bytes: u64,
    sha256: Sha256,
    source: String,
}

impl NewWorkerBinary {
    /// The entry, named by what it is.
    pub(in crate::grpc) fn into_entry(self, added_at: Timestamp) -> WorkerBinary {
        let Self {
            worker_type,
            version,
            platform,
            size_bytes,
            sha256,
            source,
        } = self;
        let id = WorkerBinaryId::derive(worker_type, &version, &platform, &sha256);
        WorkerBinary {
            id,
            worker_type,
            version,
            platform,
            size_bytes,
            sha256,
            added_at,
            source,
        }
    }
}

/// Reads what a client says of a worker program.
pub(in crate::grpc) fn worker_binary_from_wire(
    binary: wire::WorkerBinary,
) -> Result<NewWorkerBinary, InvalidField> {
    let platform = binary.platform.ok_or_else(|| missing("worker_binary.platform"))?;
    if binary.size_bytes == 0 {
        return Err(InvalidField::new("worker_binary.size_bytes", "must not be 0"));
    }
    Ok(NewWorkerBinary {
        worker_type: required_worker_type("worker_binary.worker_type", binary.worker_type)?,
        version: limits::required_text("worker_binary.version", binary.version, limits::MAX_LABEL_BYTES)?,
        platform: platform_from_wire("worker_binary.platform", platform)?,
        size_bytes: binary.size_bytes,
        sha256: binary
            .sha256
            .parse()
            .map_err(|error| InvalidField::new("worker_binary.sha256", error))?,
        source: limits::text("worker_binary.source", binary.source, limits::MAX_LABEL_BYTES)?,
    })
}

#[cfg(test)]
mod tests {
    use rbee_wire::worker_binary_to_wire;

    use super::*;

    #[test]
    fn a_worker_binary_crosses_the_wire() {
        let added_at: Timestamp = "2026-11-23T06:30:00Z".parse().unwrap();
        let entry = NewWorkerBinary {
            worker_type: WorkerType::CpuLlm,
            version: "0.1.0".into(),
            platform: Platform::current(),
            size_bytes: 7,
            sha256: Sha256::digest(b"program"),
            source: "bundled".into(),
        }
        .into_entry(added_at);
        let wire = worker_binary_to_wire(&entry);
        assert_eq!(
            worker_binary_from_wire(wire.clone())
                .unwrap()
                .into_entry(added_at),
            entry
        );

        let broken = |change: fn(&mut wire::WorkerBinary)| {
            let mut binary = wire.clone();
            change(&mut binary);
            worker_binary_from_wire(binary)
                .err()
                .map(|error| error.field)
                .unwrap_or_default()
        };
        assert_eq!(
            broken(|binary| binary.worker_type = 0),
            "worker_binary.worker_type"
        );
        assert_eq!(broken(|binary| binary.platform = None), "worker_binary.platform");
        assert_eq!(broken(|binary| binary.version.clear()), "worker_binary.version");
        assert_eq!(broken(|binary| binary.sha256.clear()), "worker_binary.sha256");
        assert_eq!(broken(|binary| binary.size_bytes = 0), "worker_binary.size_bytes");
    }
}
