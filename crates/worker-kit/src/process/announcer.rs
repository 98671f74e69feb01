//! Stdout: one line of JSON for each thing that the hive waits for while the worker starts.
//!
//! ```text
//! rbee-worker: {"event":"loading","fraction":0.4}
//! rbee-worker: {"event":"ready"}
//! rbee-worker: {"event":"failed","reason":"MODEL_CORRUPT","message":"…"}
//! ```
//!
//! Every other line on stdout or stderr is log.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

/// What a status line begins with.
pub const PREFIX: &str = "rbee-worker: ";
/// Most characters of a message. Hives read lines of at most 4096 bytes.
const MESSAGE_CHARACTERS: usize = 900;
/// Time between two lines about loading, at least.
const LOADING_INTERVAL: Duration = Duration::from_millis(100);

/// What a status line says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Status<'a> {
    /// Loading has come this far, 0 to 1.
    Loading { fraction: f64 },
    /// The model is loaded and requests are answered.
    Ready,
    /// The worker can't serve the model, and leaves.
    Failed { reason: &'a str, message: &'a str },
}

/// Writes the status lines.
pub struct Announcer {
    state: Mutex<State>,
}

struct State {
    output: Box<dyn Write + Send>,
    throttle: Throttle,
}

impl Announcer {
    /// Writes to `output`, which is stdout but for tests.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                output: Box::new(output),
                throttle: Throttle::default(),
            }),
        }
    }

    /// Tells how far loading has come, 0 to 1. At most ten lines a second are written, and none
    /// that goes backwards.
    pub fn loading(&self, fraction: f64) {
        let mut state = self.state.lock();
        if state.throttle.lets_through(fraction, Instant::now()) {
            // A thousandth is as fine as anybody can see.
            let fraction = (fraction * 1000.0).round() / 1000.0;
            state.write(&Status::Loading { fraction });
        }
    }

    /// Tells that requests are answered.
    pub fn ready(&self) {
        self.state.lock().write(&Status::Ready);
    }

    /// Tells why the worker leaves without ever having served.
    pub fn failed(&self, reason: &str, message: &str) {
        // Control characters would each take six bytes in JSON.
        let message: String = message
            .chars()
            .take(MESSAGE_CHARACTERS)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        self.state.lock().write(&Status::Failed {
            reason,
            message: &message,
        });
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Announcer").finish_non_exhaustive()
    }
}

impl State {
    fn write(&mut self, status: &Status<'_>) {
        let json = serde_json::to_string(status).expect("numbers and strings are JSON");
        let line = format!("{PREFIX}{json}\n");
        // Nobody may be there to read, as when the worker is run by hand; it serves all the same.
        let _ = self
            .output
            .write_all(line.as_bytes())
            .and_then(|()| self.output.flush());
    }
}

/// Decides which lines about loading are written.
#[derive(Debug, Default)]
struct Throttle {
    last: Option<(Instant, f64)>,
}

impl Throttle {
    fn lets_through(&mut self, fraction: f64, now: Instant) -> bool {
        // Written so that a NaN is not let through either.
        let passes = (0.0..=1.0).contains(&fraction)
            && self
                .last
                .is_none_or(|(at, before)| fraction > before && now >= at + LOADING_INTERVAL);
        if passes {
            self.last = Some((now, fraction));
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_status_is_one_line_of_json_behind_the_prefix() {
        let written = Written::default();
        let announcer = Announcer::new(written.clone());
        announcer.loading(0.123_456);
        announcer.ready();
        announcer.failed("MODEL_CORRUPT", "two\nlines and \"quotes\"");
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                r#"rbee-worker: {"event":"loading","fraction":0.123}"#,
                r#"rbee-worker: {"event":"ready"}"#,
                r#"rbee-worker: {"event":"failed","reason":"MODEL_CORRUPT","message":"two lines and \"quotes\""}"#,
            ]
        );
    }

    #[test]
    fn a_line_is_never_longer_than_hives_read() {
        for message in ["\"".repeat(5000), "\u{1f41d}".repeat(5000), "\0".repeat(5000)] {
            let written = Written::default();
            Announcer::new(written.clone()).failed("MODEL_CORRUPT", &message);
            assert!(written.0.lock().len() < 4096);
        }
    }

    #[test]
    fn a_reader_that_left_does_not_matter() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        Announcer::new(Gone).ready();
    }

    #[test]
    fn loading_is_told_ten_times_a_second_and_only_forward() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert!(throttle.lets_through(0.0, start));
        assert!(!throttle.lets_through(0.1, after(99)));
        assert!(throttle.lets_through(0.1, after(100)));
        assert!(!throttle.lets_through(0.1, after(300)), "no news");
        assert!(!throttle.lets_through(0.05, after(300)), "backwards");
        assert!(!throttle.lets_through(f64::NAN, after(300)));
        assert!(!throttle.lets_through(1.5, after(300)));
        assert!(throttle.lets_through(1.0, after(300)));
    }
}
