//! Lines of bounded length out of whatever a process writes.

/// Cuts a stream of bytes into lines. A line longer than the limit is cut short and marked, so
/// that a process that never ends its line costs no more memory than one that does.
#[derive(Debug)]
pub struct LineSplitter {
    limit_bytes: usize,
    line: Vec<u8>,
    cut: bool,
}

/// What stands for the part of a line that was cut off.
const CUT_MARK: &str = " […]";

impl LineSplitter {
    /// A splitter for lines of at most `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            line: Vec::new(),
            cut: false,
        }
    }

    /// Takes in what was written and hands out every line that is complete, without its end.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.append(&bytes[..end]);
            bytes = &bytes[end + 1..];
            each(self.take());
        }
        self.append(bytes);
    }

    /// Hands out what was written after the last line's end, if anything was.
    pub fn finish(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = self.limit_bytes - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        let mut text = String::from_utf8_lossy(&self.line).into_owned();
        // What stands for a byte that is no text is longer than it.
        self.cut |= text.len() > self.limit_bytes;
        text.truncate(text.floor_char_boundary(self.limit_bytes));
        if self.cut {
            text.push_str(CUT_MARK);
        }
        self.line.clear();
        self.cut = false;
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(limit: usize, pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line));
        }
        lines.extend(splitter.finish());
        lines
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        assert_eq!(
            split(80, &[b"on", b"e\r\ntw", b"o\n\nthree"]),
            ["one", "two", "", "three"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        assert_eq!(split(4, &[b"123", b"456\nab\n"]), ["1234 […]", "ab"]);
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(split(80, &[b"a\xffb\n"]), ["a\u{fffd}b"]);
        assert_eq!(
            split(7, &[b"\xff\xff\xff\n"]),
            ["\u{fffd}\u{fffd} […]"],
            "and does not grow"
        );
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(bytes: Vec<u8>, cuts in proptest::collection::vec(0..64usize, 0..8)) {
            let mut pieces = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(split(16, &pieces), split(16, &[&bytes]));
        }
    }
}
