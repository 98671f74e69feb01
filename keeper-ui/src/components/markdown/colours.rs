//! Colours of code, worked out on a thread of their own so that the window never waits for them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use dioxus::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::model::markdown::{CodeLine, Highlighter};

/// Lines of one run of a highlighter, in order.
#[derive(Debug)]
struct Coloured {
    run: u64,
    lines: Vec<Arc<CodeLine>>,
}

/// Work for the thread.
#[derive(Debug)]
enum Job {
    Lines {
        run: u64,
        language: String,
        lines: Vec<String>,
        reply: UnboundedSender<Coloured>,
    },
    End {
        run: u64,
    },
}

/// The thread's door. Where it can't be started, code stays plain.
fn thread() -> &'static Sender<Job> {
    static THREAD: OnceLock<Sender<Job>> = OnceLock::new();
    THREAD.get_or_init(|| {
        let (sender, jobs) = channel();
        let started = thread::Builder::new()
            .name("code-colours".to_owned())
            .spawn(move || work(&jobs));
        if let Err(error) = started {
            tracing::warn!(%error, "code is shown without colours");
        }
        sender
    })
}

fn work(jobs: &Receiver<Job>) {
    let mut runs: HashMap<u64, Highlighter> = HashMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Lines {
                run,
                language,
                lines,
                reply,
            } => {
                let highlighter = runs.entry(run).or_insert_with(|| Highlighter::new(&language));
                let lines = lines
                    .iter()
                    .map(|line| Arc::new(highlighter.line(line)))
                    .collect();
                // Code that went out of view meanwhile needs no colours.
                let _ = reply.send(Coloured { run, lines });
            }
            Job::End { run } => {
                runs.remove(&run);
            }
        }
    }
}

/// What one block of code has sent to be coloured.
#[derive(Debug)]
struct Sent {
    run: u64,
    language: String,
    /// The whole lines that were sent.
    text: String,
}

impl Sent {
    fn new(language: &str) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        Self {
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            language: language.to_owned(),
            text: String::new(),
        }
    }

    /// Sends the whole lines that were not sent yet.
    fn send(&mut self, text: &str, reply: &UnboundedSender<Coloured>) {
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let new = &whole[self.text.len()..];
        if new.is_empty() {
            return;
        }
        let job = Job::Lines {
            run: self.run,
            language: self.language.clone(),
            lines: new.split_inclusive('\n').map(str::to_owned).collect(),
            reply: reply.clone(),
        };
        self.text.push_str(new);
        // Without the thread code stays plain.
        let _ = thread().send(job);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let _ = thread().send(Job::End { run: self.run });
    }
}

/// The whole lines of some code with their colours, as far as they are known. Code that grows keeps those that it has.
pub(super) fn use_colours(language: &str, text: &str) -> Signal<Vec<Arc<CodeLine>>> {
    let mut coloured = use_signal(|| remembered(language, text).unwrap_or_default());
    let channel = use_hook(|| {
        let (sender, receiver) = unbounded_channel();
        (sender, Rc::new(RefCell::new(Some(receiver))))
    });
    let sent = use_hook(|| {
        let mut sent = Sent::new(language);
        if !coloured.peek().is_empty() {
            // Known from the last time that it was in view.
            sent.text = text.to_owned();
        }
        Rc::new(RefCell::new(sent))
    });
    {
        let mut sent = sent.borrow_mut();
        if sent.language != language || !text.starts_with(&sent.text) {
            *sent = Sent::new(language);
            // What was coloured belongs to another text. Nobody draws from it before this part has drawn.
            if !coloured.peek().is_empty() {
                coloured.set(Vec::new());
            }
        }
        sent.send(text, &channel.0);
    }
    let run = sent.clone();
    use_future(move || {
        let receiver: Option<UnboundedReceiver<Coloured>> = channel.1.borrow_mut().take();
        let run = run.clone();
        async move {
            let Some(mut receiver) = receiver else { return };
            while let Some(told) = receiver.recv().await {
                if told.run == run.borrow().run {
                    coloured.write().extend(told.lines);
                }
            }
        }
    });
    let last = sent.clone();
    use_drop(move || {
        let sent = last.borrow();
        let lines = coloured.peek();
        if !lines.is_empty() && lines.len() == sent.text.split_inclusive('\n').count() {
            remember(&sent.language, &sent.text, lines.clone());
        }
    });
    coloured
}

/// Blocks of code whose colours are remembered when they go out of view.
const REMEMBERED_BLOCKS: usize = 256;

#[derive(Default)]
struct Memory {
    lines: HashMap<u64, Vec<Arc<CodeLine>>>,
    order: VecDeque<u64>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

fn key(language: &str, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (language, text).hash(&mut hasher);
    hasher.finish()
}

fn remembered(language: &str, text: &str) -> Option<Vec<Arc<CodeLine>>> {
    MEMORY.with_borrow(|memory| memory.lines.get(&key(language, text)).cloned())
}

fn remember(language: &str, text: &str, lines: Vec<Arc<CodeLine>>) {
    MEMORY.with_borrow_mut(|memory| {
        let key = key(language, text);
        if memory.lines.insert(key, lines).is_none() {
            memory.order.push_back(key);
        }
        if memory.order.len() > REMEMBERED_BLOCKS
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.lines.remove(&oldest);
        }
    });
}
