//! A control group for each worker, where the host lets it: its memory is limited, what it uses is counted, and its
//! end is the end of everything in it, also of what left the process group.

mod home;
mod setting;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub use self::home::CgroupError;
pub use self::setting::{CgroupSetting, CgroupSettingError};
use crate::domain::cgroup::{self as format, GroupUsage};

/// Between two attempts to remove a group whose processes are still dying, at first; each wait is twice the last.
const REMOVE_WAIT: Duration = Duration::from_millis(2);

/// Attempts to remove a group; together they wait about 16 s.
const REMOVE_ATTEMPTS: u32 = 13;

/// This hive's control groups. Cheap to clone; without a place to make any it makes none.
#[derive(Debug, Clone, Default)]
pub struct Cgroups {
    home: Option<Arc<Home>>,
}

#[derive(Debug)]
struct Home {
    folder: PathBuf,
    made: AtomicU64,
    /// By worker, the group of its process that runs now.
    live: Mutex<BTreeMap<String, PathBuf>>,
}

impl Drop for Home {
    fn drop(&mut self) {
        // Where a worker is still dying, the next hive removes it.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Cgroups {
    /// No groups.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Finds where groups can be made, ends what an earlier hive with this id left there, and removes it. May move
    /// this process into a leaf of its own group, if that was delegated to it. Takes some milliseconds; up to 5 s
    /// where leftovers take long to die.
    ///
    /// # Errors
    /// If a configured folder can't be used.
    pub fn detect(setting: &CgroupSetting, hive_id: &str) -> Result<Self, CgroupError> {
        let folder = match setting {
            CgroupSetting::Off => return Ok(Self::none()),
            CgroupSetting::Folder(folder) => home::below_configured(folder, hive_id)?,
            CgroupSetting::Auto => match home::below_own(hive_id) {
                Ok(folder) => folder,
                Err(why) => {
                    tracing::info!("workers get no control groups of their own: {why}");
                    return Ok(Self::none());
                }
            },
        };
        let groups = Self::at(folder.clone());
        match groups.probe() {
            Ok(()) => {}
            Err(source) if *setting == CgroupSetting::Auto => {
                tracing::info!(error = %source, "workers get no control groups of their own: they can't enter one");
                return Ok(Self::none());
            }
            Err(source) => {
                return Err(CgroupError::Use { path: folder, source });
            }
        }
        if home::limits_memory(&folder) {
            tracing::info!(folder = %folder.display(), "workers get control groups of their own");
        } else {
            tracing::warn!(
                folder = %folder.display(),
                "workers get control groups of their own, without limits on memory: that controller is not there"
            );
        }
        Ok(groups)
    }

    fn at(folder: PathBuf) -> Self {
        let home = Home {
            folder,
            made: AtomicU64::new(0),
            live: Mutex::default(),
        };
        Self {
            home: Some(Arc::new(home)),
        }
    }

    /// Tries whether a child can enter a group. Nothing is run: that the program is not found means that all before
    /// went well.
    fn probe(&self) -> std::io::Result<()> {
        let group = self.create("probe", None);
        let entrance = group.as_ref().and_then(WorkerCgroup::entrance);
        let entrance = entrance.ok_or(std::io::ErrorKind::PermissionDenied)?;
        match super::unix::enter_and_find_nothing(&entrance) {
            error if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            error => Err(error),
        }
    }

    /// Makes a group for one process of a worker. Without a limit its memory is only counted. `None` where there is
    /// no place for groups, or the system refuses.
    #[must_use]
    pub fn create(&self, worker_id: &str, memory_limit_bytes: Option<u64>) -> Option<WorkerCgroup> {
        let home = self.home.as_ref()?;
        // Each process has its own: the last one's may still be dying.
        let number = home.made.fetch_add(1, Ordering::Relaxed);
        let folder = home.folder.join(format!("w-{worker_id}.{number}"));
        if let Err(error) = fs::create_dir(&folder) {
            tracing::warn!(%worker_id, %error, "the worker gets no control group of its own");
            return None;
        }
        home.live.lock().insert(worker_id.to_owned(), folder.clone());
        let mut group = WorkerCgroup {
            home: Arc::clone(home),
            worker_id: worker_id.to_owned(),
            memory_limit_bytes: None,
            folder,
        };
        if let Some(limit) = memory_limit_bytes.filter(|_| home::limits_memory(&home.folder)) {
            group.limit_memory(limit);
        }
        Some(group)
    }

    /// What a worker's process that runs now has used; `None` where it has no group.
    #[must_use]
    pub fn usage(&self, worker_id: &str) -> Option<GroupUsage> {
        self.folder(worker_id).map(|folder| usage(&folder))
    }

    /// The processes of a worker that runs now; `None` where it has no group.
    #[must_use]
    pub fn processes(&self, worker_id: &str) -> Option<Vec<u32>> {
        self.folder(worker_id).map(|folder| processes(&folder))
    }

    fn folder(&self, worker_id: &str) -> Option<PathBuf> {
        self.home.as_ref()?.live.lock().get(worker_id).cloned()
    }
}

/// The control group of one process of a worker, and of all that it forks. Dropping it ends them and removes it.
#[derive(Debug)]
pub struct WorkerCgroup {
    home: Arc<Home>,
    worker_id: String,
    memory_limit_bytes: Option<u64>,
    folder: PathBuf,
}

impl WorkerCgroup {
    /// What a process enters this group by: it writes `0` there between fork and exec.
    #[must_use]
    pub fn entrance(&self) -> Option<File> {
        let path = self.folder.join("cgroup.procs");
        File::options()
            .write(true)
            .open(&path)
            .inspect_err(
                |error| tracing::warn!(path = %path.display(), %error, "nobody can enter this group"),
            )
            .ok()
    }

    /// The most memory that it may have, in bytes, as the kernel has understood it; `None` without a limit.
    #[must_use]
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory_limit_bytes
    }

    /// How many of its processes the kernel has killed for want of memory.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let events = read(&self.folder, "memory.events");
        events
            .and_then(|text| format::flat(&text, "oom_kill"))
            .unwrap_or(0)
    }

    /// What it has used.
    #[must_use]
    pub fn usage(&self) -> GroupUsage {
        usage(&self.folder)
    }

    /// The ids of its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        processes(&self.folder)
    }

    /// Kills all its processes, those too that left the process group. They are gone some moments later.
    pub fn kill(&self) {
        if let Err(error) = home::write(&self.folder.join("cgroup.kill"), "1") {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot end what is in a control group");
        }
    }

    fn limit_memory(&mut self, limit_bytes: u64) {
        let file = |name: &str| self.folder.join(name);
        if let Err(error) = home::write(&file("memory.max"), &limit_bytes.to_string()) {
            tracing::warn!(worker_id = self.worker_id, %error, "the worker's memory is not limited");
            return;
        }
        // Beyond the limit it shall end, all of it and at once, and not crawl on in swap. Systems without swap lack
        // the first file.
        let _ = home::write(&file("memory.swap.max"), "0");
        let _ = home::write(&file("memory.oom.group"), "1");
        self.memory_limit_bytes = read(&self.folder, "memory.max").and_then(|text| text.trim().parse().ok());
    }
}

impl Drop for WorkerCgroup {
    fn drop(&mut self) {
        let mut live = self.home.live.lock();
        if live.get(&self.worker_id) == Some(&self.folder) {
            live.remove(&self.worker_id);
        }
        drop(live);
        if home::remove(&self.folder).is_ok() {
            return;
        }
        self.kill();
        let folder = std::mem::take(&mut self.folder);
        let patient = std::thread::Builder::new()
            .name("rbee-cgroup".into())
            .stack_size(64 * 1024)
            .spawn(move || remove_patiently(&folder));
        if let Err(error) = patient {
            tracing::warn!(%error, "a control group stays until the next start of the hive");
        }
    }
}

/// Removes a group whose processes are dying. One in the middle of a driver's call may take seconds.
fn remove_patiently(folder: &Path) {
    let mut wait = REMOVE_WAIT;
    for _ in 0..REMOVE_ATTEMPTS {
        if !folder.exists() || home::remove(folder).is_ok() {
            return;
        }
        std::thread::sleep(wait);
        wait *= 2;
    }
    tracing::warn!(folder = %folder.display(), "a control group stays until the next start of the hive");
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn usage(folder: &Path) -> GroupUsage {
    let text = |name| read(folder, name);
    GroupUsage::parse(
        text("cpu.stat").as_deref(),
        text("memory.current").as_deref(),
        text("io.stat").as_deref(),
    )
}

fn processes(folder: &Path) -> Vec<u32> {
    format::processes(&read(folder, "cgroup.procs").unwrap_or_default())
}

/// Whether systemd has handed a group to the service that runs in it: it marks it so
/// (<https://systemd.io/CGROUP_DELEGATION>).
#[cfg(target_os = "linux")]
fn delegated(folder: &Path) -> bool {
    [c"user.delegate", c"trusted.delegate"]
        .iter()
        .any(|name| attribute_is_one(folder, name))
}

#[cfg(target_os = "linux")]
fn attribute_is_one(folder: &Path, name: &std::ffi::CStr) -> bool {
    use std::os::unix::ffi::OsStrExt as _;

    let Ok(path) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else {
        return false;
    };
    let mut value = [0_u8; 8];
    // SAFETY: both strings end with a null byte, and the buffer is as long as is said.
    let length = unsafe {
        nix::libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    length == 1 && value[0] == b'1'
}

#[cfg(not(target_os = "linux"))]
fn delegated(_folder: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the files that a real group would have where it was handed the memory controller.
    fn place(controllers: &str) -> (tempfile::TempDir, Cgroups) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), controllers).unwrap();
        let groups = Cgroups::at(folder.path().to_path_buf());
        (folder, groups)
    }

    #[test]
    fn a_limit_is_set_and_told_as_the_kernel_has_it() {
        let (folder, groups) = place("io memory\n");
        let group = groups.create("bee-1", Some(1 << 30)).unwrap();
        assert_eq!(group.memory_limit_bytes(), Some(1 << 30));
        let own = folder.path().join("w-bee-1.0");
        let has = |name: &str| fs::read_to_string(own.join(name)).unwrap();
        assert_eq!(has("memory.max"), "1073741824");
        assert_eq!(has("memory.swap.max"), "0");
        assert_eq!(has("memory.oom.group"), "1");
        fs::remove_dir_all(own).unwrap();
    }

    #[test]
    fn without_the_controller_nothing_is_limited_and_that_shows() {
        let (folder, groups) = place("io\n");
        let group = groups.create("bee-1", Some(1 << 30)).unwrap();
        assert_eq!(group.memory_limit_bytes(), None);
        assert!(!folder.path().join("w-bee-1.0/memory.max").exists());
    }

    #[test]
    fn what_is_counted_is_read_by_worker() {
        let (folder, groups) = place("memory\n");
        let group = groups.create("bee-1", None).unwrap();
        let own = folder.path().join("w-bee-1.0");
        fs::write(own.join("cpu.stat"), "usage_usec 2000000\n").unwrap();
        fs::write(own.join("memory.current"), "8192\n").unwrap();
        fs::write(own.join("memory.events"), "oom 1\noom_kill 3\n").unwrap();
        fs::write(own.join("cgroup.procs"), "41\n42\n").unwrap();
        assert_eq!(group.oom_kills(), 3);
        let usage = groups.usage("bee-1").unwrap();
        assert_eq!(usage.cpu, Some(Duration::from_secs(2)));
        assert_eq!(usage.memory_bytes, Some(8192));
        assert_eq!(usage.read_bytes, None);
        assert_eq!(groups.processes("bee-1").unwrap(), [41, 42]);
        assert_eq!(groups.usage("bee-2"), None);
        fs::remove_dir_all(own).unwrap();
        drop(group);
        assert_eq!(groups.usage("bee-1"), None);
    }

    #[test]
    fn the_next_process_of_a_worker_has_a_group_of_its_own() {
        let (_folder, groups) = place("");
        let first = groups.create("bee-1", None).unwrap();
        let second = groups.create("bee-1", None).unwrap();
        assert_ne!(first.folder, second.folder);
        drop(first);
        assert!(groups.usage("bee-1").is_some(), "that of the second");
    }

    #[test]
    fn without_a_place_there_are_no_groups() {
        let off = Cgroups::detect(&CgroupSetting::Off, "h").unwrap();
        assert!(off.create("bee-1", None).is_none());
        let nowhere = CgroupSetting::Folder("/tmp/no-control-groups-here".into());
        let error = Cgroups::detect(&nowhere, "h").unwrap_err();
        assert!(matches!(error, CgroupError::NotCgroup { .. }), "{error}");
    }
}
