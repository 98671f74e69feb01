//! Worker types.

use rbee_artifacts::WorkerType;
use rbee_proto::types::v1 as wire;

use crate::InvalidField;

/// Writes a worker type.
#[must_use]
pub fn worker_type_to_wire(worker_type: WorkerType) -> wire::WorkerType {
    match worker_type {
        WorkerType::CpuLlm => wire::WorkerType::CpuLlm,
        WorkerType::CudaLlm => wire::WorkerType::CudaLlm,
        WorkerType::MetalLlm => wire::WorkerType::MetalLlm,
        WorkerType::CpuSd => wire::WorkerType::CpuSd,
        WorkerType::CudaSd => wire::WorkerType::CudaSd,
        WorkerType::MetalSd => wire::WorkerType::MetalSd,
    }
}

/// Reads a worker type; `None` if it is unspecified.
///
/// # Errors
/// If the number is none that this version knows; `field` is its path.
pub fn worker_type_from_wire(field: &str, number: i32) -> Result<Option<WorkerType>, InvalidField> {
    match wire::WorkerType::try_from(number) {
        Ok(wire::WorkerType::Unspecified) => Ok(None),
        Ok(wire::WorkerType::CpuLlm) => Ok(Some(WorkerType::CpuLlm)),
        Ok(wire::WorkerType::CudaLlm) => Ok(Some(WorkerType::CudaLlm)),
        Ok(wire::WorkerType::MetalLlm) => Ok(Some(WorkerType::MetalLlm)),
        Ok(wire::WorkerType::CpuSd) => Ok(Some(WorkerType::CpuSd)),
        Ok(wire::WorkerType::CudaSd) => Ok(Some(WorkerType::CudaSd)),
        Ok(wire::WorkerType::MetalSd) => Ok(Some(WorkerType::MetalSd)),
        Err(_) => Err(InvalidField::new(field, format!("{number} is not a worker type"))),
    }
}

/// Reads a worker type that must be said.
///
/// # Errors
/// If it is unspecified, or the number is none that this version knows; `field` is its path.
pub fn required_worker_type(field: &str, number: i32) -> Result<WorkerType, InvalidField> {
    worker_type_from_wire(field, number)?.ok_or_else(|| InvalidField::missing(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_types_cross_the_wire() {
        for &worker_type in WorkerType::ALL {
            let number = worker_type_to_wire(worker_type).into();
            assert_eq!(
                worker_type_from_wire("worker_type", number),
                Ok(Some(worker_type))
            );
            assert_eq!(required_worker_type("worker_type", number), Ok(worker_type));
        }
        assert_eq!(worker_type_from_wire("worker_type", 0), Ok(None));
        assert!(worker_type_from_wire("worker_type", 99).is_err());
        assert!(required_worker_type("worker_type", 0).is_err());
        assert!(required_worker_type("worker_type", 99).is_err());
    }
}
