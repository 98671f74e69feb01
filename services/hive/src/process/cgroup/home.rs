//! Where the groups of workers can be made, if anywhere.
//!
//! A control group belongs to whoever made it. A hive touches two kinds only: a folder that its operator names, and
//! the group that it runs in, if that was delegated to it (systemd's `Delegate=yes`, the top of a container's own
//! namespace) and nobody else is in it. A session that the user's shell is in is neither.
//!
//! ```text
//! <configured folder>/                 <the hive's own group>/
//!   rbee-<hive id>/                      hive/                 the hive itself: a group that hands on
//!     w-<worker id>.<n>/                 rbee-<hive id>/       controllers has no processes of its own
//!                                          w-<worker id>.<n>/
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::domain::cgroup as format;

/// Controllers that are handed on to workers' groups where they can be had. What is counted of processor time needs
/// none.
const CONTROLLERS: [&str; 2] = ["memory", "io"];

/// How long killed processes may take to be gone.
const EMPTY_LIMIT: Duration = Duration::from_secs(5);

/// Why a configured folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// It is not below a mount of control groups of version 2.
    #[error(
        "{} is no folder of control groups, version 2; `hive.cgroup` must name one", folder.display()
    )]
    NotCgroup {
        /// The folder.
        folder: PathBuf,
    },
    /// The kernel can't end a group as a whole.
    #[error("the kernel is too old for workers' control groups: it has no cgroup.kill (Linux 5.14)")]
    TooOld,
    /// Something in it can't be made, read or written.
    #[error("cannot use the control group {}", path.display())]
    Use {
        /// What.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl CgroupError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Use {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Writes to one of the kernel's files.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}

/// A folder for this hive's groups below a configured one.
pub(super) fn below_configured(folder: &Path, hive_id: &str) -> Result<PathBuf, CgroupError> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = format::mount(&mountinfo);
    if !mount.is_some_and(|mount| folder.starts_with(mount.top())) {
        return Err(CgroupError::NotCgroup {
            folder: folder.to_path_buf(),
        });
    }
    fs::create_dir_all(folder).map_err(CgroupError::at(folder))?;
    prepare(folder, hive_id)
}

/// A folder for this hive's groups below its own, or why there is none, as the end of a sentence.
pub(super) fn below_own(hive_id: &str) -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mount = format::mount(&read("/proc/self/mountinfo"));
    let membership = read("/proc/self/cgroup");
    let (Some(mount), Some(group)) = (mount, format::own_group(&membership)) else {
        return Err("control groups of version 2 are not mounted".into());
    };
    let own = mount.folder(group).ok_or("its own group is not in view")?;
    if !own.join("cgroup.events").exists() {
        return Err("it runs in the system's own group".into());
    }
    if group != "/" && !super::delegated(&own) {
        return Err("its group was not delegated to it".into());
    }
    let members = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
    if format::processes(&members) != [std::process::id()] {
        return Err("others run in its group too".into());
    }
    within(&own, hive_id).map_err(|error| rbee_service_kit::fault::Chain(&error).to_string())
}

/// Moves this process, which is alone in the group, into a leaf of its own. If the rest can't be done it moves
/// back.
fn within(own: &Path, hive_id: &str) -> Result<PathBuf, CgroupError> {
    let leaf = own.join("hive");
    let procs = |folder: &Path| folder.join("cgroup.procs");
    let this = std::process::id().to_string();
    make(&leaf)?;
    let outcome = write(&procs(&leaf), &this)
        .map_err(CgroupError::at(&leaf))
        .and_then(|()| prepare(own, hive_id));
    if outcome.is_err() {
        // The controllers that were handed on must be taken back first, or the group takes no process.
        hand_on(own, '-');
        let _ = write(&procs(own), &this);
        let _ = fs::remove_dir(&leaf);
    }
    outcome
}

/// Makes a hive's folder below `parent`, without what an earlier hive left there.
fn prepare(parent: &Path, hive_id: &str) -> Result<PathBuf, CgroupError> {
    let home = parent.join(format!("rbee-{hive_id}"));
    if home.exists() {
        clear(&home)?;
    }
    hand_on(parent, '+');
    make(&home)?;
    if !home.join("cgroup.kill").exists() {
        let _ = fs::remove_dir(&home);
        return Err(CgroupError::TooOld);
    }
    hand_on(&home, '+');
    Ok(home)
}

fn make(folder: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(CgroupError::at(folder)(error)),
        _ => Ok(()),
    }
}

/// Hands controllers on to the groups below, `+`, or no more, `-`. One that isn't there, or is refused, is missing
/// below, and there what it counts or limits.
fn hand_on(folder: &Path, sign: char) {
    let available = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    for name in CONTROLLERS.iter().filter(|name| format::lists(&available, name)) {
        let path = folder.join("cgroup.subtree_control");
        if let Err(error) = write(&path, &format!("{sign}{name}")) {
            tracing::warn!(path = %path.display(), %error, "the controller {name} is not handed on");
        }
    }
}

/// Whether groups below this one can be limited in memory.
pub(super) fn limits_memory(home: &Path) -> bool {
    let handed_on = fs::read_to_string(home.join("cgroup.subtree_control")).unwrap_or_default();
    format::lists(&handed_on, "memory")
}

/// Ends everything in a group and removes it with all groups below.
fn clear(folder: &Path) -> Result<(), CgroupError> {
    let kill = folder.join("cgroup.kill");
    write(&kill, "1").map_err(CgroupError::at(&kill))?;
    let deadline = Instant::now() + EMPTY_LIMIT;
    while !is_empty(folder) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    remove(folder).map_err(CgroupError::at(folder))
}

/// Whether no process is in a group or in those below. Zombies don't count.
pub(super) fn is_empty(folder: &Path) -> bool {
    let events = fs::read_to_string(folder.join("cgroup.events"));
    // A group that is gone has none either.
    events.is_ok_and(|events| format::flat(&events, "populated") == Some(0)) || !folder.exists()
}

/// Removes a group and those below it. The kernel's files go with their folder.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
