//! How busy the processor is, and how warm.

use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Over less than this the kernel's counters, of hundredths of a second, tell little.
const SHORTEST: Duration = Duration::from_millis(200);

/// What is further back is no more "the last moments".
const LONGEST: Duration = Duration::from_secs(10);

/// The drivers of the processors' own sensors, as they name themselves.
const SENSORS: [&str; 4] = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];

/// Processor time since the system started, of all cores together, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    busy: u64,
    total: u64,
}

/// `/proc/stat` (proc_stat(5)): the first line is `cpu user nice system idle iowait irq softirq steal …`. Waiting for
/// a disk is not being busy; guests' time is in user's already.
fn parse(stat: &str) -> Option<Times> {
    let mut fields = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace();
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (user, nice, system, idle, wait) = (next()?, next()?, next()?, next()?, next()?);
    let rest = [next(), next(), next()].into_iter().flatten().sum::<u64>();
    let busy = user + nice + system + rest;
    Some(Times {
        busy,
        total: busy + idle + wait,
    })
}

/// The share of being busy between two moments, in percent.
fn percent(before: Times, now: Times) -> Option<u32> {
    let total = now.total.checked_sub(before.total).filter(|ticks| *ticks > 0)?;
    let busy = now.busy.checked_sub(before.busy)?.min(total);
    u32::try_from(busy * 100 / total).ok()
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    times: Times,
    percent: Option<u32>,
}

/// Remembers the last look, for the share since then.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<Option<Seen>>);

impl Busy {
    /// The share in percent of the last moments in which the processor was busy; `None` if nobody has looked in the last
    /// 10 s.
    pub(super) fn percent(&self) -> Option<u32> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        self.at(Instant::now(), parse(&stat)?)
    }

    fn at(&self, at: Instant, times: Times) -> Option<u32> {
        let mut seen = self.0.lock();
        let percent = match &*seen {
            Some(last) if at.duration_since(last.at) < SHORTEST => return last.percent,
            Some(last) if at.duration_since(last.at) <= LONGEST => percent(last.times, times),
            _ => None,
        };
        *seen = Some(Seen { at, times, percent });
        percent
    }
}

/// The processor's temperature in degrees Celsius by its own sensor; `None` where there is none, as in most virtual
/// machines. `folder` is `/sys/class/hwmon` (the kernel's hwmon/sysfs-interface.rst: thousandths of a degree).
pub(super) fn temperature_celsius(folder: &Path) -> Option<u32> {
    let chips = std::fs::read_dir(folder).ok()?.flatten();
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let temperatures = chips.filter_map(|chip| {
        let name = read(&chip.path().join("name"))?;
        if !SENSORS.contains(&name.trim()) {
            return None;
        }
        let millidegrees: i64 = read(&chip.path().join("temp1_input"))?.trim().parse().ok()?;
        u32::try_from(millidegrees / 1000).ok()
    });
    // Of several sockets the warmest.
    temperatures.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let stat = "cpu  100 5 45 800 50 1 2 3 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(
            parse(stat),
            Some(Times {
                busy: 156,
                total: 1006
            })
        );
        assert_eq!(parse("cpu0 1 2 3 4 5\n"), None);
        assert_eq!(parse("cpu  1 2\n"), None);
    }

    #[test]
    fn a_share_is_of_the_time_between() {
        let times = |busy, total| Times { busy, total };
        assert_eq!(percent(times(0, 0), times(50, 200)), Some(25));
        assert_eq!(
            percent(times(10, 100), times(10, 100)),
            None,
            "no time has passed"
        );
        assert_eq!(percent(times(90, 100), times(10, 200)), None, "it went back");
    }

    #[test]
    fn only_the_last_moments_count() {
        let busy = Busy::default();
        let start = Instant::now();
        let times = |busy| Times {
            busy,
            total: busy * 2,
        };
        assert_eq!(busy.at(start, times(100)), None, "since when?");
        let soon = start + Duration::from_secs(1);
        assert_eq!(busy.at(soon, times(200)), Some(50));
        let at_once = soon + Duration::from_millis(1);
        assert_eq!(busy.at(at_once, times(200)), Some(50), "still");
        let later = soon + Duration::from_secs(3600);
        assert_eq!(busy.at(later, times(900)), None, "that was an hour ago");
        assert_eq!(busy.at(later + Duration::from_secs(1), times(1000)), Some(50));
    }

    #[test]
    fn the_processors_own_sensor_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let chip = |name: &str, kind: &str, value: &str| {
            let chip = folder.path().join(name);
            std::fs::create_dir(&chip).unwrap();
            std::fs::write(chip.join("name"), format!("{kind}\n")).unwrap();
            std::fs::write(chip.join("temp1_input"), format!("{value}\n")).unwrap();
        };
        assert_eq!(temperature_celsius(folder.path()), None);
        chip("hwmon0", "nvme", "81000");
        assert_eq!(temperature_celsius(folder.path()), None);
        chip("hwmon1", "coretemp", "54500");
        chip("hwmon2", "coretemp", "47000");
        chip("hwmon3", "k10temp", "none");
        assert_eq!(temperature_celsius(folder.path()), Some(54));
    }
}
