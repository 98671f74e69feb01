//! Ctrl-C and SIGTERM: noticed, so that what was started is also cleaned up.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Every signal by which a user or a system asks a program to stop.
pub(crate) const ALL: &[i32] = &[SIGINT, SIGTERM, SIGHUP];
/// Ctrl-C alone: the terminal sends it to the children too.
pub(crate) const CTRL_C: &[i32] = &[SIGINT];

/// How often a waiting loop looks again.
pub(crate) const POLL: Duration = Duration::from_millis(25);

/// The error of everything that stops because the user said so.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Whether the user asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen: from here on these signals no longer end the process by themselves.
    pub(crate) fn listen(signals: &[i32]) -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in signals {
            signal_hook::flag::register(*signal, Arc::clone(&asked)).context("cannot listen for signals")?;
        }
        Ok(Self(asked))
    }

    /// An error once the user asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            Err(Interrupted.into())
        } else {
            Ok(())
        }
    }

    /// Waits for a child to end. When the user asks to stop, the child is asked too, and then made to.
    pub(crate) fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
                // A child that ended because of the same Ctrl-C is an interruption, not a failure.
                self.check()?;
                return Ok(status);
            }
            if let Err(interrupted) = self.check() {
                stop(child, Duration::from_secs(5))?;
                return Err(interrupted);
            }
            thread::sleep(POLL);
        }
    }
}

/// Ends a child: SIGTERM, then SIGKILL when it has not left within `grace`. `None` says that it had to be killed.
pub(crate) fn stop(child: &mut Child, grace: Duration) -> Result<Option<ExitStatus>> {
    if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
        return Ok(Some(status));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id that does not fit")?);
    kill(pid, Signal::SIGTERM).context("cannot signal a child process")?;
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(Some(status));
        }
        thread::sleep(POLL);
    }
    child.kill().context("cannot kill a child process")?;
    child.wait().context("cannot wait for a child process")?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_polite_child_is_asked() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let status = stop(&mut child, Duration::from_secs(20))
            .unwrap()
            .expect("it leaves at SIGTERM");
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    }

    #[test]
    fn a_deaf_child_is_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut said = [0; 4];
        let mut stdout = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut said).unwrap();
        assert_eq!(stop(&mut child, Duration::from_millis(200)).unwrap(), None);
    }
}
