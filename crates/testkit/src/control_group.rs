//! A control group of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what is in it may take to end.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A folder of control groups (version 2), which ends with all that is in it when this is dropped.
#[derive(Debug)]
pub struct ControlGroup {
    folder: PathBuf,
}

impl ControlGroup {
    /// Makes one at the top of where control groups are mounted. `None`, and a line that says why, where that can't be
    /// done: most containers may not.
    #[must_use]
    pub fn make(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let top = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (point, kind) = (fields.next()?, fields.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(point))
        });
        let Some(top) = top else {
            eprintln!("skipped: control groups of version 2 are not mounted here");
            return None;
        };
        let folder = top.join(format!("rbee-test-{name}-{}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                eprintln!("skipped: cannot make {}: {error}", folder.display());
                None
            }
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders of groups within it, at any depth.
    #[must_use]
    pub fn inner(&self) -> Vec<PathBuf> {
        inner(&self.folder)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
        let deadline = Instant::now() + END_LIMIT;
        while self.folder.exists() && Instant::now() < deadline {
            for group in self.inner().iter().rev() {
                let _ = fs::remove_dir(group);
            }
            let _ = fs::remove_dir(&self.folder);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn inner(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let groups = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    groups
        .flat_map(|group| {
            let below = inner(&group);
            std::iter::once(group).chain(below)
        })
        .collect()
}

/// The ids of the processes that are in a group, those of groups within it aside.
#[must_use]
pub fn processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
