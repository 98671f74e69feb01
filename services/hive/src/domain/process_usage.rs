//! What the kernel says that a process has used: `/proc/<pid>/stat` and `/proc/<pid>/io` (proc_pid_stat(5),
//! proc_pid_io(5)).

use std::time::Duration;

/// One tick of the times in `/proc/<pid>/stat`. It is a hundredth of a second on all processors that rbee is built
/// for, whatever the kernel's own clock (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Where the four times begin behind the name of the program: `utime` is field 14 and the state is field 3.
const TIMES: usize = 14 - 3;

/// What a process and its children that have ended used since it started. What can't be read is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Bytes that disks have read for it.
    pub read_bytes: Option<u64>,
    /// Bytes that disks have written for it, or will.
    pub written_bytes: Option<u64>,
}

impl ProcessUsage {
    /// Reads the two files; one that can't be opened is `None`: `io` is for the same user only.
    #[must_use]
    pub fn parse(stat: Option<&str>, io: Option<&str>) -> Self {
        let io = |name: &str| io.and_then(|text| after(text, name));
        Self {
            cpu: stat.and_then(cpu),
            read_bytes: io("read_bytes: "),
            written_bytes: io("write_bytes: "),
        }
    }

    /// Both together. What is not known of one is not known of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        Self {
            cpu: self.cpu.zip(other.cpu).map(|(one, other)| one + other),
            read_bytes: sum(self.read_bytes, other.read_bytes),
            written_bytes: sum(self.written_bytes, other.written_bytes),
        }
    }
}

/// User and system time of the process and of its children that were waited for.
fn cpu(stat: &str) -> Option<Duration> {
    // The name in parentheses may hold anything, parentheses too.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_ascii_whitespace().skip(TIMES).take(4);
    let ticks = times.map(str::parse::<u32>).collect::<Result<Vec<_>, _>>().ok()?;
    (ticks.len() == 4).then(|| ticks.into_iter().map(|ticks| TICK * ticks).sum())
}

fn after(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAT: &str = "71 (a (bad) name) S 1 71 71 0 -1 4194304 100 200 0 0 150 50 7 3 20 0 12 0 88 1 2 3";

    #[test]
    fn times_are_read_behind_any_name() {
        let usage = ProcessUsage::parse(Some(STAT), None);
        assert_eq!(usage.cpu, Some(Duration::from_millis(2100)));
        assert_eq!(usage.read_bytes, None);
        let short = "71 (name) S 1 71 71 0 -1 4194304 100 200 0 0 150 50";
        assert_eq!(ProcessUsage::parse(Some(short), None).cpu, None);
    }

    #[test]
    fn disks_are_counted_and_not_pipes() {
        let io = "rchar: 900\nwchar: 800\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 7\n";
        let usage = ProcessUsage::parse(None, Some(io));
        assert_eq!((usage.read_bytes, usage.written_bytes), (Some(4096), Some(8192)));
    }

    #[test]
    fn what_is_unknown_of_one_is_unknown_of_all() {
        let one = ProcessUsage::parse(Some(STAT), Some("read_bytes: 1\nwrite_bytes: 2\n"));
        assert_eq!(one.and(one).read_bytes, Some(2));
        assert_eq!(one.and(one).cpu, Some(Duration::from_millis(4200)));
        assert_eq!(one.and(ProcessUsage::default()), ProcessUsage::default());
    }

    #[test]
    fn this_process_is_understood() {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        let usage = ProcessUsage::parse(read("stat").as_deref(), read("io").as_deref());
        assert_eq!(usage.cpu.is_some(), cfg!(target_os = "linux"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[ -~\n]{0,200}") {
            let _ = ProcessUsage::parse(Some(&text), Some(&text));
        }
    }
}
