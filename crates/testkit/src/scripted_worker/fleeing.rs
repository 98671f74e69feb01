//! Processes that a worker forks.

use std::process::{Command, ExitCode};
use std::time::Duration;

/// Makes the program a forked process that stays in the worker's group.
pub(super) const STAYS: &str = "--forked";

/// Makes the program a forked process that leaves the worker's group and session.
pub(super) const FLEES: &str = "--fled";

/// How long a forked process lives if nobody ends it: less than a test may be missing it for, in minutes.
const LIFE: Duration = Duration::from_secs(600);

/// Forks one. It holds the worker's standard streams open.
pub(super) fn fork(kind: &str) {
    let program = std::env::current_exe().expect("this program has a file");
    match Command::new(program).arg(kind).spawn() {
        Ok(child) => println!("forked process {}", child.id()),
        Err(error) => eprintln!("cannot fork: {error}"),
    }
}

/// If this process is a forked one: what it does.
pub(super) fn run() -> Option<ExitCode> {
    let kind = std::env::args().nth(1)?;
    if kind == FLEES {
        // It leads no group yet, so that this works.
        nix::unistd::setsid().expect("a child becomes the leader of a session");
    } else if kind != STAYS {
        return None;
    }
    std::thread::sleep(LIFE);
    Some(ExitCode::SUCCESS)
}
