//! Processes and process groups on Unix.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;

use super::launcher::WorkerCommand;
use crate::domain::Exit;

/// A running process, the leader of its own group. Dropping it kills the group.
#[derive(Debug)]
pub struct WorkerProcess {
    group: Arc<Group>,
    exit: watch::Receiver<Option<Exit>>,
    // Never written again: its end tells the worker that its hive is gone.
    _stdin: ChildStdin,
}

/// A process group that may be signalled for as long as its leader is not reaped. Before that its
/// id is taken, so a signal can't reach a stranger.
#[derive(Debug)]
struct Group {
    leader: Pid,
    reaped: Mutex<bool>,
}

/// What came out of a fork.
pub(super) struct Forked {
    pub(super) process: WorkerProcess,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Starts the process. Must be called from a thread that outlives it, see
/// [`Launcher`](super::Launcher).
pub(super) fn fork(command: &WorkerCommand) -> io::Result<Forked> {
    let hive = std::process::id();
    let mut builder = Command::new(&command.program);
    builder
        .args(&command.arguments)
        .env_clear()
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&command.folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let cgroup = command.cgroup.as_ref().map(AsRawFd::as_raw_fd);
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe functions may
    // be called. It makes plain system calls and allocates nothing. The descriptor is the command's, which outlives
    // the builder.
    unsafe {
        builder.pre_exec(move || {
            cgroup.map_or(Ok(()), enter)?;
            close_inherited_descriptors();
            die_with(hive)
        });
    }
    let mut child = builder.spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = OwnedFd::from(child.stdout.take().expect("stdout is piped"));
    let stderr = OwnedFd::from(child.stderr.take().expect("stderr is piped"));

    let group = Arc::new(Group {
        leader: Pid::from_raw(child.id().cast_signed()),
        reaped: Mutex::new(false),
    });
    let (sender, exit) = watch::channel(None);
    let reaper_group = Arc::clone(&group);
    let reaper = std::thread::Builder::new()
        .name(format!("rbee-reap-{}", child.id()))
        .stack_size(64 * 1024)
        .spawn(move || sender.send_replace(Some(reap(child, &reaper_group))));
    if let Err(error) = reaper {
        // Nobody will reap it, so its id stays taken and it may be killed at any time.
        group.signal(Signal::SIGKILL);
        return Err(error);
    }

    // A token is shorter than any pipe's buffer, so this doesn't wait. If the process is gone
    // already, its exit tells more than a broken pipe does.
    let _ = writeln!(stdin, "{}", command.token.expose_secret());
    Ok(Forked {
        process: WorkerProcess {
            group,
            exit,
            _stdin: stdin,
        },
        stdout,
        stderr,
    })
}

/// Puts this process into the control group whose `cgroup.procs` this is: 0 stands for the writer.
fn enter(cgroup: RawFd) -> io::Result<()> {
    // SAFETY: a system call that reads one byte of a constant.
    let written = unsafe { nix::libc::write(cgroup, b"0".as_ptr().cast(), 1) };
    if written == 1 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has a child enter a control group and then run what isn't there. Answers what went wrong: that nothing was found
/// if it could enter.
pub(super) fn enter_and_find_nothing(cgroup: &File) -> io::Error {
    let cgroup = cgroup.as_raw_fd();
    let mut builder = Command::new("/proc/self/nothing-by-this-name");
    // SAFETY: as in `fork`: one system call, and the descriptor outlives the builder.
    unsafe {
        builder.pre_exec(move || enter(cgroup));
    }
    match builder.spawn() {
        Err(error) => error,
        Ok(mut child) => {
            let _ = child.kill();
            let _ = child.wait();
            io::ErrorKind::AlreadyExists.into()
        }
    }
}

/// Waits for the process, ends what is left of its group, and only then gives its id free.
fn reap(mut child: Child, group: &Group) -> Exit {
    wait_without_reaping(group.leader);
    let mut reaped = group.reaped.lock();
    let _ = killpg(group.leader, Signal::SIGKILL);
    let status = child.wait();
    *reaped = true;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        },
        // Only if somebody else reaped it, which nothing in this program does.
        Err(_) => Exit::Code(-1),
    }
}

/// Waits until the process is a zombie, which still holds its id.
fn wait_without_reaping(leader: Pid) {
    use nix::libc;

    let id = leader.as_raw().cast_unsigned();
    loop {
        let mut information = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the pointer is to memory of the right size that lives through the call.
        let result = unsafe {
            libc::waitid(
                libc::P_PID,
                id,
                information.as_mut_ptr(),
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Marks every descriptor but the standard streams to be closed by exec. Ours are already; what
/// the hive itself inherited may not be. On kernels before 5.11 that stays as it is.
#[cfg(target_os = "linux")]
fn close_inherited_descriptors() {
    use nix::libc;

    // SAFETY: a system call on plain numbers that changes flags of this process's descriptors only.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

#[cfg(not(target_os = "linux"))]
fn close_inherited_descriptors() {}

/// Has the kernel kill this process when its parent ends, and checks that it hasn't ended already.
#[cfg(target_os = "linux")]
fn die_with(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw().cast_unsigned() != parent {
        return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: u32) -> io::Result<()> {
    Ok(())
}

impl Group {
    fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock();
        if !*reaped {
            let _ = killpg(self.leader, signal);
        }
    }
}

impl WorkerProcess {
    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group.leader.as_raw().cast_unsigned()
    }

    /// Tells the whole group to leave.
    pub fn terminate(&self) {
        self.group.signal(Signal::SIGTERM);
    }

    /// Kills the whole group.
    pub fn kill(&self) {
        self.group.signal(Signal::SIGKILL);
    }

    /// Waits until the process has ended and is reaped, and its group is gone. Cancel safe, and
    /// answers the same every time.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.expect("that is what was waited for"),
            // The reaping thread sends before it ends; it can't do otherwise.
            Err(_) => Exit::Code(-1),
        }
    }

    /// Tells the group to leave, and kills it if its leader hasn't left within `grace`.
    pub async fn stop(&self, grace: Duration) -> Exit {
        self.terminate();
        if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
            return exit;
        }
        self.kill();
        self.wait().await
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
