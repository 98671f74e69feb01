//! The hive's metrics by name. `docs/metrics.md` lists them, and a test holds the two together.

use rbee_service_kit::metrics::{Kind, Metric};

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All metrics of a hive.
        pub const METRICS: &[&Metric] = &[$(&$constant),+];
    };
}

metrics! {
    REGISTERED: Gauge "rbee_hive_registered" []
        "1 while the catalog knows this hive, as far as it has answered; else 0.";
    WORKERS: Gauge "rbee_workers" ["state"]
        "Workers of this hive by where they are in their life; states without any are 0.";
    SPAWNS: Counter "rbee_spawns_total" ["outcome", "reason"]
        "Spawns that have ended: `ready`, or `failed` with the reason of the error.";
    SPAWN_DURATION: Histogram "rbee_spawn_duration_seconds" ["outcome"]
        "How long spawns took until their end.";
    CRASHES: Counter "rbee_worker_crashes_total" ["cause"]
        "Worker processes that ended and should not have, or were ended for not answering.";
    RESTARTS: Counter "rbee_worker_restarts_total" ["cause"]
        "Workers that were started anew by themselves, by what had ended them.";
    WORKER_INFO: Gauge "rbee_worker_info" ["worker", "model", "type", "device"]
        "1 for each worker; its labels say what it is.";
    REQUESTS: Counter "rbee_worker_requests_total" ["worker", "code"]
        "Requests that were passed on to a worker and have ended, by gRPC code.";
    REQUESTS_RUNNING: Gauge "rbee_worker_requests_running" ["worker"]
        "Requests that the worker is answering, as it says.";
    REQUESTS_WAITING: Gauge "rbee_worker_requests_waiting" ["worker"]
        "Requests that wait in the worker's queue, as it says.";
    SLOTS: Gauge "rbee_worker_slots" ["worker"]
        "Most requests that the worker answers at the same time, as it says.";
    TOKENS: Counter "rbee_worker_generated_tokens_total" ["worker"]
        "Tokens that the worker has generated, as it says.";
    PROMPT_TOKENS: Counter "rbee_worker_prompt_tokens_total" ["worker"]
        "Tokens of prompts that the worker has computed, as it says.";
    CPU: Counter "rbee_worker_cpu_seconds_total" ["worker"]
        "Processor time that the worker has used.";
    RESIDENT: Gauge "rbee_worker_resident_memory_bytes" ["worker"]
        "Host memory that the worker has, mapped files included.";
    DEVICE_MEMORY: Gauge "rbee_worker_device_memory_bytes" ["worker", "device"]
        "Memory that the worker has on its GPU.";
    READ: Counter "rbee_worker_read_bytes_total" ["worker"]
        "Bytes that disks have read for the worker.";
    WRITTEN: Counter "rbee_worker_written_bytes_total" ["worker"]
        "Bytes that disks have written for the worker.";
    ESTIMATE: Gauge "rbee_worker_memory_estimate_bytes" ["worker", "model"]
        "The most memory that the worker may take, by the estimate before its start.";
    ESTIMATE_ERROR: Gauge "rbee_worker_memory_estimate_error_ratio" ["worker", "model"]
        "Estimate for the loaded model less what it took when it had just become ready, as a share of that.";
    DEVICE_INFO: Gauge "rbee_device_info" ["device", "kind", "name", "declared"]
        "1 for each device; its labels say what it is, and whether it was only declared.";
    DEVICE_TOTAL: Gauge "rbee_device_memory_size_bytes" ["device"]
        "Memory of the device.";
    DEVICE_FREE: Gauge "rbee_device_memory_free_bytes" ["device"]
        "Memory of the device that is free now.";
    DEVICE_AVAILABLE: Gauge "rbee_device_memory_available_bytes" ["device"]
        "Memory that a new worker may count on: what is free, less what others have reserved and may still take.";
    DEVICE_UTILIZATION: Gauge "rbee_device_utilization_ratio" ["device"]
        "Share of the last moments in which the device was busy, 0 to 1.";
    DISK_FREE: Gauge "rbee_hive_disk_free_bytes" []
        "Room that is left on the disk of the hive's folder.";
    CACHE_LIMIT: Gauge "rbee_cache_limit_bytes" []
        "The most that the cache of a store elsewhere may take.";
    CACHE_USED: Gauge "rbee_cache_used_bytes" []
        "Bytes that are in this cache or on their way into it.";
    CACHE_IN_USE: Gauge "rbee_cache_in_use_bytes" []
        "Bytes of this cache that workers use or that are on their way.";
    CACHE_LOOKUPS: Counter "rbee_cache_lookups_total" ["outcome"]
        "Files that were wanted of this cache: `hit`, or `miss` for those that had to be fetched.";
    CACHE_FETCHED: Counter "rbee_cache_fetched_bytes_total" []
        "Bytes that came from the store into this cache.";
    CACHE_FAILURES: Counter "rbee_cache_fetch_failures_total" []
        "Files that did not come from the store.";
    CACHE_EVICTED: Counter "rbee_cache_evicted_bytes_total" []
        "Bytes of this cache that made room for others.";
    DEVICE_TEMPERATURE: Gauge "rbee_device_temperature_celsius" ["device"]
        "Temperature of the device.";
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/metrics.md");

    #[test]
    fn the_page_on_metrics_lists_just_these() {
        let row = |metric: &&Metric| metric.row();
        let ours: Vec<_> = METRICS.iter().map(row).collect();
        let listed = Metric::rows_below("Of a hive", PAGE);
        assert_eq!(
            listed,
            ours,
            "the rows of docs/metrics.md should be:\n{}",
            ours.join("\n")
        );
    }

    #[test]
    fn names_follow_prometheuss_rules() {
        for metric in METRICS {
            let name = metric.name;
            assert!(name.starts_with("rbee_"), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert!(metric.help.ends_with('.') && !metric.help.contains('|'), "{name}");
            let same = METRICS.iter().filter(|other| other.name == name).count();
            assert_eq!(same, 1, "{name} is there {same} times");
        }
    }
}
