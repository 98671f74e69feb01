//! Worker processes: one way to start them, one way to end them, on every system.
//!
//! A [`Launcher`] starts a process from a [`WorkerCommand`] and hands out a [`WorkerProcess`] and
//! what it writes. The promises:
//!
//! - The process leads a group of its own, and its end is the end of the whole group: what it
//!   forked is killed with it, and when a [`WorkerProcess`] is dropped its group is killed too.
//! - Where the host lets it, the process is in a control group of its own ([`Cgroups`]), and the end of that group is
//!   the end of what left the process group, too.
//! - It is always reaped, and never signalled after that: its id can't be somebody else's.
//! - It inherits no descriptor but its standard streams, and of the environment only
//!   [what is allowed](environment).
//! - When the hive ends, even by `kill -9`, the process ends: on Linux the kernel kills it, and
//!   everywhere its standard input ends, which tells a worker to leave.

mod cgroup;
pub mod environment;
mod launcher;
mod leftovers;
mod output;
mod unix;
pub mod usage;

pub use cgroup::{CgroupError, CgroupSetting, CgroupSettingError, Cgroups, WorkerCgroup};
pub use launcher::{LaunchError, Launched, Launcher, WorkerCommand};
pub use leftovers::{kill_leftovers, kill_leftovers_of};
pub use output::{Output, capture};
pub use unix::WorkerProcess;
