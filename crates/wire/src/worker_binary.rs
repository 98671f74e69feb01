//! Worker programs.

use rbee_artifacts::WorkerBinary;
use rbee_proto::types::v1 as wire;

use crate::error::parsed;
use crate::timestamp::required_timestamp;
use crate::{
    InvalidField, platform_from_wire, platform_to_wire, required_worker_type, timestamp_to_wire,
    worker_type_to_wire,
};

/// Writes a worker program.
#[must_use]
pub fn worker_binary_to_wire(binary: &WorkerBinary) -> wire::WorkerBinary {
    wire::WorkerBinary {
        id: binary.id.to_string(),
        worker_type: worker_type_to_wire(binary.worker_type).into(),
        version: binary.version.clone(),
        platform: Some(platform_to_wire(&binary.platform)),
        size_bytes: binary.size_bytes,
        sha256: binary.sha256.to_string(),
        added_at: Some(timestamp_to_wire(binary.added_at)),
        source: binary.source.clone(),
    }
}

/// Reads a worker program that the catalog knows: one with an id and a time.
///
/// # Errors
/// If a field is missing or malformed.
pub fn worker_binary_from_wire(binary: wire::WorkerBinary) -> Result<WorkerBinary, InvalidField> {
    let platform = binary.platform.ok_or_else(|| InvalidField::missing("platform"))?;
    Ok(WorkerBinary {
        id: parsed("id", &binary.id)?,
        worker_type: required_worker_type("worker_type", binary.worker_type)?,
        version: binary.version,
        platform: platform_from_wire("platform", platform)?,
        size_bytes: binary.size_bytes,
        sha256: parsed("sha256", &binary.sha256)?,
        added_at: required_timestamp("added_at", binary.added_at)?,
        source: binary.source,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rbee_artifacts::{Platform, Sha256, WorkerBinaryId, WorkerType};

    use super::*;
    use crate::arbitrary::any_worker_binary;

    fn binary(worker_type: WorkerType) -> WorkerBinary {
        let (platform, sha256) = (Platform::current(), Sha256::digest(b"program"));
        WorkerBinary {
            id: WorkerBinaryId::derive(worker_type, "0.1.0", &platform, &sha256),
            worker_type,
            version: "0.1.0".into(),
            platform,
            size_bytes: 7,
            sha256,
            added_at: "2026-11-23T06:30:00Z".parse().unwrap(),
            source: "bundled".into(),
        }
    }

    #[test]
    fn worker_binaries_cross_the_wire_whole() {
        for &worker_type in WorkerType::ALL {
            let binary = binary(worker_type);
            assert_eq!(
                worker_binary_from_wire(worker_binary_to_wire(&binary)),
                Ok(binary)
            );
        }
        assert!(worker_binary_from_wire(wire::WorkerBinary::default()).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = worker_binary_to_wire(&binary(WorkerType::CpuLlm));
        let broken = |change: fn(&mut wire::WorkerBinary)| {
            let mut binary = good.clone();
            change(&mut binary);
            worker_binary_from_wire(binary).unwrap_err().field
        };
        assert_eq!(broken(|binary| binary.id = "../x".into()), "id");
        assert_eq!(broken(|binary| binary.worker_type = 0), "worker_type");
        assert_eq!(broken(|binary| binary.worker_type = 99), "worker_type");
        assert_eq!(broken(|binary| binary.platform = None), "platform");
        assert_eq!(
            broken(|binary| binary.platform = Some(Default::default())),
            "platform"
        );
        assert_eq!(broken(|binary| binary.sha256.clear()), "sha256");
        assert_eq!(broken(|binary| binary.added_at = None), "added_at");
    }

    proptest! {
        #[test]
        fn any_worker_binary_crosses_the_wire(binary in any_worker_binary()) {
            prop_assert_eq!(worker_binary_from_wire(worker_binary_to_wire(&binary)), Ok(binary));
        }
    }
}
