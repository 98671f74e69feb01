//! Narration: one line for each thing that happens, for people.
//!
//! [`narrate!`](crate::narrate) makes a tracing event of the target [`TARGET`]. It is logged like
//! any other, and the layer here also keeps the last thousand and sends them to subscribers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The target of narration events.
pub const TARGET: &str = "rbee::narration";

/// How many past events are kept, and how far a subscriber may fall behind.
pub const CAPACITY: usize = 1000;

/// Tells something that happened, as the course of things.
///
/// ```
/// # let id = "w1";
/// rbee_service_kit::narrate!(worker_id = %id, "worker {id} is ready");
/// ```
///
/// The fields `worker_id` and `job_id` have their own place in an event; all others go to its `fields`.
#[macro_export]
macro_rules! narrate {
    ($($arguments:tt)+) => { $crate::__tracing::info!(target: "rbee::narration", $($arguments)+) };
}

/// Tells something that somebody should look at. See [`narrate!`](crate::narrate).
#[macro_export]
macro_rules! narrate_warn {
    ($($arguments:tt)+) => { $crate::__tracing::warn!(target: "rbee::narration", $($arguments)+) };
}

/// Tells something that failed. See [`narrate!`](crate::narrate).
#[macro_export]
macro_rules! narrate_error {
    ($($arguments:tt)+) => { $crate::__tracing::error!(target: "rbee::narration", $($arguments)+) };
}

/// How much an event matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// The course of things.
    Info,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narration {
    /// When.
    pub at: SystemTime,
    /// How much it matters.
    pub importance: Importance,
    /// The process that tells it.
    pub service: &'static str,
    /// What happened, in one line.
    pub message: String,
    /// The job that it belongs to.
    pub job_id: Option<String>,
    /// The worker that it is about.
    pub worker_id: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// Further facts by name.
    pub fields: BTreeMap<String, String>,
}

/// Keeps and sends narration. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Narrator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // The lock makes "copy the past, then subscribe" one step, so that nothing is missed or sent twice.
    past: Mutex<VecDeque<Arc<Narration>>>,
    live: broadcast::Sender<Arc<Narration>>,
}

impl Narrator {
    fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                past: Mutex::new(VecDeque::with_capacity(CAPACITY)),
                live: broadcast::channel(CAPACITY).0,
            }),
        }
    }

    /// The narrator of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        static NARRATOR: OnceLock<Narrator> = OnceLock::new();
        NARRATOR.get_or_init(Self::new).clone()
    }

    fn tell(&self, narration: Narration) {
        let narration = Arc::new(narration);
        let mut past = self.shared.past.lock();
        if past.len() == CAPACITY {
            past.pop_front();
        }
        past.push_back(narration.clone());
        // An error only says that nobody listens.
        let _ = self.shared.live.send(narration);
    }

    /// The last `backlog` events, oldest first, and everything after them.
    #[must_use]
    pub fn subscribe(&self, backlog: usize) -> (Vec<Arc<Narration>>, broadcast::Receiver<Arc<Narration>>) {
        let past = self.shared.past.lock();
        let skipped = past.len().saturating_sub(backlog);
        (
            past.iter().skip(skipped).cloned().collect(),
            self.shared.live.subscribe(),
        )
    }
}

/// The layer that feeds this process's narrator.
pub(super) fn layer<S>(service: &'static str) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    NarrationLayer {
        service,
        narrator: Narrator::of_this_process(),
    }
    .with_filter(filter())
}

/// Without its hint the levels of all other trace points would have to be looked at.
fn filter() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|metadata: &Metadata<'_>| metadata.target() == TARGET).with_max_level_hint(Level::INFO)
}

struct NarrationLayer {
    service: &'static str,
    narrator: Narrator,
}

impl<S: Subscriber> Layer<S> for NarrationLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.narrator.tell(Narration {
            at: SystemTime::now(),
            importance: match *event.metadata().level() {
                Level::ERROR => Importance::Error,
                Level::WARN => Importance::Warning,
                _ => Importance::Info,
            },
            service: self.service,
            job_id: fields.others.remove("job_id"),
            worker_id: fields.others.remove("worker_id"),
            trace_id: super::propagation::current_trace_id(),
            message: fields.message,
            fields: fields.others,
        });
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: BTreeMap<String, String>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.others.insert(field.name().to_owned(), value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.others.insert(field.name().to_owned(), format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn narration_is_kept_and_sent_and_other_events_are_not() {
        let narrator = Narrator::new();
        let layer = NarrationLayer {
            service: "rbee-test",
            narrator: narrator.clone(),
        }
        .with_filter(filter());
        let (_, mut live) = narrator.subscribe(0);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("only a log line");
            let id = "w1";
            crate::narrate_warn!(worker_id = %id, exit_code = 3, "worker {id} has left");
        });

        let told = live.try_recv().unwrap();
        assert_eq!(told.message, "worker w1 has left");
        assert_eq!(told.importance, Importance::Warning);
        assert_eq!(told.worker_id.as_deref(), Some("w1"));
        assert_eq!(told.fields["exit_code"], "3");
        assert!(live.try_recv().is_err());
        assert_eq!(narrator.subscribe(10).0.len(), 1);
    }

    #[test]
    fn the_past_is_bounded() {
        let narrator = Narrator::new();
        for number in 0..CAPACITY + 5 {
            narrator.tell(Narration {
                at: SystemTime::now(),
                importance: Importance::Info,
                service: "rbee-test",
                message: number.to_string(),
                job_id: None,
                worker_id: None,
                trace_id: None,
                fields: BTreeMap::new(),
            });
        }
        let (past, _) = narrator.subscribe(usize::MAX);
        assert_eq!(past.len(), CAPACITY);
        assert_eq!(past[0].message, "5");
        assert_eq!(narrator.subscribe(2).0[0].message, (CAPACITY + 3).to_string());
    }
}
