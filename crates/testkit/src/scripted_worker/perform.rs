//! Doing what was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use tokio::runtime::Handle;

use super::{Act, fleeing};

/// How often the worker looks whether it was told to do something.
const LOOK: Duration = Duration::from_millis(10);

/// Threads of the worker's runtime.
pub(super) const THREADS: usize = 2;

/// What the worker is up to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    stalled: Arc<AtomicBool>,
}

impl Behaviour {
    /// Whether it answers no requests any more.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::SeqCst)
    }

    /// Never returns for a worker that answers no requests any more.
    pub(super) async fn unless_stalled(&self) {
        if self.is_stalled() {
            std::future::pending::<()>().await;
        }
    }

    /// Does these one after the other. What does not end the process and does not wait goes on when this has
    /// returned. Must be called within the runtime.
    pub(super) async fn perform(&self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Wait(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                }
                act => self.perform_now(act, &Handle::current()),
            }
        }
    }

    /// Looks for acts that are put into the working folder, for as long as the process lives. On a thread of
    /// its own, so that a worker that hangs can still be told to exit.
    pub(super) fn listen(&self, runtime: Handle) {
        let behaviour = self.clone();
        std::thread::spawn(move || {
            loop {
                for act in Act::take() {
                    behaviour.perform_now(act, &runtime);
                }
                std::thread::sleep(LOOK);
            }
        });
    }

    fn perform_now(&self, act: Act, runtime: &Handle) {
        match act {
            Act::Wait(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Act::Say(text) => eprintln!("{text}"),
            Act::Fail(reason) => {
                report(
                    &serde_json::json!({"event": "failed", "reason": reason, "message": "as the script says"}),
                );
                std::process::exit(2);
            }
            Act::Exit(code) => std::process::exit(code),
            Act::Signal(number) => die_by(number),
            Act::Hang => {
                // Who hangs does not begin an answer in the moment that is left.
                self.stalled.store(true, Ordering::SeqCst);
                hang(runtime);
            }
            Act::Stall => self.stalled.store(true, Ordering::SeqCst),
            Act::Fork => fleeing::fork(fleeing::STAYS),
            Act::Flee => fleeing::fork(fleeing::FLEES),
            // On threads of their own: a pipe that nobody reads stops the thread that writes to it.
            Act::Flood(lines) => drop(std::thread::spawn(move || flood(lines.unwrap_or(u64::MAX)))),
            Act::Leak {
                mib_per_second,
                up_to_mib,
            } => drop(std::thread::spawn(move || leak(mib_per_second, up_to_mib))),
        }
    }
}

/// A line for the hive.
pub(super) fn report(json: &serde_json::Value) {
    println!("rbee-worker: {json}");
}

pub(super) fn flood(lines: u64) {
    let tail = "~".repeat(60);
    for line in 0..lines {
        println!("line {line} of a flood {tail}");
    }
}

fn die_by(number: i32) {
    let signal = Signal::try_from(number).unwrap_or(Signal::SIGKILL);
    // Where the runtime handles it (SIGSEGV, SIGBUS), the first takes its handler away.
    for _ in 0..2 {
        let _ = raise(signal);
    }
    eprintln!("signal {number} does not end this process");
    std::process::exit(64);
}

/// Nothing is polled any more.
fn hang(runtime: &Handle) {
    // More than there are threads: one may wait in a place from where no other thread takes it.
    for _ in 0..4 * THREADS {
        runtime.spawn(async {
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        });
    }
}

fn leak(mib_per_second: u32, up_to_mib: u32) {
    let pause = Duration::from_secs(1) / mib_per_second.max(1);
    for _ in 0..up_to_mib {
        // Ones, since the system gives pages of zeros without having them.
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
        std::thread::sleep(pause);
    }
}
