//! Waiting until a device's memory is free again.

use std::time::Duration;

use rbee_artifacts::DeviceId;

use super::Devices;
use crate::domain::settling::{Look, Settling};

/// How long to wait; a driver that has not given the memory back by then has lost it.
const LIMIT: Duration = Duration::from_secs(5);

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

impl Devices {
    /// Waits until the memory that a process had on a device is free again, at most 5 s. To be called when the process
    /// has been reaped. At once where the memory goes with the process, as the processor's does. Answers whether it is
    /// free as far as can be seen. Cancel safe.
    pub async fn settled(&self, device: DeviceId, process_id: u32) -> bool {
        self.settled_within(LIMIT, device, process_id).await
    }

    pub(super) async fn settled_within(&self, limit: Duration, device: DeviceId, process_id: u32) -> bool {
        let mut settling = Settling::default();
        let over = async {
            loop {
                match self.seen(device, process_id).await {
                    Some(look) if !settling.is_over(look) => tokio::time::sleep(INTERVAL).await,
                    _ => return,
                }
            }
        };
        let in_time = tokio::time::timeout(limit, over).await.is_ok();
        if !in_time {
            tracing::warn!(
                %device, process_id,
                "the driver still has memory of a process that ended {} s ago", limit.as_secs()
            );
        }
        in_time
    }

    /// `None` where no driver tells who has a device's memory.
    async fn seen(&self, device: DeviceId, process_id: u32) -> Option<Look> {
        let devices = self.clone();
        let look = move || {
            let holders = devices.holders(device)?;
            let found = devices.look();
            Some(Look {
                listed: holders.iter().any(|holder| holder.process_id == process_id),
                free_bytes: found
                    .iter()
                    .find(|found| found.id == device)
                    .and_then(|found| found.memory_free_bytes),
            })
        };
        // Fails only where the runtime is ending, and then nobody wants to know.
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::super::{Holder, Source};
    use super::*;
    use crate::domain::{Device, ProcessMemory};

    /// A driver that says one thing after the other, and the last for ever.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<(Vec<u32>, u64)>>);

    impl Source for Scripted {
        fn devices(&self) -> Vec<Device> {
            let mut script = self.0.lock();
            let free = script[0].1;
            if script.len() > 1 {
                script.remove(0);
            }
            vec![Device {
                memory_free_bytes: Some(free),
                ..Device::named("cuda:0".parse().unwrap(), "card")
            }]
        }

        fn process_memory(&self, _: DeviceId, _: u32) -> Option<ProcessMemory> {
            None
        }

        fn holders(&self, device: DeviceId) -> Option<Vec<Holder>> {
            let holder = |&process_id: &u32| Holder {
                process_id,
                bytes: Some(1),
            };
            (device.to_string() == "cuda:0").then(|| self.0.lock()[0].0.iter().map(holder).collect())
        }
    }

    fn devices(script: &[(&[u32], u64)]) -> Devices {
        let script = script
            .iter()
            .map(|(listed, free)| (listed.to_vec(), *free))
            .collect();
        Devices::new(
            vec![Box::new(Scripted(Mutex::new(script)))],
            super::super::Declarations::default(),
        )
    }

    #[tokio::test]
    async fn it_waits_for_the_driver() {
        let script: &[(&[u32], u64)] = &[(&[7, 8], 10), (&[7, 8], 10), (&[8], 20), (&[8], 90), (&[8], 90)];
        let devices = devices(script);
        assert!(devices.settled("cuda:0".parse().unwrap(), 7).await);
        assert_eq!(devices.look()[0].memory_free_bytes, Some(90), "all was seen");
    }

    #[tokio::test]
    async fn it_does_not_wait_for_ever() {
        let devices = devices(&[(&[7], 10)]);
        let limit = Duration::from_millis(200);
        assert!(!devices.settled_within(limit, "cuda:0".parse().unwrap(), 7).await);
    }

    #[tokio::test]
    async fn where_nobody_tells_there_is_nothing_to_wait_for() {
        let devices = devices(&[(&[7], 10), (&[7], 20)]);
        assert!(devices.settled(DeviceId::CPU, 7).await);
        assert_eq!(devices.look()[0].memory_free_bytes, Some(10), "nobody looked");
    }
}
