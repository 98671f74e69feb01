//! How many requests a worker is answering.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts the requests that a worker is answering. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    running: Arc<watch::Sender<u32>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            running: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Activity {
    /// Counts a request from here on, if it is work.
    pub(super) fn begin(&self, work: bool) -> Answering {
        if work {
            self.running.send_modify(|count| *count += 1);
        }
        Answering {
            counted: work.then(|| self.clone()),
        }
    }

    /// The number of requests, and all changes of it.
    pub(super) fn follow(&self) -> watch::Receiver<u32> {
        self.running.subscribe()
    }
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct Answering {
    counted: Option<Activity>,
}

#[cfg(test)]
impl Answering {
    /// A request that nobody counts.
    pub(crate) fn uncounted() -> Self {
        Self { counted: None }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(activity) = &self.counted {
            activity.running.send_modify(|count| *count -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_counts_and_only_while_it_goes_on() {
        let activity = Activity::default();
        let running = activity.follow();
        let question = activity.begin(false);
        let work = activity.begin(true);
        assert_eq!(*running.borrow(), 1);
        drop(question);
        assert_eq!(*running.borrow(), 1);
        drop(work);
        assert_eq!(*running.borrow(), 0);
    }
}
