//! Limits of control groups on memory: version 2, and version 1 where that is mounted.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// A control group with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// What all its processes together may use, in bytes.
    pub(super) limit_bytes: u64,
    /// What they use, the cache of files included, in bytes.
    used_bytes: u64,
    /// The cache of files, which the kernel gives back before it refuses, in bytes.
    cache_bytes: u64,
}

impl Group {
    /// What is left, in bytes.
    pub(super) fn free_bytes(&self) -> u64 {
        let held = self.used_bytes.saturating_sub(self.cache_bytes);
        self.limit_bytes.saturating_sub(held)
    }
}

/// How one version of control groups says it.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// Lines of `memory.stat` that together are the cache of files.
    cache: [&'static str; 2],
}

/// cgroup-v2.rst of the kernel's documentation.
const V2: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    cache: ["inactive_file", "active_file"],
};

/// cgroup-v1/memory.rst of the kernel's documentation.
const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: ["total_inactive_file", "total_active_file"],
};

/// The groups that this process is in and that have a limit, from the innermost out.
pub(super) fn of_this_process() -> Vec<Group> {
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limited(Path::new(ROOT), &membership)
}

/// `membership` is `/proc/self/cgroup` (cgroups(7)): `0::/path` for version 2, `N:memory:/path` for version 1.
fn limited(root: &Path, membership: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (top, files) = if controllers.is_empty() {
            (root.to_path_buf(), &V2)
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("memory"), &V1)
        } else {
            continue;
        };
        groups.extend(upwards(&top, path).filter_map(|folder| read(&folder, files)));
    }
    groups
}

/// The group's folder and those above it. Within a container the path may be that of the host, which is not there;
/// what is mounted at the top is then the container's own.
fn upwards(top: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let inner = top.join(path.trim_start_matches('/'));
    let top = top.to_path_buf();
    let folders: Vec<_> = inner
        .ancestors()
        .take_while(|folder| folder.starts_with(&top))
        .map(Path::to_path_buf)
        .collect();
    folders.into_iter()
}

fn read(folder: &Path, files: &Files) -> Option<Group> {
    let number = |name: &str| {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    // "max" is no number: no limit.
    let limit_bytes = number(files.limit)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let of_stat = |name: &str| -> u64 {
        let value = stat
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Some(Group {
        limit_bytes,
        used_bytes: number(files.used)?,
        cache_bytes: files
            .cache
            .iter()
            .fold(0, |sum: u64, name| sum.saturating_add(of_stat(name))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
    }

    #[test]
    fn every_group_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("kubepods/pod1");
        write(&pod, &[("memory.max", "1000\n"), ("memory.current", "700\n")]);
        write(
            &pod.join("box"),
            &[("memory.max", "max\n"), ("memory.current", "600\n")],
        );
        write(
            &root.path().join("kubepods"),
            &[
                ("memory.max", "5000\n"),
                ("memory.current", "900\n"),
                ("memory.stat", "anon 300\ninactive_file 400\nactive_file 200\n"),
            ],
        );
        let groups = limited(root.path(), "0::/kubepods/pod1/box\n");
        let limits: Vec<_> = groups
            .iter()
            .map(|group| (group.limit_bytes, group.free_bytes()))
            .collect();
        assert_eq!(
            limits,
            [(1000, 300), (5000, 4700)],
            "files in the cache are given back"
        );
    }

    #[test]
    fn a_container_sees_its_own_limit_at_the_top() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[("memory.max", "4096\n"), ("memory.current", "96\n")],
        );
        let groups = limited(root.path(), "0::/system.slice/docker-12.scope\n");
        assert_eq!(groups[0].free_bytes(), 4000);
    }

    #[test]
    fn version_1_is_read_too() {
        let root = tempfile::tempdir().unwrap();
        write(
            &root.path().join("memory/docker/12"),
            &[
                ("memory.limit_in_bytes", "1000\n"),
                ("memory.usage_in_bytes", "800\n"),
                ("memory.stat", "total_inactive_file 100\ntotal_active_file 50\n"),
            ],
        );
        let membership = "5:cpu,cpuacct:/docker/12\n4:memory:/docker/12\n0::/\n";
        assert_eq!(limited(root.path(), membership)[0].free_bytes(), 350);
    }

    #[test]
    fn what_says_nothing_limits_nothing() {
        let root = tempfile::tempdir().unwrap();
        for membership in ["", "nonsense", "0::/../..\n", "0::/not/there\n"] {
            assert_eq!(limited(root.path(), membership), [], "{membership:?}");
        }
    }
}
