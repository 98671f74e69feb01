//! What running processes have used, from `/proc`; elsewhere nothing is known.

use std::fs;

use crate::domain::ProcessUsage;

/// Most processes that are looked at for one worker: one that forks without end must not cost its hive more.
const MOST: usize = 64;

/// A process and what it forked and what those forked, as far as they have not lost their parent. The process itself
/// comes first.
#[must_use]
pub fn family(process_id: u32) -> Vec<u32> {
    let mut family = vec![process_id];
    let mut next = 0;
    while let Some(id) = family.get(next).copied() {
        next += 1;
        for child in children(id) {
            if family.len() < MOST && !family.contains(&child) {
                family.push(child);
            }
        }
    }
    family
}

/// A child is listed with the thread that forked it.
fn children(process_id: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process_id}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What these processes have used together. Those that have ended meanwhile have used nothing.
#[must_use]
pub fn usage(process_ids: &[u32]) -> ProcessUsage {
    let each = process_ids.iter().filter_map(|id| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).ok();
        let stat = read("stat")?;
        Some(ProcessUsage::parse(Some(&stat), read("io").as_deref()))
    });
    each.reduce(ProcessUsage::and).unwrap_or_default()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_family_is_found_and_what_it_used() {
        let mut parent = Command::new("/bin/sh")
            .args(["-c", "sleep 600 & read line; kill $!"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while family(parent.id()).len() < 2 {
            assert!(std::time::Instant::now() < deadline, "it has no child");
            std::thread::yield_now();
        }
        let found = family(parent.id());
        assert_eq!(found[0], parent.id());
        assert!(usage(&found).cpu.is_some());
        drop(parent.stdin.take());
        parent.wait().unwrap();
        assert_eq!(usage(&[parent.id()]), ProcessUsage::default(), "it is gone");
    }
}
