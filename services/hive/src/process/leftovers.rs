//! Processes that an earlier hive left behind.
//!
//! A worker dies with its hive; what it forked, or a worker on a system without parent-death
//! signals, may not. All of them carry the folder of their worker in their environment
//! ([`FOLDER_MARK`](super::environment::FOLDER_MARK)), which unlike a process id can't be
//! anybody else's.

use std::path::Path;

/// Kills every process whose environment says that it belongs to a worker below `workers`, and
/// answers how many there were. Must only be called while no worker of this hive runs.
#[cfg(target_os = "linux")]
#[must_use]
pub fn kill_leftovers(workers: &Path) -> usize {
    kill_marked(|folder| folder.parent().is_some_and(|parent| parent == workers))
}

/// Kills every process whose environment says that it belongs to the worker in this folder, and answers how many there
/// were. To be called when the worker's own process is gone.
#[cfg(target_os = "linux")]
#[must_use]
pub fn kill_leftovers_of(folder: &Path) -> usize {
    kill_marked(|mark| mark == folder)
}

/// See above.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn kill_leftovers_of(_folder: &Path) -> usize {
    0
}

/// Elsewhere other processes' environments can't be read; there the end of their standard input
/// tells workers to leave.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn kill_leftovers(_workers: &Path) -> usize {
    0
}

#[cfg(target_os = "linux")]
fn kill_marked(is_meant: impl Fn(&Path) -> bool) -> usize {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let own = std::process::id();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| *id != own && has_mark(*id, &is_meant))
        .filter(|id| kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).is_ok())
        .count()
}

#[cfg(target_os = "linux")]
fn has_mark(id: u32, is_meant: impl Fn(&Path) -> bool) -> bool {
    use std::os::unix::ffi::OsStrExt as _;

    // Unreadable for processes of other users, which are not ours.
    let Ok(environment) = std::fs::read(format!("/proc/{id}/environ")) else {
        return false;
    };
    environment.split(|byte| *byte == 0).any(|variable| {
        variable
            .strip_prefix(super::environment::FOLDER_MARK.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .is_some_and(|folder| is_meant(Path::new(std::ffi::OsStr::from_bytes(folder))))
    })
}
