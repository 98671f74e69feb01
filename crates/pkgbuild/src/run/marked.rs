//! Ends programs that left the process group of an unconfined build.
//!
//! A program that makes a session of its own (a daemon) is in no group that can be killed. But it has the
//! environment that the build was started with, unless it took care to lose it, and there is a mark in that
//! which no other program has. With bubblewrap none of this is needed. Linux only: elsewhere
//! the environment of other programs can't be read.

use std::path::Path;
use std::time::Duration;

/// The variable whose value is the build's folder.
pub(crate) const VARIABLE: &str = "RBEE_BUILD_FOLDER";

const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// What is in the environment of a build's programs.
#[derive(Debug, Clone)]
pub(crate) struct Mark(Vec<u8>);

impl Mark {
    /// The mark of the build in this very folder.
    pub(crate) fn of_build(folder: &Path) -> Self {
        let mut mark = Self::of_builds_below(folder);
        // The value's end, not the beginning of a longer path.
        mark.0.push(0);
        mark
    }

    /// The mark of all builds whose folders begin so.
    pub(crate) fn of_builds_below(folder: &Path) -> Self {
        // Between two values, so that no other variable ends in it.
        let mut mark = format!("\0{VARIABLE}=").into_bytes();
        mark.extend(folder.as_os_str().as_encoded_bytes());
        Self(mark)
    }
}

/// Kills all that carry the mark, until none is left or too many rounds have passed: what dies slowly, such
/// as a program in the middle of writing, is waited for.
pub(crate) async fn end_all(mark: &Mark) {
    for _ in 0..ROUNDS {
        if end_once(mark) == 0 {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!("a program that a build started can't be ended");
}

/// Kills all that carry the mark now; how many there were.
#[cfg(target_os = "linux")]
pub(crate) fn end_once(mark: &Mark) -> usize {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let me = std::process::id();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&id| id > 1 && id != me && carries(id, mark))
        .filter(|&id| i32::try_from(id).is_ok_and(|id| kill(Pid::from_raw(id), Signal::SIGKILL).is_ok()))
        .count()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end_once(_mark: &Mark) -> usize {
    0
}

/// A dead program that nobody has noticed yet has an empty environment.
#[cfg(target_os = "linux")]
fn carries(id: u32, mark: &Mark) -> bool {
    let Ok(mut environment) = std::fs::read(format!("/proc/{id}/environ")) else {
        return false;
    };
    environment.insert(0, 0);
    environment.windows(mark.0.len()).any(|window| window == mark.0)
}
