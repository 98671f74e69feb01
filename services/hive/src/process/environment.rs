//! What a worker sees of the hive's environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Names the worker's folder in the environment of the worker and of all that it forks. By this
/// mark a hive recognises what an earlier hive left running.
pub const FOLDER_MARK: &str = "RBEE_WORKER_FOLDER";

/// What is passed on. Not more: a hive's environment may hold credentials.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RAYON_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
];

/// `cuda:N` is the Nth GPU in the order of the management library, by which the hive knows them; CUDA's own order puts
/// the fastest first (CUDA C++ Programming Guide, environment variables).
const CUDA_ORDER: [&str; 2] = ["CUDA_DEVICE_ORDER", "PCI_BUS_ID"];

/// Settings of logs and traces are the worker's as much as the hive's.
const PASSED_ON_PREFIXES: &[&str] = &["RBEE_LOG", "RBEE_OTLP", "OTEL_"];

/// The environment for a worker that lives in `folder`: what is passed on of the hive's own, and
/// what is configured for workers, which counts more.
#[must_use]
pub fn for_worker(
    own: impl IntoIterator<Item = (OsString, OsString)>,
    configured: &BTreeMap<String, String>,
    folder: &Path,
) -> Vec<(OsString, OsString)> {
    let passed_on = own.into_iter().filter(|(name, _)| is_passed_on(name));
    let configured = configured.iter().map(|(name, value)| (name.into(), value.into()));
    let mark = (FOLDER_MARK.into(), folder.into());
    let order = CUDA_ORDER.map(OsString::from).into();
    // Of two with one name the last stays.
    let environment: BTreeMap<_, _> = passed_on.chain([order]).chain(configured).chain([mark]).collect();
    environment.into_iter().collect()
}

fn is_passed_on(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        PASSED_ON.contains(&name) || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_passed_on() {
        let own = [
            ("PATH", "/bin"),
            ("HF_TOKEN", "secret"),
            ("RBEE_TOKEN", "secret"),
            ("RBEE_LOG", "info"),
            ("RBEE_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
            ("LD_PRELOAD", "/tmp/x.so"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let configured = BTreeMap::from([("RBEE_LOG".to_owned(), "debug".to_owned())]);
        let environment: Vec<_> = for_worker(own, &configured, Path::new("/data/w"))
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect();
        assert_eq!(
            environment,
            [
                "CUDA_DEVICE_ORDER=PCI_BUS_ID",
                "PATH=/bin",
                "RBEE_LOG=debug",
                "RBEE_OTLP_ENDPOINT=http://127.0.0.1:4317",
                "RBEE_WORKER_FOLDER=/data/w",
            ]
        );
    }
}
