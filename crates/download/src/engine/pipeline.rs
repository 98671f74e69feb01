//! From the network to the disk and into the hash: two threads, so that neither waits for the other and
//! no async thread for either.
//!
//! ```text
//!  network ──bounded──▶ writer: write at its offset ──bounded──▶ hasher: in the file's order
//! ```
//!
//! What comes in the file's order is hashed from the buffer that the network filled. What was written ahead
//! of it, by another connection or an earlier run, is read back once its turn comes.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::hasher::{Drained, Hasher, Turn};
use super::part::Part;
use super::ranges::RangeSet;

/// Buffers under way between two stages. The HTTP library's are 400 KiB at most: with both queues full that is
/// 13 MiB a download.
const QUEUE: usize = 16;

enum Job {
    Write {
        at: u64,
        bytes: Bytes,
    },
    /// Forget everything, and tell when that is done.
    Restart(oneshot::Sender<io::Result<()>>),
}

/// The threads are gone; [`Pipeline::drain`] tells why.
#[derive(Debug)]
pub(super) struct Closed;

/// The way in. Dropping it lets the threads finish what they have, without the hash.
#[derive(Debug)]
pub(super) struct Pipeline {
    jobs: Option<mpsc::Sender<Job>>,
    written: Arc<Mutex<RangeSet>>,
    give_up: Arc<AtomicBool>,
    done: oneshot::Receiver<io::Result<Drained>>,
}

impl Pipeline {
    /// Starts the threads on a part that has these ranges already.
    pub(super) fn start(part: &Arc<Part>, done: RangeSet) -> io::Result<Self> {
        let (jobs, incoming) = mpsc::channel(QUEUE);
        let (tell, hear) = oneshot::channel();
        let written = Arc::new(Mutex::new(done));
        let give_up = Arc::new(AtomicBool::new(false));
        let (turns, in_turn) = blocking::sync_channel(QUEUE);
        let restarts = Arc::new(AtomicU64::new(0));
        let hasher = {
            let hasher = Hasher::new(part, &give_up, &restarts);
            thread::Builder::new()
                .name("download-hash".to_owned())
                .spawn(move || hasher.run(&in_turn))?
        };
        let writer = Writer {
            part: Arc::clone(part),
            written: Arc::clone(&written),
            turns,
            restarts,
            front: 0,
        };
        thread::Builder::new()
            .name("download-write".to_owned())
            .spawn(move || {
                let written = writer.run(incoming);
                let hashed = hasher.join().expect("hashing doesn't panic");
                // Nobody waits if the download was dropped.
                let _ = tell.send(written.and(hashed));
            })?;
        Ok(Self {
            jobs: Some(jobs),
            written,
            give_up,
            done: hear,
        })
    }

    /// What is written by now.
    pub(super) fn written(&self) -> RangeSet {
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Hands bytes over; waits while the disk is slower than the network.
    pub(super) async fn write(&self, at: u64, bytes: Bytes) -> Result<(), Closed> {
        self.send(Job::Write { at, bytes }).await
    }

    /// Empties the part and begins hashing anew; what was handed over before is void.
    pub(super) async fn restart(&self) -> Result<(), Closed> {
        let (tell, hear) = oneshot::channel();
        self.send(Job::Restart(tell)).await?;
        match hear.await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed),
        }
    }

    async fn send(&self, job: Job) -> Result<(), Closed> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).await.map_err(|_| Closed),
            None => Err(Closed),
        }
    }

    /// Waits until all that was handed over is written and, if wanted, hashed. The wait can be dropped and begun again,
    /// then without the hash.
    pub(super) async fn drain(&mut self, hash: bool) -> io::Result<Drained> {
        self.give_up.fetch_or(!hash, Ordering::Relaxed);
        self.jobs = None;
        let told = (&mut self.done).await;
        told.unwrap_or_else(|_| Err(io::Error::other("the writing thread is gone")))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.give_up.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    part: Arc<Part>,
    written: Arc<Mutex<RangeSet>>,
    turns: blocking::SyncSender<Turn>,
    /// Counted up before the file is emptied, so that the hasher doesn't wonder where it went.
    restarts: Arc<AtomicU64>,
    /// Up to here everything is with the hasher.
    front: u64,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> io::Result<()> {
        self.catch_up()?;
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Write { at, bytes } => self.write(at, bytes)?,
                Job::Restart(tell) => {
                    let done = self.restart();
                    let failed = done.is_err();
                    let _ = tell.send(done);
                    if failed {
                        return Err(io::Error::other("the part cannot be emptied"));
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: Bytes) -> io::Result<()> {
        self.part.file.write_all_at(&bytes, at)?;
        let end = at + bytes.len() as u64;
        self.lock().insert(at..end);
        if at == self.front {
            self.front = end;
            self.hand_on(Turn::Bytes(bytes))?;
        }
        self.catch_up()
    }

    /// What was written ahead and is now in turn.
    fn catch_up(&mut self) -> io::Result<()> {
        let end = self.lock().end_of_run(self.front);
        if end > self.front {
            self.hand_on(Turn::ReadBack(self.front..end))?;
            self.front = end;
        }
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        *self.lock() = RangeSet::default();
        self.front = 0;
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.part.file.set_len(0)?;
        self.hand_on(Turn::Restart)
    }

    fn hand_on(&self, turn: Turn) -> io::Result<()> {
        // The hasher ends early only with an error of its own, which is told in place of this one.
        self.turns
            .send(turn)
            .map_err(|_| io::Error::other("what was written cannot be read back"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RangeSet> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};
    use std::ops::Range;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// In whatever order the pieces come, with whatever was there before, file and hash are right.
        #[test]
        fn pieces_in_any_order(
            content in prop::collection::vec(any::<u8>(), 1..5000),
            cuts in prop::collection::vec(0..5000_usize, 0..20),
            order in any::<u64>(),
            before in 0..20_usize,
            restart in any::<bool>(),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % content.len()).chain([0, content.len()]).collect();
            cuts.sort_unstable();
            let mut pieces: Vec<Range<usize>> = cuts.windows(2).map(|pair| pair[0]..pair[1]).filter(|piece| !piece.is_empty()).collect();
            // A shuffle, and the first of it lie there already.
            pieces.sort_by_key(|piece| (piece.start as u64 ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let folder = tempfile::tempdir().unwrap();
            let part = Arc::new(Part::open(folder.path(), "f").unwrap());
            let mut done = RangeSet::default();
            let before = before.min(pieces.len());
            for piece in &pieces[..before] {
                part.file.write_all_at(&content[piece.clone()], piece.start as u64).unwrap();
                done.insert(piece.start as u64..piece.end as u64);
            }
            let drained = runtime().block_on(async {
                let mut pipeline = Pipeline::start(&part, done).unwrap();
                let mut from = before;
                if restart {
                    pipeline.write(0, Bytes::from_static(b"wrong")).await.unwrap();
                    pipeline.restart().await.unwrap();
                    assert!(pipeline.written().is_empty());
                    from = 0;
                }
                for piece in &pieces[from..] {
                    let bytes = Bytes::copy_from_slice(&content[piece.clone()]);
                    pipeline.write(piece.start as u64, bytes).await.unwrap();
                }
                let drained = pipeline.drain(true).await.unwrap();
                assert!(pipeline.written().is_whole(content.len() as u64));
                drained
            });
            prop_assert_eq!(drained.hashed_bytes, content.len() as u64);
            prop_assert_eq!(drained.sha256, Some(Sha256::digest(&content).into()));
            prop_assert_eq!(std::fs::read(&part.paths.part).unwrap(), content);
        }
    }

    #[test]
    fn giving_up_still_writes_what_was_handed_over() {
        let folder = tempfile::tempdir().unwrap();
        let part = Arc::new(Part::open(folder.path(), "f").unwrap());
        runtime().block_on(async {
            let mut pipeline = Pipeline::start(&part, RangeSet::default()).unwrap();
            pipeline.write(3, Bytes::from_static(b"def")).await.unwrap();
            let drained = pipeline.drain(false).await.unwrap();
            assert_eq!((drained.hashed_bytes, drained.sha256), (0, None));
            assert_eq!(pipeline.written().pairs(), [(3, 6)]);
        });
        assert_eq!(std::fs::read(&part.paths.part).unwrap(), b"\0\0\0def");
    }
}
