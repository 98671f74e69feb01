//! What workers can run on.

use rbee_artifacts::DeviceId;

/// Something a worker can run on, as it is at one moment. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id, which says what kind of hardware it is.
    pub id: DeviceId,
    /// The product's name.
    pub name: String,
    /// Memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that is free now in bytes.
    pub memory_free_bytes: Option<u64>,
    /// Processor cores or multiprocessors.
    pub core_count: Option<u32>,
}
