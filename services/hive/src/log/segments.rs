//! The files of one log, being written.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::LogLine;

/// A log is kept in at least this many files; the oldest goes as a whole.
const SEGMENTS: u64 = 8;

/// Smallest segment in bytes, whatever is configured: a few of the longest lines.
const MIN_SEGMENT_BYTES: u64 = 64 << 10;

/// Largest segment in bytes: one of them is in memory while the end of a log is looked for.
const MAX_SEGMENT_BYTES: u64 = 4 << 20;

/// The files of one log. One task writes them.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    limit_bytes: u64,
    segment_bytes: u64,
    segments: Vec<Segment>,
    // The last of the segments, open. None before the first write, and after one that failed badly.
    current: Option<File>,
    removed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    first: u64,
    bytes: u64,
}

/// Where the segment that begins with a line lies.
pub(super) fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.log"))
}

fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

impl Segments {
    /// The files that are in a folder, or will be. Answers the number of the next line, too.
    ///
    /// # Errors
    /// If what is there can't be read.
    pub(super) fn recover(folder: &Path, limit_bytes: u64) -> io::Result<(Self, u64)> {
        let mut this = Self::empty(folder, limit_bytes);
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((this, 0)),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if let Some(first) = entry.file_name().to_str().and_then(segment_first) {
                let bytes = entry.metadata()?.len();
                this.segments.push(Segment { first, bytes });
            }
        }
        this.segments.sort_by_key(|segment| segment.first);
        let next = this.recover_newest()?;
        Ok((this, next))
    }

    /// No files, and none that are found.
    pub(super) fn empty(folder: &Path, limit_bytes: u64) -> Self {
        let limit_bytes = limit_bytes.max(SEGMENTS * MIN_SEGMENT_BYTES);
        Self {
            folder: folder.into(),
            limit_bytes,
            segment_bytes: (limit_bytes / SEGMENTS).min(MAX_SEGMENT_BYTES),
            segments: Vec::new(),
            current: None,
            removed: false,
        }
    }

    /// Cuts a last line off that was not written whole, and answers the number of the next.
    fn recover_newest(&mut self) -> io::Result<u64> {
        let Some(newest) = self.segments.last_mut() else {
            return Ok(0);
        };
        let path = segment_path(&self.folder, newest.first);
        let content = std::fs::read(&path)?;
        let whole = content
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let file = File::options().append(true).open(&path)?;
        if whole < content.len() {
            file.set_len(whole as u64)?;
        }
        newest.bytes = whole as u64;
        self.current = Some(file);
        let last = content[..whole]
            .split(|byte| *byte == b'\n')
            .rev()
            .find_map(|line| LogLine::decode(line).map(|line| line.number));
        Ok(last.map_or(newest.first, |last| last.saturating_add(1).max(newest.first)))
    }

    /// Numbers of the lines with which the segments begin, oldest first.
    pub(super) fn firsts(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| segment.first).collect()
    }

    /// Appends lines. On an error the rest of them is lost, what was written is whole, and the next call tries anew.
    /// Answers how many were written.
    pub(super) fn append(&mut self, lines: &[LogLine]) -> (usize, io::Result<()>) {
        let mut buffer = Vec::new();
        let mut written = 0;
        let mut buffered = 0;
        for line in lines {
            let before = buffer.len();
            line.encode(&mut buffer);
            let current_bytes = self.segments.last().map_or(0, |segment| segment.bytes);
            let full = current_bytes + buffer.len() as u64 > self.segment_bytes;
            if self.current.is_none() || full {
                let rest = buffer.split_off(before);
                let turned = self.write(&buffer).and_then(|()| {
                    written += buffered;
                    self.begin_segment(line.number)
                });
                if let Err(error) = turned {
                    return (written, Err(error));
                }
                buffer = rest;
                buffered = 0;
            }
            buffered += 1;
        }
        match self.write(&buffer) {
            Ok(()) => (written + buffered, Ok(())),
            Err(error) => (written, Err(error)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || self.removed {
            return Ok(());
        }
        let (Some(file), Some(segment)) = (&mut self.current, self.segments.last_mut()) else {
            return Err(io::Error::other("the log has no file"));
        };
        match file.write_all(bytes) {
            Ok(()) => {
                segment.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What was written of them is taken back: a torn line in the middle would spoil the next.
                if file.set_len(segment.bytes).is_err() {
                    self.current = None;
                }
                Err(error)
            }
        }
    }

    fn begin_segment(&mut self, first: u64) -> io::Result<()> {
        if self.removed {
            return Ok(());
        }
        self.current = None;
        while self.kept_bytes() + self.segment_bytes > self.limit_bytes {
            let oldest = self.segments.remove(0);
            match std::fs::remove_file(segment_path(&self.folder, oldest.first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let file = File::options()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(segment_path(&self.folder, first))?;
        self.current = Some(file);
        self.segments.push(Segment { first, bytes: 0 });
        Ok(())
    }

    fn kept_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Removes the files. Nothing is written any more.
    ///
    /// # Errors
    /// If the system doesn't let them go.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.removed = true;
        self.current = None;
        self.segments.clear();
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;

    use super::super::reader::SegmentReader;
    use super::*;
    use crate::domain::LogStream;

    fn lines(numbers: std::ops::Range<u64>) -> Vec<LogLine> {
        numbers
            .map(|number| LogLine {
                number,
                time: Timestamp::UNIX_EPOCH,
                stream: LogStream::Stdout,
                text: format!("{number} {}", "x".repeat(1000)).into(),
            })
            .collect()
    }

    fn numbers_on_disk(segments: &Segments) -> Vec<u64> {
        SegmentReader::default()
            .read(&segments.folder, &segments.firsts(), 0..u64::MAX, usize::MAX)
            .into_iter()
            .map(|line| line.number)
            .collect()
    }

    fn bytes_on_disk(folder: &Path) -> u64 {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    }

    #[test]
    fn the_oldest_go_and_the_limit_holds() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("w");
        let limit = MIN_SEGMENT_BYTES * SEGMENTS;
        let (mut segments, next) = Segments::recover(&folder, limit).unwrap();
        assert_eq!(next, 0);
        for start in (0..3000).step_by(30) {
            let (written, result) = segments.append(&lines(start..start + 30));
            result.unwrap();
            assert_eq!(written, 30);
            assert!(bytes_on_disk(&folder) <= limit);
        }
        let kept = numbers_on_disk(&segments);
        assert!(bytes_on_disk(&folder) > limit / 2);
        assert_eq!(kept.last(), Some(&2999));
        assert!(
            kept.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "no gap: {kept:?}"
        );
        for (path, expected) in [
            (folder.clone(), 0o700),
            (segment_path(&folder, segments.firsts()[0]), 0o600),
        ] {
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected);
        }
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_numbers_go_on() {
        let data = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::recover(data.path(), 0).unwrap();
        segments.append(&lines(0..10)).1.unwrap();
        drop(segments);
        let path = segment_path(data.path(), 0);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"10 2026-11-23T13:01:12Z out and then the li")
            .unwrap();

        let (mut segments, next) = Segments::recover(data.path(), 0).unwrap();
        assert_eq!(next, 10);
        segments.append(&lines(10..12)).1.unwrap();
        assert_eq!(numbers_on_disk(&segments), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn garbage_in_the_middle_and_at_the_end_is_passed_over() {
        let data = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::recover(data.path(), 0).unwrap();
        segments.append(&lines(0..3)).1.unwrap();
        drop(segments);
        let mut file = File::options()
            .append(true)
            .open(segment_path(data.path(), 0))
            .unwrap();
        file.write_all(&[0; 5000]).unwrap();
        file.write_all(b"\n\xff\xff\n").unwrap();

        let (mut segments, next) = Segments::recover(data.path(), 0).unwrap();
        assert_eq!(next, 3);
        segments.append(&lines(3..5)).1.unwrap();
        assert_eq!(numbers_on_disk(&segments), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_empty_newest_segment_does_not_number_anew() {
        let data = tempfile::tempdir().unwrap();
        File::create(segment_path(data.path(), 40)).unwrap();
        File::create(data.path().join("notes.log")).unwrap();
        let (_, next) = Segments::recover(data.path(), 0).unwrap();
        assert_eq!(next, 40);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_loses_lines_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::recover(data.path(), 0).unwrap();
        segments.append(&lines(0..2)).1.unwrap();
        // A device that is always full.
        segments.current = Some(File::options().write(true).open("/dev/full").unwrap());
        let (written, result) = segments.append(&lines(2..4));
        assert_eq!(written, 0);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);

        assert_eq!(segments.append(&lines(4..6)).0, 2, "it tries anew");
        assert_eq!(numbers_on_disk(&segments), [0, 1, 4, 5]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_each_time() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("w");
        let (mut segments, _) = Segments::recover(&folder, 0).unwrap();
        std::fs::write(&folder, "in the way").unwrap();
        assert!(segments.append(&lines(0..2)).1.is_err());
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(segments.append(&lines(2..4)).0, 2);
        assert_eq!(numbers_on_disk(&segments), [2, 3]);
    }

    #[test]
    fn what_is_removed_stays_away() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("w");
        let (mut segments, _) = Segments::recover(&folder, 0).unwrap();
        segments.append(&lines(0..2)).1.unwrap();
        segments.remove().unwrap();
        assert!(segments.append(&lines(2..4)).1.is_ok());
        segments.remove().unwrap();
        assert!(!folder.exists());
    }
}
