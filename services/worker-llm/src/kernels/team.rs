//! A few threads for pieces of work that take microseconds.
//!
//! A token takes some hundred products of a fraction of a millisecond each, and to wake a sleeping
//! thread takes about as long as the smaller of them. So the helpers look for work for a while before
//! they sleep, and nobody waits for one that has not come: what it would have done, the others do.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// So often a helper looks without giving its processor away: some 30 µs, longer than what is done between
/// two products of one token.
const SPINS: u32 = 1 << 10;
/// And so long it looks, giving way to whoever else wants the processor: longer than what is done between
/// two tokens.
const PATIENCE: Duration = Duration::from_millis(1);

/// Helpers in the current job, in the low bits of [`Shared::state`].
const INSIDE: u64 = (1 << 16) - 1;
/// Whether helpers may join the job.
const OPEN: u64 = 1 << 16;
/// One job; counted in the bits from here on.
const JOB: u64 = 1 << 17;

/// The caller's thread and its helpers.
#[derive(Debug)]
pub(super) struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Held by the one caller whose job the helpers do.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    state: AtomicU64,
    /// What is to be done. Written by the caller while the job is closed and nobody is inside; read by
    /// those inside.
    job: UnsafeCell<Job>,
    /// The next piece that nobody has taken.
    next: AtomicUsize,
    panicked: AtomicBool,
    leaving: AtomicBool,
    /// Helpers that sleep or are about to.
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    morning: Condvar,
}

/// A function and the pieces to call it with, `0..count`.
#[derive(Clone, Copy)]
struct Job {
    piece: *const (dyn Fn(usize) + Sync),
    count: usize,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job of {} pieces", self.count)
    }
}

// SAFETY: `job` is the only part that is not made for sharing. It is written only while the job is
// closed and nobody is inside, which `Team::each` sees to, and what it points to may be called from
// any thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Team {
    /// The caller and `threads - 1` helpers.
    ///
    /// # Errors
    /// What the operating system says if it gives no thread.
    pub(super) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(Job {
                piece: std::ptr::from_ref::<fn(usize)>(&(nothing as fn(usize))),
                count: 0,
            }),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            morning: Condvar::new(),
        });
        let mut team = Self {
            shared,
            helpers: Vec::new(),
            turn: Mutex::new(()),
        };
        for helper in 1..threads.max(1) {
            let shared = Arc::clone(&team.shared);
            let thread = thread::Builder::new()
                .name(format!("compute-{helper}"))
                .spawn(move || shared.help())?;
            team.helpers.push(thread);
        }
        Ok(team)
    }

    /// How many threads there are, the caller's included.
    pub(super) fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Calls `piece` with each of `0..count`, on as many threads as have time. Returns when all are done.
    /// Called from within a piece, or while another thread's job is done, it does everything itself.
    ///
    /// # Panics
    /// If a piece panics.
    pub(super) fn each(&self, count: usize, piece: &(dyn Fn(usize) + Sync)) {
        let turn = match self.helpers.is_empty() || count < 2 {
            true => None,
            false => self.turn.try_lock(),
        };
        if turn.is_none() {
            (0..count).for_each(piece);
            return;
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime is changed. The pointer is used by those inside alone, and `Closing`
        // returns, or unwinds, when nobody is inside and nobody can come any more.
        let piece = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync + 'static)>(
                std::ptr::from_ref(piece),
            )
        };
        // SAFETY: the job is closed and nobody is inside: so was it left, and `turn` keeps other callers out.
        unsafe { *shared.job.get() = Job { piece, count } };
        shared.next.store(0, Ordering::Relaxed);
        shared.panicked.store(false, Ordering::Relaxed);
        let jobs = shared.state.load(Ordering::Relaxed) / JOB;
        shared
            .state
            .store((jobs.wrapping_add(1)).wrapping_mul(JOB) | OPEN, Ordering::SeqCst);
        let closing = Closing { shared };
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            drop(shared.bed.lock());
            shared.morning.notify_all();
        }
        shared.take_pieces(Job { piece, count });
        drop(closing);
        assert!(
            !shared.panicked.load(Ordering::Relaxed),
            "a piece of work panicked on another thread"
        );
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.leaving.store(true, Ordering::SeqCst);
        drop(self.shared.bed.lock());
        self.shared.morning.notify_all();
        for helper in self.helpers.drain(..) {
            // It catches what its pieces do, so there is nothing to hear of.
            let _ = helper.join();
        }
    }
}

fn nothing(_piece: usize) {}

/// Ends a job, also when the caller's own piece panics.
struct Closing<'a> {
    shared: &'a Shared,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut inside = self.shared.state.fetch_and(!OPEN, Ordering::AcqRel) & INSIDE;
        let mut spins = 0;
        while inside > 0 {
            pause(&mut spins);
            inside = self.shared.state.load(Ordering::Acquire) & INSIDE;
        }
    }
}

/// Waits a moment; after many moments, gives way to others.
fn pause(spins: &mut u32) {
    if *spins < SPINS {
        *spins += 1;
        std::hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl Shared {
    fn take_pieces(&self, job: Job) {
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= job.count {
                return;
            }
            // SAFETY: we are inside, or are the caller, so that the function is there.
            unsafe { (*job.piece)(piece) };
        }
    }

    /// What a helper does all its life.
    fn help(&self) {
        let mut done = 0;
        while let Some(state) = self.wait_for_job(done) {
            let entered =
                self.state
                    .compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Relaxed);
            if entered.is_err() {
                continue;
            }
            done = state / JOB;
            // SAFETY: we are inside an open job, which is not written until we have left.
            let job = unsafe { *self.job.get() };
            if catch_unwind(AssertUnwindSafe(|| self.take_pieces(job))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// The state when there is a job after `done` to be joined; `None` when it is time to leave.
    fn wait_for_job(&self, done: u64) -> Option<u64> {
        let new_job = || {
            let state = self.state.load(Ordering::SeqCst);
            (state & OPEN != 0 && state / JOB != done).then_some(state)
        };
        let mut spins = 0;
        let mut yielding: Option<Instant> = None;
        loop {
            if self.leaving.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(state) = new_job() {
                return Some(state);
            }
            pause(&mut spins);
            if spins < SPINS || yielding.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
                continue;
            }
            let mut bed = self.bed.lock();
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            // Whoever opens a job looks for sleepers afterwards; whoever sleeps looks for a job afterwards.
            if new_job().is_none() && !self.leaving.load(Ordering::SeqCst) {
                self.morning.wait(&mut bed);
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            drop(bed);
            (spins, yielding) = (0, None);
        }
    }
}

/// A slice in parts of `size`, the last of them maybe shorter, that threads write to.
pub(super) struct Parts<T> {
    start: *mut T,
    len: usize,
    size: usize,
}

// SAFETY: each part is given to one thread at a time, which `Parts::part` asks its caller for.
unsafe impl<T: Send> Send for Parts<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    pub(super) fn new(slice: &mut [T], size: usize) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            size: size.max(1),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// One part.
    ///
    /// # Safety
    /// The slice must still be borrowed, and nobody else may have the same part.
    #[allow(
        clippy::mut_from_ref,
        reason = "each part has one user, by the caller's promise"
    )]
    pub(super) unsafe fn part(&self, index: usize) -> &mut [T] {
        let first = index * self.size;
        assert!(first < self.len);
        // SAFETY: within the slice, and the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), self.size.min(self.len - first)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_however_many_threads_and_jobs() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads).unwrap();
            assert_eq!(team.threads(), threads);
            for count in (0..200).chain([100_000]) {
                let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                team.each(count, &|piece| {
                    done[piece].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn sleepers_wake_and_take_part() {
        let team = Team::new(2).unwrap();
        for _ in 0..3 {
            while team.shared.sleepers.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let helped = AtomicBool::new(false);
            let caller = thread::current().id();
            // The caller's first piece ends only when a helper has come.
            team.each(2, &|_| {
                if thread::current().id() != caller {
                    helped.store(true, Ordering::SeqCst);
                }
                while !helped.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn jobs_within_jobs_and_of_other_threads_are_done_too() {
        let team = Team::new(3).unwrap();
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    team.each(50, &|_| {
                        team.each(20, &|_| {
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                });
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 4 * 50 * 20);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(2).unwrap();
        for bad in 0..8 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                team.each(8, &|piece| assert_ne!(piece, bad));
            }));
            assert!(outcome.is_err());
        }
        let done = AtomicUsize::new(0);
        team.each(8, &|_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn parts_cover_a_slice() {
        let mut numbers = vec![0; 10];
        let team = Team::new(2).unwrap();
        let parts = Parts::new(&mut numbers, 4);
        assert_eq!(parts.count(), 3);
        team.each(parts.count(), &|index| {
            // SAFETY: each index is called once, and `numbers` is borrowed until the end.
            unsafe { parts.part(index) }.fill(index + 1);
        });
        assert_eq!(numbers, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    }
}
