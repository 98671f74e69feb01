//! The thread that hashes: what comes, in the file's order.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::part::Part;

/// Bytes read back at once.
const READ_BACK_BYTES: usize = 512 * 1024;

/// What is next in the file's order.
pub(super) enum Turn {
    Bytes(Bytes),
    ReadBack(Range<u64>),
    Restart,
}

/// What was written and hashed when the pipeline closed.
#[derive(Debug)]
pub(super) struct Drained {
    /// Bytes hashed: from the file's beginning to the first that is missing.
    pub(super) hashed_bytes: u64,
    /// SHA-256 over them; `None` if hashing was given up.
    pub(super) sha256: Option<[u8; 32]>,
}

/// Hashes a part in the file's order.
pub(super) struct Hasher {
    part: Arc<Part>,
    give_up: Arc<AtomicBool>,
    restarts: Arc<AtomicU64>,
    restarts_seen: u64,
    sha256: Sha256,
    hashed_bytes: u64,
    buffer: Vec<u8>,
}

impl Hasher {
    pub(super) fn new(part: &Arc<Part>, give_up: &Arc<AtomicBool>, restarts: &Arc<AtomicU64>) -> Self {
        Self {
            part: Arc::clone(part),
            give_up: Arc::clone(give_up),
            restarts: Arc::clone(restarts),
            restarts_seen: 0,
            sha256: Sha256::new(),
            hashed_bytes: 0,
            buffer: Vec::new(),
        }
    }

    /// Until no more turns come.
    pub(super) fn run(mut self, turns: &Receiver<Turn>) -> io::Result<Drained> {
        for turn in turns {
            if self.is_given_up() {
                continue; // what waits is let go of, so that the writer gets on
            }
            match turn {
                Turn::Bytes(bytes) => {
                    self.sha256.update(&bytes);
                    self.hashed_bytes += bytes.len() as u64;
                }
                Turn::ReadBack(range) => self.read_back(&range)?,
                Turn::Restart => {
                    self.restarts_seen += 1;
                    (self.sha256, self.hashed_bytes) = (Sha256::new(), 0);
                }
            }
        }
        let whole = !self.is_given_up();
        Ok(Drained {
            hashed_bytes: self.hashed_bytes,
            sha256: whole.then(|| self.sha256.finalize().into()),
        })
    }

    fn read_back(&mut self, range: &Range<u64>) -> io::Result<()> {
        self.buffer.resize(READ_BACK_BYTES, 0);
        while self.hashed_bytes < range.end && !self.is_given_up() {
            let most = (range.end - self.hashed_bytes).min(READ_BACK_BYTES as u64) as usize;
            let bytes = &mut self.buffer[..most];
            let read = self.part.file.read_exact_at(bytes, self.hashed_bytes);
            if self.restarts.load(Ordering::SeqCst) != self.restarts_seen {
                return Ok(()); // it is void, and the turn that says so is on its way
            }
            read?;
            self.sha256.update(bytes);
            self.hashed_bytes += most as u64;
        }
        Ok(())
    }

    fn is_given_up(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
    }
}
