//! The files of one log, being read.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::segments::segment_path;
use crate::domain::LogLine;

/// Bytes that are read at once: several of the longest lines, which have some 12 KiB where they are not text.
const BLOCK_BYTES: usize = 64 << 10;

/// A place in the files of a log. Files that are removed meanwhile are read to their end.
#[derive(Debug, Default)]
pub(super) struct SegmentReader {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    file: File,
    offset: u64,
}

impl SegmentReader {
    /// Reads at most `limit` of the lines with numbers in `range`, oldest first, from segments that begin with the
    /// lines `firsts`. Files and lines that can't be read are passed over. Each call must begin where the one before
    /// ended, or later.
    pub(super) fn read(
        &mut self,
        folder: &Path,
        firsts: &[u64],
        range: Range<u64>,
        limit: usize,
    ) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let begin = firsts.partition_point(|first| *first <= range.start);
        for first in &firsts[begin.saturating_sub(1)..] {
            if *first >= range.end || lines.len() >= limit {
                break;
            }
            let read = self
                .at(folder, *first)
                .and_then(|open| open.read(&range, limit, &mut lines));
            if let Err(error) = read {
                tracing::debug!(folder = %folder.display(), first, %error, "a part of a log can't be read");
            }
        }
        lines
    }

    fn at(&mut self, folder: &Path, first: u64) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) if open.first == first => open,
            _ => Open {
                first,
                file: File::open(segment_path(folder, first))?,
                offset: 0,
            },
        };
        Ok(self.open.insert(open))
    }
}

impl Open {
    /// Reads on until the range or the file ends or there are enough lines.
    fn read(&mut self, range: &Range<u64>, limit: usize, lines: &mut Vec<LogLine>) -> io::Result<()> {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = read_block(&self.file, &mut block, self.offset)?;
            let mut rest = &block[..count];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = &rest[..end];
                match LogLine::decode_number(line) {
                    Some(number) if number >= range.end => return Ok(()),
                    Some(number) if number >= range.start => {
                        if lines.len() >= limit {
                            return Ok(());
                        }
                        lines.extend(LogLine::decode(line));
                    }
                    _ => {}
                }
                rest = &rest[end + 1..];
                self.offset += end as u64 + 1;
            }
            if rest.len() == block.len() {
                // No line is that long: damage. It is passed over.
                self.offset += rest.len() as u64;
            } else if count < block.len() {
                // The file's end, perhaps within a line that is being written.
                return Ok(());
            }
        }
    }
}

/// Fills the block, unless the file ends.
fn read_block(file: &File, block: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read_at(&mut block[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The number of the line at which the last `count` lines before `end` begin. Looks at one segment after the other,
/// newest first. `end` if there are none.
pub(super) fn start_of_tail(folder: &Path, firsts: &[u64], end: u64, count: usize) -> u64 {
    let mut missing = count;
    let mut start = end;
    for first in firsts.iter().rev() {
        if missing == 0 {
            break;
        }
        let Ok(content) = std::fs::read(segment_path(folder, *first)) else {
            continue;
        };
        let numbers: Vec<u64> = content
            .split(|byte| *byte == b'\n')
            .filter_map(LogLine::decode_number)
            .filter(|number| *number < end)
            .collect();
        let taken = numbers.len().min(missing);
        missing -= taken;
        if let Some(number) = numbers.get(numbers.len() - taken) {
            start = *number;
        }
    }
    start
}
