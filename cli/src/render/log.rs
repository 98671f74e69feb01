//! Lines of a worker's log as people see them.

use rbee_proto::hive::v1::{LogLine, LogStream};

use super::human::{self, thousands};
use super::paint::{Paint, Tone};
use super::plain_text::one_line;

/// Turns lines into text, and notices which are missing between them.
#[derive(Debug)]
pub(crate) struct Log {
    paint: Paint,
    timestamps: bool,
    next: Option<u64>,
}

impl Log {
    /// Nothing was shown yet: with what the tail begins is no gap.
    pub(crate) fn new(paint: Paint, timestamps: bool) -> Self {
        Self {
            paint,
            timestamps,
            next: None,
        }
    }

    /// The line, and before it how many are missing, if any.
    pub(crate) fn show(&mut self, line: &LogLine) -> String {
        let missing = self.next.map_or(0, |next| line.number.saturating_sub(next));
        self.next = Some(line.number.saturating_add(1));
        let gap = match missing {
            0 => String::new(),
            1 => self.remark("… 1 line not kept"),
            many => self.remark(&format!("… {} lines not kept", thousands(many))),
        };
        format!("{gap}{}{}\n", self.time(line), self.text(line))
    }

    fn time(&self, line: &LogLine) -> String {
        let time = line.time.as_ref().filter(|_| self.timestamps);
        time.and_then(human::timestamp_millis)
            .map_or_else(String::new, |time| format!("{} ", self.paint.faint(&time)))
    }

    fn text(&self, line: &LogLine) -> String {
        let text = one_line(&line.text);
        match line.stream() {
            LogStream::Stderr => self.paint.tone(Tone::Busy, &text),
            LogStream::Hive => self.paint.tone(Tone::Strong, &format!("hive: {text}")),
            LogStream::Stdout | LogStream::Unspecified => text,
        }
    }

    fn remark(&self, text: &str) -> String {
        format!("{}\n", self.paint.faint(text))
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn line(number: u64, stream: LogStream, text: &str) -> LogLine {
        LogLine {
            number,
            time: Some(Timestamp {
                seconds: 1_795_415_822,
                nanos: 40_000_000,
            }),
            stream: stream as i32,
            text: text.into(),
        }
    }

    #[test]
    fn lines_read_like_this() {
        let mut log = Log::new(Paint::OFF, false);
        let shown: String = [
            line(1_000, LogStream::Hive, "the process 17 started"),
            line(1_001, LogStream::Stdout, "loading\x1b[2J"),
            line(2_206, LogStream::Stderr, "careful"),
            line(2_208, LogStream::Stderr, "more"),
        ]
        .iter()
        .map(|line| log.show(line))
        .collect();
        assert_eq!(
            shown,
            "hive: the process 17 started\n\
             loading\n\
             … 1,204 lines not kept\n\
             careful\n\
             … 1 line not kept\n\
             more\n"
        );
    }

    #[test]
    fn errors_are_tinted_and_times_are_shown_where_wanted() {
        let mut log = Log::new(Paint::ON, true);
        assert_eq!(
            log.show(&line(0, LogStream::Stderr, "careful")),
            "\x1b[2m2026-11-23T06:37:02.040Z\x1b[0m \x1b[33mcareful\x1b[0m\n"
        );
    }
}
