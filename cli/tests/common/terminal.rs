//! A program at a terminal of its own, as a user has it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wait_until;

/// How long words may take to appear, also on a busy machine.
const APPEARS_WITHIN: Duration = Duration::from_secs(60);

/// A program and the terminal that it runs at.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    seen: usize,
    process: Child,
}

impl Terminal {
    /// Runs a command at a new terminal, which is its controlling one: Ctrl-C reaches it.
    pub fn run(command: &Command) -> Self {
        let size = nix::pty::Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = nix::pty::openpty(&size, None).expect("the system has pseudo-terminals");
        let mut at_terminal = Command::new("setsid");
        at_terminal
            .arg("--ctty")
            .arg("--wait")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => at_terminal.env(name, value),
                None => at_terminal.env_remove(name),
            };
        }
        at_terminal.env("TERM", "xterm");
        let slave = || pty.slave.try_clone().expect("descriptors can be copied");
        at_terminal.stdin(slave()).stdout(slave()).stderr(slave());
        let process = at_terminal.spawn().expect("setsid is part of util-linux");
        // The program has it now; as long as we had it too, its end would not show.
        drop(pty.slave);
        drop(at_terminal);

        let mut output = File::from(pty.master.try_clone().expect("descriptors can be copied"));
        let screen = Arc::new(Mutex::new(Vec::new()));
        let written = screen.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when the program has closed its side.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                written
                    .lock()
                    .expect("no reader panics")
                    .extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            keyboard: File::from(pty.master),
            screen,
            seen: 0,
            process,
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal is open");
    }

    /// Waits until words appear after those that were waited for before, and gives what came up
    /// to them.
    pub fn wait_for(&mut self, words: &str) -> String {
        let mut came = String::new();
        let start = self.seen;
        let mut end = None;
        wait_until(&format!("`{words}` appears"), APPEARS_WITHIN, || {
            let screen = self.screen.lock().expect("no reader panics");
            came = String::from_utf8_lossy(&screen[start..]).into_owned();
            end = screen[start..]
                .windows(words.len())
                .position(|window| window == words.as_bytes());
            end.is_some()
        });
        self.seen = start + end.expect("waited for") + words.len();
        came
    }

    /// The program itself: what runs at the terminal is `setsid`, which waits for it.
    pub fn program_id(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        let children = std::fs::read_to_string(children).expect("setsid runs");
        // Where setsid did not have to fork, it has become the program.
        let first = children.split_whitespace().next();
        first.map_or(self.process.id(), |id| {
            id.parse().expect("process ids are numbers")
        })
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program has ended", APPEARS_WITHIN, || {
            status = self.process.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("waited for")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Already gone after `wait`; then this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let screen = self
                .screen
                .lock()
                .map(|screen| String::from_utf8_lossy(&screen).into_owned());
            eprintln!("--- the terminal ---\n{}", screen.unwrap_or_default());
        }
    }
}
