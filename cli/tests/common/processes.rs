//! Processes as Linux shows them.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Sends a signal to a process.
pub fn signal(process_id: u32, signal: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, &process_id.to_string()])
        .status();
    assert!(
        status.expect("kill is everywhere").success(),
        "no process {process_id}"
    );
}

/// Whether a process runs. One that has ended and waits for its parent does not.
pub fn runs(process_id: u32) -> bool {
    // `pid (name) S …`; the name may hold anything, a closing parenthesis too.
    let Ok(stat) = fs::read_to_string(format!("/proc/{process_id}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}

/// The running processes that name the folder in their arguments or environment.
pub fn naming(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("test folders have UTF-8 paths");
    let processes = fs::read_dir("/proc").expect("Linux has /proc");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| *id != std::process::id() && runs(*id))
        .filter_map(|id| {
            let read = |file: &str| {
                let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let (arguments, environment) = (read("cmdline"), read("environ"));
            (arguments.contains(folder) || environment.contains(folder)).then(|| format!("{id}: {arguments}"))
        })
        .collect()
}

/// How many files a process has open.
pub fn open_files(process_id: u32) -> usize {
    fs::read_dir(format!("/proc/{process_id}/fd"))
        .expect("the process runs")
        .count()
}

/// Memory that a process occupies, in bytes, and the part of it that is no mapped file. A mapped
/// model's pages come and go as the system pleases.
pub fn memory_bytes(process_id: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).expect("the process runs");
    let field = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .expect("Linux tells it");
        let kibibytes = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        kibibytes.expect("a number of KiB") * 1024
    };
    (field("VmRSS:"), field("RssAnon:"))
}
