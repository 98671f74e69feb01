//! Cores, clocks and the processor time of a process.

use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

const THIS_THREAD: Pid = Pid::from_raw(0);

/// The cores of this machine, as this process may use them.
pub(crate) struct Cores {
    /// For the proxy that is measured, and nothing else of ours.
    proxy: CpuSet,
    /// For worker and client.
    others: CpuSet,
}

impl Cores {
    /// Sets the last core aside for proxies and moves this thread off it.
    pub(crate) fn set_aside() -> anyhow::Result<Self> {
        let own = sched_getaffinity(THIS_THREAD)?;
        let all: Vec<usize> = (0..CpuSet::count())
            .filter(|core| own.is_set(*core).unwrap_or(false))
            .collect();
        ensure!(all.len() >= 2, "a proxy on a core of its own takes two cores");
        let (last, others) = all.split_last().context("there is a core")?;
        let cores = Self {
            proxy: set(&[*last])?,
            others: set(others)?,
        };
        sched_setaffinity(THIS_THREAD, &cores.others)?;
        Ok(cores)
    }

    /// Starts a program that sees one core and no more.
    pub(crate) fn spawn_on_proxy_core(&self, command: &mut Command) -> anyhow::Result<Child> {
        // A process inherits from the thread that starts it.
        sched_setaffinity(THIS_THREAD, &self.proxy)?;
        let child = command.spawn();
        sched_setaffinity(THIS_THREAD, &self.others)?;
        child.with_context(|| format!("cannot start {}", command.get_program().display()))
    }
}

fn set(cores: &[usize]) -> anyhow::Result<CpuSet> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(set)
}

/// Moves this thread to the cores that it was not started on: a worker inherits the one core of its hive.
pub(crate) fn leave_inherited() -> anyhow::Result<()> {
    let inherited = sched_getaffinity(THIS_THREAD)?;
    let mut others = CpuSet::new();
    for core in 0..CpuSet::count() {
        if !inherited.is_set(core)? {
            others.set(core)?;
        }
    }
    sched_setaffinity(THIS_THREAD, &others)?;
    Ok(())
}

/// `CLOCK_MONOTONIC`: nanoseconds since some moment that is the same for all processes.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time that a process has taken with all its threads, in user and kernel mode (proc(5)).
pub(crate) fn processor_time(process_id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    // The program's name comes before and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("stat names a program")?;
    let field = |number: usize| -> anyhow::Result<u64> {
        let text = rest.split_whitespace().nth(number - 3).context("stat is short")?;
        Ok(text.parse()?)
    };
    let ticks = field(14)? + field(15)?;
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the clock ticks")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
