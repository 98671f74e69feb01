//! How much may come out of archives.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

/// What all archives of a package may unpack to, together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimits {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// What they have unpacked to so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    bytes: u64,
    entries: u64,
}

/// A compiler's folder of objects compresses to a tenth; zeros made to fill a disk, to a thousandth.
const MOST_TIMES: u64 = 200;
/// Small archives may be as dense as they like.
const FREE_BYTES: u64 = 64 << 20;

/// Watches over one archive.
pub(super) struct Budget<'a> {
    limits: UnpackLimits,
    used: Cell<Used>,
    packed_bytes: Cell<u64>,
    unpacked_bytes: Cell<u64>,
    /// Why the stream was ended. Readers in between make other errors of it.
    exceeded: RefCell<Option<String>>,
    is_cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Budget<'a> {
    pub(super) fn new(limits: UnpackLimits, used: Used, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self {
            limits,
            used: Cell::new(used),
            packed_bytes: Cell::new(0),
            unpacked_bytes: Cell::new(0),
            exceeded: RefCell::default(),
            is_cancelled,
        }
    }

    pub(super) fn used(&self) -> Used {
        self.used.get()
    }

    /// Why the stream was ended, if this ended it.
    pub(super) fn exceeded(&self) -> Option<String> {
        self.exceeded.take()
    }

    /// Counts the archive's own bytes.
    pub(super) fn packed<R: Read>(&self, stream: R) -> impl Read + use<'_, 'a, R> {
        Watched {
            stream,
            count: |bytes| {
                self.packed_bytes.set(self.packed_bytes.get() + bytes);
                Ok(())
            },
        }
    }

    /// Counts what comes out of it, file or not, and ends the stream with an error when it is too much.
    pub(super) fn unpacked<R: Read>(&self, stream: R) -> impl Read + use<'_, 'a, R> {
        Watched {
            stream,
            count: |bytes| {
                self.count_unpacked(bytes).map_err(|problem| {
                    *self.exceeded.borrow_mut() = Some(problem.clone());
                    io::Error::other(problem)
                })
            },
        }
    }

    fn count_unpacked(&self, bytes: u64) -> Result<(), String> {
        if (self.is_cancelled)() {
            return Err("it took too long, or was cancelled".to_owned());
        }
        let mut used = self.used.get();
        used.bytes += bytes;
        self.used.set(used);
        self.unpacked_bytes.set(self.unpacked_bytes.get() + bytes);
        if used.bytes > self.limits.bytes {
            return Err(format!(
                "the archives unpack to more than {} bytes",
                self.limits.bytes
            ));
        }
        if self.unpacked_bytes.get() > FREE_BYTES + self.packed_bytes.get() * MOST_TIMES {
            return Err(format!("it unpacks to more than {MOST_TIMES} times its size"));
        }
        Ok(())
    }

    /// Counts a file, a folder or a link.
    pub(super) fn count_entry(&self) -> Result<(), String> {
        let mut used = self.used.get();
        used.entries += 1;
        self.used.set(used);
        if used.entries > self.limits.entries {
            return Err(format!(
                "the archives have more than {} entries",
                self.limits.entries
            ));
        }
        Ok(())
    }
}

struct Watched<R, C> {
    stream: R,
    count: C,
}

impl<R: Read, C: Fn(u64) -> io::Result<()>> Read for Watched<R, C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.stream.read(buffer)?;
        (self.count)(bytes as u64)?;
        Ok(bytes)
    }
}
