//! One line of a worker's log, and how it is written to disk.
//!
//! ```text
//! 4711 2026-11-23T13:01:12.123456789Z out the model is loaded
//! ```
//!
//! One line of text for each line of the log, so that the files can be read without the hive: number, time,
//! where it was written, text. The text holds no line end.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// The worker's standard output.
    Stdout,
    /// The worker's standard error.
    Stderr,
    /// Not the worker but its hive wrote it.
    Hive,
}

impl LogStream {
    /// Its name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "out",
            Self::Stderr => "err",
            Self::Hive => "hive",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::Hive]
            .into_iter()
            .find(|stream| stream.name() == name)
    }
}

impl fmt::Display for LogStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One line of a worker's log. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Number since the worker was spawned, from 0.
    pub number: u64,
    /// When the hive read it.
    pub time: Timestamp,
    /// Where it was written.
    pub stream: LogStream,
    /// The line without its end.
    pub text: Arc<str>,
}

impl LogLine {
    /// Appends the line in the form that it has on disk, with a line end.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = writeln!(
            buffer,
            "{} {} {} {}",
            self.number, self.time, self.stream, self.text
        );
    }

    /// Reads a line as it is on disk, without its end. `None` for what is none: a machine that lost power
    /// leaves anything in the last blocks of a file.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(4, ' ');
        Some(Self {
            number: parts.next()?.parse().ok()?,
            time: parts.next()?.parse().ok()?,
            stream: LogStream::from_name(parts.next()?)?,
            text: parts.next()?.into(),
        })
    }

    /// The number of a line as it is on disk, without reading the rest.
    #[must_use]
    pub fn decode_number(bytes: &[u8]) -> Option<u64> {
        let end = bytes.iter().position(|byte| *byte == b' ')?;
        std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_on_disk_is_text_for_a_person() {
        let line = LogLine {
            number: 7,
            time: "2026-11-23T13:01:12.5Z".parse().unwrap(),
            stream: LogStream::Stderr,
            text: "loading  qwen ".into(),
        };
        let mut bytes = Vec::new();
        line.encode(&mut bytes);
        assert_eq!(bytes, b"7 2026-11-23T13:01:12.5Z err loading  qwen \n");
        assert_eq!(LogLine::decode(&bytes[..bytes.len() - 1]), Some(line));
    }

    #[test]
    fn what_is_no_line_is_none() {
        for bytes in [
            b"".as_slice(),
            b"7",
            b"7 2026-11-23T13:01:12Z out",
            b"x 2026-11-23T13:01:12Z out text",
            b"7 yesterday out text",
            b"7 2026-11-23T13:01:12Z nowhere text",
            b"7 2026-11-23T13:01:12Z out \xff",
            b"\0\0\0\0",
        ] {
            assert_eq!(LogLine::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, nanoseconds in 0..4_000_000_000_000_000_000_i64, text in "[^\n]*") {
            let line = LogLine {
                number,
                time: Timestamp::from_nanosecond(nanoseconds.into()).unwrap(),
                stream: LogStream::Stdout,
                text: text.as_str().into(),
            };
            let mut bytes = Vec::new();
            line.encode(&mut bytes);
            prop_assert_eq!(bytes.pop(), Some(b'\n'));
            prop_assert_eq!(LogLine::decode_number(&bytes), Some(number));
            prop_assert_eq!(LogLine::decode(&bytes), Some(line));
        }
    }
}
