//! Who waits and who is at work: shared by the handles, the streams and the engine thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::mpsc::UnboundedSender;

use super::error::EngineError;
use super::event::Event;
use super::painter::Work;

/// What a request is thought to take before the first was made.
const FIRST_GUESS: Duration = Duration::from_secs(10);
/// Longest wait that a client is told.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Where a job's events go.
pub(super) type Events = UnboundedSender<Result<Event, EngineError>>;

/// A request on its way.
pub(super) struct Job {
    pub(super) id: u64,
    /// Shared, so that it can be looked at while it waits.
    pub(super) work: Arc<Work>,
    pub(super) events: Events,
    pub(super) arrived: Instant,
    /// Previews that were sent and not yet read.
    pub(super) unread_previews: Arc<std::sync::atomic::AtomicUsize>,
}

/// What the thread is to do next.
pub(super) enum Next {
    /// Make these pictures.
    Paint(Box<Job>),
    /// End.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    Open,
    Draining,
    Aborting,
}

struct State {
    waiting: VecDeque<Job>,
    /// Where the events of what is painted go, by their jobs' ids.
    painting: Vec<(u64, Events)>,
    closing: Closing,
    next_id: u64,
    /// What requests took lately.
    usual: Option<Duration>,
}

pub(super) struct Queue {
    /// How many are painted side by side.
    slots: usize,
    length: usize,
    state: Mutex<State>,
    wake: Condvar,
    aborting: AtomicBool,
}

impl Queue {
    /// `length` requests may wait while others, up to `slots`, are painted.
    pub(super) fn new(slots: usize, length: usize) -> Self {
        Self {
            slots,
            length,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                painting: Vec::new(),
                closing: Closing::Open,
                next_id: 0,
                usual: None,
            }),
            wake: Condvar::new(),
            aborting: AtomicBool::new(false),
        }
    }

    /// Takes a request in, made by `job` of its id, and tells it if it has to wait.
    pub(super) fn push(&self, job: impl FnOnce(u64) -> Job) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        if state.closing != Closing::Open {
            return Err(EngineError::Stopping);
        }
        // Where nothing is painted yet the first that waits is about to be.
        if state.waiting.len() + usize::from(!state.painting.is_empty()) > self.length {
            let usual = state.usual.unwrap_or(FIRST_GUESS);
            return Err(EngineError::QueueFull {
                slots: self.slots,
                queue: self.length,
                retry_after: usual.clamp(Duration::from_secs(1), LONGEST_WAIT),
            });
        }
        let ahead = state.waiting.len() + state.painting.len();
        state.next_id += 1;
        let job = job(state.next_id);
        if ahead > 0 {
            // Who left already is found when its turn comes.
            let _ = job.events.send(Ok(Event::Queued { ahead }));
        }
        state.waiting.push_back(job);
        self.wake.notify_one();
        Ok(())
    }

    /// Gives up a request that waits; one that is painted finds out by itself.
    pub(super) fn forget(&self, id: u64) {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.retain(|job| job.id != id);
        if state.waiting.len() != before {
            state.tell_places();
        }
    }

    /// Waits for something to do.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state.lock();
        loop {
            if state.closing == Closing::Aborting {
                return Next::Leave;
            }
            if let Some(job) = state.take_first() {
                return Next::Paint(Box::new(job));
            }
            if state.closing == Closing::Draining {
                return Next::Leave;
            }
            self.wake.wait(&mut state);
        }
    }

    /// What waits longest, to see whether it goes with what is painted.
    pub(super) fn first(&self) -> Option<(u64, Arc<Work>)> {
        let mut state = self.state.lock();
        state.drop_closed();
        let job = state.waiting.front()?;
        Some((job.id, Arc::clone(&job.work)))
    }

    /// Takes what waits longest, if it still is `id`.
    pub(super) fn take(&self, id: u64) -> Option<Box<Job>> {
        let mut state = self.state.lock();
        if state.closing == Closing::Aborting || state.waiting.front()?.id != id {
            return None;
        }
        state.take_first().map(Box::new)
    }

    /// Notes that a job is not painted any more, and what it took if it came to its end. Before its client hears of the
    /// end, so that a client that asks again at once finds the place free.
    pub(super) fn painted(&self, id: u64, took: Option<Duration>) {
        let mut state = self.state.lock();
        state.painting.retain(|&(painted, _)| painted != id);
        if let Some(took) = took {
            state.usual = Some(state.usual.map_or(took, |usual| (usual + took) / 2));
        }
    }

    /// Takes no more requests, and ends when those that were taken are done, or at once.
    pub(super) fn close(&self, at_once: bool) {
        let closing = if at_once {
            self.aborting.store(true, Ordering::Relaxed);
            Closing::Aborting
        } else {
            Closing::Draining
        };
        let mut state = self.state.lock();
        state.closing = state.closing.max(closing);
        if at_once {
            // Told now: the step that is under way may take longer than there is time to tell it.
            state.fail_all(&EngineError::Stopping);
        }
        self.wake.notify_one();
    }

    /// Ends every request that waits.
    pub(super) fn fail_all(&self, error: &EngineError) {
        let mut state = self.state.lock();
        state.closing = Closing::Aborting;
        state.fail_all(error);
    }

    /// Whether what is painted is to be given up.
    pub(super) fn is_aborting(&self) -> bool {
        self.aborting.load(Ordering::Relaxed)
    }

    /// How many are painted, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.painting.len(), state.waiting.len())
    }
}

impl State {
    /// What is to be painted next, noted as such.
    fn take_first(&mut self) -> Option<Job> {
        self.drop_closed();
        let job = self.waiting.pop_front()?;
        self.painting.push((job.id, job.events.clone()));
        self.tell_places();
        Some(job)
    }

    /// Forgets who left, at the head of the queue.
    fn drop_closed(&mut self) {
        while self.waiting.pop_front_if(|job| job.events.is_closed()).is_some() {}
    }

    /// Ends every stream, also that of what is painted: nothing that comes after is heard there.
    fn fail_all(&mut self, error: &EngineError) {
        let waiting = self.waiting.drain(..).map(|job| job.events);
        let painting = self.painting.drain(..).map(|(_, events)| events);
        for events in waiting.chain(painting) {
            // Who left needs no news.
            let _ = events.send(Err(error.clone()));
        }
    }

    fn tell_places(&self) {
        let painting = self.painting.len();
        for (index, job) in self.waiting.iter().enumerate() {
            let _ = job.events.send(Ok(Event::Queued {
                ahead: index + painting,
            }));
        }
    }
}
