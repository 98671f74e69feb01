//! Numbers about this process itself, under the names that Prometheus's own libraries use.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Collect, Kind, Metric, Page};

const BUILD: Metric = Metric {
    name: "rbee_build_info",
    kind: Kind::Gauge,
    labels: &["program", "version"],
    help: "1; its labels say which program this is.",
};

const START: Metric = Metric {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the program started, in seconds since 1970.",
};

const CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Processor time that the program itself has used, without its workers (Linux).",
};

const RESIDENT: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Memory of the program itself, without its workers (Linux).",
};

const DESCRIPTORS: Metric = Metric {
    name: "process_open_fds",
    kind: Kind::Gauge,
    labels: &[],
    help: "File descriptors that the program has open (Linux).",
};

/// What every program tells of itself.
pub const METRICS: &[&Metric] = &[&BUILD, &START, &CPU, &RESIDENT, &DESCRIPTORS];

/// One tick of `/proc/self/stat`: a hundredth of a second on all processors that rbee is built for (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// This process.
#[derive(Debug)]
pub struct Process {
    program: &'static str,
    version: &'static str,
    started: SystemTime,
}

impl Process {
    /// This process, which is a program of a version and has just started.
    #[must_use]
    pub fn new(program: &'static str, version: &'static str) -> Self {
        Self {
            program,
            version,
            started: SystemTime::now(),
        }
    }
}

#[tonic::async_trait]
impl Collect for Process {
    async fn collect(&self, page: &mut Page) {
        page.family(&BUILD, [([self.program, self.version], 1.0)]);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.single(&START, started.as_secs_f64());
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let mut single =
            |metric, value: Option<f64>| value.into_iter().for_each(|value| page.single(metric, value));
        single(&CPU, cpu_seconds(&read("stat")));
        single(&RESIDENT, resident_bytes(&read("status")));
        let open = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        // Reading the folder takes one itself.
        single(&DESCRIPTORS, open.map(|count| count.saturating_sub(1) as f64));
    }
}

/// `utime` and `stime` of proc_pid_stat(5), fields 14 and 15; the state behind the name in parentheses is field 3.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(14 - 3);
    let mut next = || times.next()?.parse::<u32>().ok();
    Some((TICK * next()? + TICK * next()?).as_secs_f64())
}

/// `VmRSS` of proc_pid_status(5); its "kB" are of 1024 bytes.
fn resident_bytes(status: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some((kibibytes * 1024) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_lists_just_these() {
        let page = include_str!("../../../../docs/metrics.md");
        let ours: Vec<_> = METRICS.iter().map(|metric| metric.row()).collect();
        assert_eq!(Metric::rows_below("Of the program", page), ours);
    }

    #[test]
    fn the_kernels_numbers_are_read() {
        let stat = "71 (a) name) S 1 71 71 0 -1 4194304 100 200 0 0 150 50 7 3 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("71 (name) S 1"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  12 kB\n"), Some(12_288.0));
        assert_eq!(resident_bytes(""), None);
    }
}
