//! What workers can run on.

use rbee_artifacts::{DeviceId, DeviceKind};

/// Something a worker can run on, as it is at one moment. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id, which says what kind of hardware it is.
    pub id: DeviceId,
    /// The product's name.
    pub name: String,
    /// Memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that is free now in bytes, with what the system would give back at once.
    pub memory_free_bytes: Option<u64>,
    /// Processor cores.
    pub core_count: Option<u32>,
    /// The vendor's unique id of it.
    pub uuid: Option<String>,
    /// Share of the last moments in which it was busy, in percent.
    pub utilization_percent: Option<u32>,
    /// Temperature in degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// CUDA compute capability, such as `8.9`.
    pub compute_capability: Option<String>,
    /// Version of its driver.
    pub driver_version: Option<String>,
    /// Whether the operator declared it: nothing about it was measured.
    pub declared: bool,
}

impl Device {
    /// A device of which only id and name are known.
    #[must_use]
    pub fn named(id: DeviceId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            memory_total_bytes: None,
            memory_free_bytes: None,
            core_count: None,
            uuid: None,
            utilization_percent: None,
            temperature_celsius: None,
            compute_capability: None,
            driver_version: None,
            declared: false,
        }
    }

    /// How people are told of it: a declared one is marked.
    #[must_use]
    pub fn label(&self) -> String {
        if self.declared {
            format!("{} (declared)", self.id)
        } else {
            self.id.to_string()
        }
    }
}

/// Whether two devices of one host take from the same memory: Apple's GPUs use the processor's.
#[must_use]
pub fn shares_memory(one: DeviceId, other: DeviceId) -> bool {
    let unified = |device: DeviceId| device.kind() != DeviceKind::Cuda;
    one == other || (unified(one) && unified(other))
}
