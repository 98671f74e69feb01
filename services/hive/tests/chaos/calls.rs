//! What clients ask, and that each of them gets an answer or a documented reason.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rbee_service_kit::{RemoteFault, reason};
use tonic::{Code, Status};

/// A call that has not ended after this long hangs: longer than any grace and any load of this test together.
const HANGS: Duration = Duration::from_secs(60);

/// So long after a cut a client may still take a connection for whole that is not.
const UNNOTICED: Duration = Duration::from_secs(2);

const ANSWER: &str = "an answer";

/// How calls ended. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    ends: Mutex<BTreeMap<(&'static str, String), u64>>,
    wrong: Mutex<Vec<String>>,
    /// When connections were cut last, in whatever way.
    cut: Mutex<Option<Instant>>,
    /// Whether nobody listens now.
    away: AtomicBool,
}

impl Calls {
    /// Says that connections to the hive are being cut.
    pub(crate) fn cut(&self) {
        *self.inner.cut.lock() = Some(Instant::now());
    }

    /// Says whether the hive is away.
    pub(crate) fn away(&self, away: bool) {
        self.inner.away.store(away, Ordering::SeqCst);
        self.cut();
    }

    /// Makes a call and takes down how it ended. Gives what it answered.
    pub(crate) async fn make<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Option<RemoteFault>> {
        let begun = Instant::now();
        let was_away = self.inner.away.load(Ordering::SeqCst);
        let Ok(end) = tokio::time::timeout(HANGS, work).await else {
            self.count(call, "no end".to_owned());
            self.wrong(format!("{call} did not end within {HANGS:?}"));
            return Err(None);
        };
        match end {
            Ok(answer) => {
                self.count(call, ANSWER.to_owned());
                Ok(answer)
            }
            Err(status) => {
                let last = *self.inner.cut.lock();
                let was_cut = was_away || last.is_some_and(|cut| cut + UNNOTICED > begun);
                Err(self.refused(call, &status, was_cut))
            }
        }
    }

    fn refused(&self, call: &'static str, status: &Status, was_cut: bool) -> Option<RemoteFault> {
        let fault = RemoteFault::from(status);
        if let Some(name) = &fault.reason {
            self.count(call, name.clone());
            let internal = fault.code == Code::Internal && fault.is(reason::INTERNAL);
            if reason::known(name).is_none() || internal {
                self.wrong(format!("{call}: {fault:?}"));
            }
            return Some(fault);
        }
        // What the client itself found, and not the hive: the connection is gone.
        let own = status.source().is_some();
        self.count(
            call,
            format!(
                "{:?}, connection {}",
                status.code(),
                if own { "lost" } else { "kept" }
            ),
        );
        if !(own && was_cut) {
            self.wrong(format!("{call}: without a reason (cut: {was_cut}): {status:?}"));
        }
        None
    }

    fn count(&self, call: &'static str, end: String) {
        *self.inner.ends.lock().entry((call, end)).or_default() += 1;
    }

    /// Takes down something that must not be.
    pub(crate) fn wrong(&self, what: String) {
        self.inner.wrong.lock().push(what);
    }

    /// How many of these calls were answered.
    pub(crate) fn answered(&self, call: &'static str) -> u64 {
        let ends = self.inner.ends.lock();
        ends.get(&(call, ANSWER.to_owned())).copied().unwrap_or_default()
    }

    /// Prints the counts, and answers what went wrong.
    pub(crate) fn finish(&self) -> Vec<String> {
        for ((call, end), count) in &*self.inner.ends.lock() {
            println!("{call:>10}: {count:>5} {end}");
        }
        std::mem::take(&mut *self.inner.wrong.lock())
    }
}
