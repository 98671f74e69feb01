//! The helper's side: a process that compiles and renders, and nothing else.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::time::{ClockId, clock_gettime};

use super::super::error::Trouble;
use super::super::rendering::Rendering;
use super::wire::{self, Answer, ReadRequest};

/// The first argument of a program that is started to render.
pub const ARGUMENT: &str = "--render-templates";

/// Memory of a helper. The largest conversation that a request may bring, as values, marked values and prompt, takes
/// about half.
const MEMORY_BYTES: u64 = 384 << 20;

/// What compiling or rendering once may take of a processor. Real templates take some milliseconds.
const CPU_TIME: Duration = Duration::from_secs(1);

/// How often it is looked whether that is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Templates that are kept.
const MOST_TEMPLATES: usize = 4;

/// No request is being answered.
const AT_REST: u64 = u64::MAX;

/// Answers requests on standard input, which is a socket, until the other side leaves.
#[must_use]
pub fn main() -> ExitCode {
    match serve() {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn serve() -> Option<()> {
    bound_memory()?;
    let socket = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut socket = UnixStream::from(socket);
    let watch = Watch::start()?;
    let mut templates = Templates::default();
    while let Some(request) = wire::receive(&mut socket, None).ok()? {
        watch.begin();
        let answer = match serde_json::from_slice(&request) {
            Ok(request) => templates.answer(request),
            Err(_) => return None,
        };
        let answer = answer.written();
        watch.end();
        // Whoever takes longer to read than that has given up.
        wire::send(&mut socket, &answer, Instant::now() + super::DEADLINE).ok()?;
    }
    Some(())
}

/// Has the kernel refuse more memory, and write none of it down when that ends the process.
fn bound_memory() -> Option<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).ok()?;
    let bounded = setrlimit(Resource::RLIMIT_DATA, MEMORY_BYTES, MEMORY_BYTES);
    // Other systems do not count so; there the time alone bounds it.
    (bounded.is_ok() || !cfg!(target_os = "linux")).then_some(())
}

/// The templates that were used last.
#[derive(Default)]
struct Templates {
    known: VecDeque<(u64, Result<Rendering, Trouble>)>,
}

impl Templates {
    fn answer(&mut self, request: ReadRequest) -> Answer {
        let number = request.number;
        if let Some([source, bos_token, eos_token]) = request.source {
            let compiled = Rendering::compile(&source, bos_token, eos_token);
            self.known.retain(|(known, _)| *known != number);
            self.known.truncate(MOST_TEMPLATES - 1);
            self.known.push_front((number, compiled));
        }
        let Some((_, compiled)) = self.known.iter().find(|(known, _)| *known == number) else {
            return Answer::UnknownTemplate;
        };
        let answer = match (compiled, request.values) {
            (Err(trouble), _) => Err(trouble.clone()),
            (Ok(template), None) => Ok(Answer::Compiled {
                reads_tools: template.reads_tools(),
            }),
            (Ok(template), Some(values)) => values
                .into_values()
                .ok_or(Trouble::TooMuchWork)
                .and_then(|values| template.render(&values))
                .map(Answer::Text),
        };
        answer.unwrap_or_else(Answer::Trouble)
    }
}

/// Ends the process when a request takes too much of the processor.
struct Watch {
    /// The process's computing time at the begin of a request, in nanoseconds.
    begun: Arc<AtomicU64>,
}

impl Watch {
    fn start() -> Option<Self> {
        let begun = Arc::new(AtomicU64::new(AT_REST));
        let watched = Arc::clone(&begun);
        let watch = move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                let begun = watched.load(Ordering::Relaxed);
                let took = computed().saturating_sub(begun);
                if begun != AT_REST && u128::from(took) > CPU_TIME.as_nanos() {
                    std::process::exit(1);
                }
            }
        };
        std::thread::Builder::new().spawn(watch).ok()?;
        Some(Self { begun })
    }

    fn begin(&self) {
        self.begun.store(computed(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.begun.store(AT_REST, Ordering::Relaxed);
    }
}

/// Computing time of the process so far, in nanoseconds.
fn computed() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0))
}
