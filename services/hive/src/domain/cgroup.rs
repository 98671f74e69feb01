//! What the kernel says of control groups, version 2, and of where they are mounted.
//!
//! The formats are those of cgroup-v2.rst in the kernel's documentation, cgroups(7) and proc_pid_mountinfo(5). What
//! can't be read says nothing; it is never an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where control groups of version 2 are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The group that is seen at the top of the mount.
    root: String,
    /// The folder of the mount.
    point: PathBuf,
}

/// Finds the mount in `/proc/self/mountinfo`.
#[must_use]
pub fn mount(mountinfo: &str) -> Option<Mount> {
    mountinfo.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = place.split(' ').skip(3);
        Some(Mount {
            root: unescape(fields.next()?),
            point: PathBuf::from(unescape(fields.next()?)),
        })
    })
}

/// Blanks and backslashes in paths are written as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| {
            text.replace(escaped, plain)
        })
}

/// The group of version 2 that a process is in, by its `/proc/<pid>/cgroup`.
#[must_use]
pub fn own_group(membership: &str) -> Option<&str> {
    membership.lines().find_map(|line| line.strip_prefix("0::"))
}

impl Mount {
    /// The folder of the mount.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.point
    }

    /// The folder of a group; `None` if the group is outside of what is mounted.
    #[must_use]
    pub fn folder(&self, group: &str) -> Option<PathBuf> {
        let inner = Path::new(group).strip_prefix(&self.root).ok()?;
        let climbs = inner
            .components()
            .any(|part| part == std::path::Component::ParentDir);
        (!climbs).then(|| self.point.join(inner))
    }
}

/// The number after a name in a file of lines `NAME NUMBER`.
#[must_use]
pub fn flat(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// Whether a file that lists names, such as `cgroup.controllers`, has one.
#[must_use]
pub fn lists(text: &str, name: &str) -> bool {
    text.split_ascii_whitespace().any(|listed| listed == name)
}

/// The process ids in `cgroup.procs`. One of a process outside of our view of processes reads as 0.
#[must_use]
pub fn processes(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// What the processes of a group have used since it was made. What the kernel does not count there is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupUsage {
    /// Processor time, of processes that have ended too.
    pub cpu: Option<Duration>,
    /// Memory now, in bytes, the files in the system's cache that they were first to read included.
    pub memory_bytes: Option<u64>,
    /// Bytes that disks have read for them.
    pub read_bytes: Option<u64>,
    /// Bytes that disks have written for them.
    pub written_bytes: Option<u64>,
}

impl GroupUsage {
    /// Reads `cpu.stat`, `memory.current` and `io.stat`; a file that isn't there is `None`.
    #[must_use]
    pub fn parse(cpu: Option<&str>, memory: Option<&str>, io: Option<&str>) -> Self {
        Self {
            cpu: cpu
                .and_then(|text| flat(text, "usage_usec"))
                .map(Duration::from_micros),
            memory_bytes: memory.and_then(|text| text.trim().parse().ok()),
            read_bytes: io.map(|text| sum(text, "rbytes=")),
            written_bytes: io.map(|text| sum(text, "wbytes=")),
        }
    }
}

/// The sum of one field over all disks: `8:0 rbytes=1459200 wbytes=314773504 rios=192 …`.
fn sum(text: &str, name: &str) -> u64 {
    text.split_ascii_whitespace()
        .filter_map(|field| field.strip_prefix(name)?.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HYBRID: &str = "\
31 23 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
40 31 0:36 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 none rw
41 31 0:37 / /sys/fs/cgroup/memory rw,relatime - cgroup none rw,memory
";

    #[test]
    fn the_mount_is_found_and_groups_in_it() {
        let mount = mount(HYBRID).unwrap();
        let folder = |group| mount.folder(group).map(|folder| folder.display().to_string());
        assert_eq!(folder("/").unwrap(), "/sys/fs/cgroup/unified/");
        assert_eq!(folder("/a/b.scope").unwrap(), "/sys/fs/cgroup/unified/a/b.scope");
        assert_eq!(folder("/../other"), None, "outside of this namespace");
        assert_eq!(super::mount("31 23 0:27 / /x rw - tmpfs tmpfs rw"), None);
    }

    #[test]
    fn a_mount_of_a_part_has_that_part_only() {
        let line = "40 31 0:36 /docker/12 /mnt/with\\040blank rw - cgroup2 cgroup rw";
        let mount = mount(line).unwrap();
        assert_eq!(
            mount.folder("/docker/12/x"),
            Some(PathBuf::from("/mnt/with blank/x"))
        );
        assert_eq!(mount.folder("/docker/13"), None);
    }

    #[test]
    fn the_own_group_is_the_line_without_controllers() {
        assert_eq!(
            own_group("4:memory:/a\n0::/user.slice/x\n"),
            Some("/user.slice/x")
        );
        assert_eq!(own_group("4:memory:/a\n"), None);
    }

    #[test]
    fn numbers_are_read_by_their_whole_name() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(flat(events, "oom_kill"), Some(2));
        assert_eq!(flat(events, "oom"), Some(3));
        assert_eq!(flat(events, "kill"), None);
        assert!(lists("cpuset cpu io memory\n", "memory"));
        assert!(!lists("cpuset cpu io\n", "memory"));
        assert_eq!(processes("12\n0\n7\n"), [12, 0, 7]);
    }

    #[test]
    fn usage_is_summed_over_disks() {
        let cpu = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n";
        let io = "8:0 rbytes=1000 wbytes=20 rios=1 wios=1\n259:1 rbytes=500 wbytes=1 rios=1 wios=1\n";
        assert_eq!(
            GroupUsage::parse(Some(cpu), Some("4096\n"), Some(io)),
            GroupUsage {
                cpu: Some(Duration::from_millis(1500)),
                memory_bytes: Some(4096),
                read_bytes: Some(1500),
                written_bytes: Some(21),
            }
        );
        assert_eq!(GroupUsage::parse(None, None, None), GroupUsage::default());
        let idle = GroupUsage::parse(None, None, Some(""));
        assert_eq!(idle.read_bytes, Some(0), "no disk was touched yet");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[ -~\n]{0,200}", name in "[a-z_]{0,8}") {
            let _ = mount(&text).and_then(|mount| mount.folder(&text));
            let _ = own_group(&text);
            let _ = flat(&text, &name);
            let _ = processes(&text);
            let _ = GroupUsage::parse(Some(&text), Some(&text), Some(&text));
        }
    }
}
