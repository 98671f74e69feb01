//! What programs print, as lines that can be shown: bounded, without control characters.

use std::collections::VecDeque;

/// Longer lines are cut; what is left of one is skipped.
const MAX_LINE_BYTES: usize = 2000;
/// What a step may show; its last lines are kept beyond that.
const MAX_SHOWN_LINES: usize = 50_000;
const MAX_SHOWN_BYTES: usize = 8 << 20;
/// The end of the output, for an error.
const TAIL_LINES: usize = 50;
/// Errors are kept, sent and shown: long lines count for more.
const MAX_TAIL_BYTES: usize = 16 << 10;

/// Splits a stream of bytes into lines. A carriage return ends a line too: progress bars are made so.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    line: Vec<u8>,
    is_cut: bool,
}

impl LineSplitter {
    /// Takes bytes and gives each line that they end.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end(&mut each);
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(byte);
            } else {
                self.is_cut = true;
            }
        }
    }

    /// Gives the last line, if it has no end.
    pub(crate) fn finish(mut self, mut each: impl FnMut(String)) {
        self.end(&mut each);
    }

    fn end(&mut self, each: &mut impl FnMut(String)) {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_cut);
        let mut text = printable(&String::from_utf8_lossy(&line));
        if text.is_empty() {
            return;
        }
        if is_cut {
            text.push_str(" […]");
        }
        each(text);
    }
}

/// Without terminal sequences (ECMA-48: CSI ends with a byte of 0x40 to 0x7e, OSC with BEL or ST) and other
/// control characters; a tab is a space.
fn printable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(letter) = chars.next() {
        match letter {
            '\u{1b}' => match chars.next() {
                Some('[') => {
                    while chars
                        .next()
                        .is_some_and(|letter| !('\u{40}'..='\u{7e}').contains(&letter))
                    {}
                }
                Some(']') => {
                    while chars
                        .next()
                        .is_some_and(|letter| !matches!(letter, '\u{7}' | '\\'))
                    {}
                }
                _ => {}
            },
            '\t' => kept.push(' '),
            letter if letter.is_control() || is_invisible(letter) => {}
            letter => kept.push(letter),
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// Characters that turn the direction of text, with which a line can be made to look like another.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Decides which lines of a step are shown, and keeps the last ones.
#[derive(Debug, Default)]
pub(crate) struct Output {
    lines: usize,
    bytes: usize,
    tail: VecDeque<String>,
}

impl Output {
    /// Takes a line; gives what is to be shown for it.
    pub(crate) fn take(&mut self, line: &str) -> Option<String> {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        let was_full = self.is_full();
        self.lines += 1;
        self.bytes += line.len();
        match (was_full, self.is_full()) {
            (true, _) => None,
            (false, true) => Some("[the rest of this step's output is not shown]".to_owned()),
            (false, false) => Some(line.to_owned()),
        }
    }

    fn is_full(&self) -> bool {
        self.lines >= MAX_SHOWN_LINES || self.bytes >= MAX_SHOWN_BYTES
    }

    /// The last lines.
    pub(crate) fn into_tail(mut self) -> Vec<String> {
        let mut bytes: usize = self.tail.iter().map(String::len).sum();
        while bytes > MAX_TAIL_BYTES
            && let Some(line) = self.tail.pop_front()
        {
            bytes -= line.len();
        }
        self.tail.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push(line));
        }
        splitter.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn lines_are_what_a_person_would_see() {
        assert_eq!(
            lines_of(&[
                b"\x1b[1;32m   Compiling\x1b[0m a v1\n 10%\r 20%\r\nb\tc\x07\n\x1b]0;title\x07d\n\xff"
            ]),
            ["   Compiling a v1", " 10%", " 20%", "b c", "d", "\u{fffd}"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let mut input = vec![b'x'; 1 << 20];
        input.extend(b"\nnext");
        let lines = lines_of(&[&input]);
        assert_eq!(lines[0], format!("{} […]", "x".repeat(MAX_LINE_BYTES)));
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn a_flood_is_shown_to_a_point_and_its_end_is_kept() {
        let mut output = Output::default();
        let shown = (0..200_000)
            .filter_map(|number| output.take(&format!("line {number}")))
            .count();
        assert_eq!(shown, MAX_SHOWN_LINES);
        let tail = output.into_tail();
        assert_eq!((tail.len(), tail[49].as_str()), (TAIL_LINES, "line 199999"));
        let mut output = Output::default();
        for _ in 0..TAIL_LINES {
            output.take(&"x".repeat(1000));
        }
        assert_eq!(output.into_tail().len(), 16);
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_makes_no_difference(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..300_usize) {
            let at = at.min(bytes.len());
            let lines = lines_of(&[&bytes[..at], &bytes[at..]]);
            prop_assert_eq!(&lines, &lines_of(&[&bytes]));
            for line in lines {
                prop_assert!(line.chars().all(|letter| !letter.is_control()), "{:?}", line);
            }
        }
    }
}
