//! The devices of this host, as they are now.

mod cpu;

use crate::domain::Device;

/// Looks the host's devices over. Reads files of the system, so it may take some milliseconds.
#[must_use]
pub fn detect() -> Vec<Device> {
    vec![cpu::detect()]
}

/// Looks the host's devices over without holding up the runtime.
pub async fn current() -> Vec<Device> {
    // Fails only where the runtime is ending, and then nobody wants to know.
    tokio::task::spawn_blocking(detect).await.unwrap_or_default()
}
