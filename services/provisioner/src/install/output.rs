//! What a build prints, on its way to those who follow it.

use std::sync::Arc;

use tokio::sync::broadcast;

/// Lines that wait for a reader. One that is slower misses the oldest.
const WAITING: usize = 2048;
/// Lines that go out together: a build prints many at once.
const TOGETHER: usize = 256;

/// The lines of one job, as they come. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BuildOutput {
    lines: broadcast::Sender<Arc<str>>,
}

impl Default for BuildOutput {
    fn default() -> Self {
        Self {
            lines: broadcast::channel(WAITING).0,
        }
    }
}

impl BuildOutput {
    /// Gives a line to all who follow.
    pub(crate) fn say(&self, line: &str) {
        // An error says that nobody does.
        let _ = self.lines.send(line.into());
    }

    /// The lines from now on.
    pub(crate) fn follow(&self) -> BuildLines {
        BuildLines {
            lines: self.lines.subscribe(),
        }
    }
}

/// Lines as one reader gets them.
#[derive(Debug)]
pub(crate) struct BuildLines {
    lines: broadcast::Receiver<Arc<str>>,
}

impl BuildLines {
    /// The lines since the last call, at least one; none at all once there will be no more. Cancel safe.
    pub(crate) async fn next(&mut self) -> Vec<String> {
        use broadcast::error::RecvError;

        let mut taken = Vec::new();
        match self.lines.recv().await {
            Ok(line) => taken.push(line.to_string()),
            Err(RecvError::Lagged(missed)) => taken.push(missed_lines(missed)),
            Err(RecvError::Closed) => return taken,
        }
        self.take_waiting(&mut taken);
        taken
    }

    /// The lines that are there already.
    pub(crate) fn waiting(&mut self) -> Vec<String> {
        let mut taken = Vec::new();
        self.take_waiting(&mut taken);
        taken
    }

    fn take_waiting(&mut self, taken: &mut Vec<String>) {
        use broadcast::error::TryRecvError;

        while taken.len() < TOGETHER {
            match self.lines.try_recv() {
                Ok(line) => taken.push(line.to_string()),
                Err(TryRecvError::Lagged(missed)) => taken.push(missed_lines(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }
}

fn missed_lines(missed: u64) -> String {
    format!("[{missed} lines came too fast to be shown]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_together_and_a_slow_reader_learns_what_it_missed() {
        let output = BuildOutput::default();
        let mut lines = output.follow();
        output.say("a");
        output.say("b");
        assert_eq!(lines.next().await, ["a", "b"]);
        assert!(lines.waiting().is_empty());
        for number in 0..WAITING + 10 {
            output.say(&number.to_string());
        }
        let first = lines.next().await;
        assert_eq!(first[0], "[10 lines came too fast to be shown]");
        assert_eq!((first[1].as_str(), first.len()), ("10", TOGETHER));
        drop(output);
        while !lines.next().await.is_empty() {}
    }
}
