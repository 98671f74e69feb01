//! Templates in processes of their own.
//!
//! ```text
//! ChatTemplate ─ Renderers ─┬─ socket ─▶ helper: this program once more, with --render-templates
//!                           └─ socket ─▶ helper
//! ```
//!
//! A template is a program from the internet. The engine's fuel ends most that go on for ever, but not all: lists
//! that hold each other many times over are compared, joined and counted without asking for any. So the worker
//! compiles and renders none itself. A helper has bounds that hold against any program: so much memory (the kernel
//! refuses more, and the helper aborts) and so much computing time (the helper ends itself). Then the template did too much
//! work, and the next one gets a new helper.
//!
//! What holds: a helper sees one conversation at a time and keeps none; it has no token and nothing open but its socket; it ends
//! when its socket does, which no other process holds; none is kept
//! after a large one.

mod helper;
mod wire;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

pub use self::helper::{ARGUMENT, main};
use self::wire::{Answer, Request};
use super::error::Trouble;
use super::rendering::Values;

/// How long a helper may take by the clock: far more than its computing time, for it has to share the machine.
const DEADLINE: Duration = Duration::from_secs(5);

/// Helpers at the same time. Together they stay below what a worker's control group leaves beyond its estimate.
const MOST_HELPERS: usize = 2;

/// What a request or an answer may hold for its helper to be kept: more leaves it larger.
const KEPT_BYTES: usize = 1 << 20;

/// Where this process renders templates, if not here.
static OF_THIS_PROCESS: OnceLock<Arc<Renderers>> = OnceLock::new();

/// Helpers that render templates, started when they are needed.
#[derive(Debug)]
pub struct Renderers {
    program: PathBuf,
    pool: Mutex<Pool>,
    /// One has come back.
    came_back: Condvar,
}

/// Helpers that wait for work, and how many are at it.
#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Helper>,
    busy: usize,
}

/// A template that helpers know by its number.
#[derive(Debug)]
pub(super) struct Apart {
    renderers: Arc<Renderers>,
    number: u64,
    source: String,
    bos_token: String,
    eos_token: String,
}

/// Why a helper gave no answer.
#[derive(Debug)]
enum Lost {
    /// It ended, or took too long.
    Helper,
    /// There is none.
    Start(io::Error),
}

impl Renderers {
    /// Helpers of a program whose `main` calls [`main`] when its first argument is [`ARGUMENT`].
    #[must_use]
    pub fn new(program: &Path) -> Arc<Self> {
        Arc::new(Self {
            program: program.to_owned(),
            pool: Mutex::default(),
            came_back: Condvar::new(),
        })
    }

    /// Has all templates of this process rendered by helpers of a program from now on. The first call decides.
    pub fn install(program: &Path) {
        let _ = OF_THIS_PROCESS.set(Self::new(program));
    }

    /// Has all templates of this process rendered by helpers of its own program.
    ///
    /// # Errors
    /// If the system does not tell where the program is.
    pub fn install_own_program() -> io::Result<()> {
        // Linux keeps the program there even when its file was replaced.
        let own = Path::new("/proc/self/exe");
        if own.exists() {
            Self::install(own);
        } else {
            Self::install(&std::env::current_exe()?);
        }
        Ok(())
    }

    /// The helpers of this process, if it has any.
    pub(super) fn of_this_process() -> Option<Arc<Self>> {
        OF_THIS_PROCESS.get().cloned()
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer, Lost> {
        let waiting = self.take();
        let asked = waiting
            .map_or_else(|| Helper::start(&self.program).map_err(Lost::Start), Ok)
            .and_then(|helper| helper.answer(request));
        let (answer, kept) = match asked {
            Ok((answer, kept)) => (Ok(answer), kept),
            Err(lost) => (Err(lost), None),
        };
        let mut pool = self.pool.lock();
        pool.busy -= 1;
        pool.idle.extend(kept);
        self.came_back.notify_one();
        answer
    }

    /// Waits for a place, and gives the helper that waits there, if one does.
    fn take(&self) -> Option<Helper> {
        let mut pool = self.pool.lock();
        while pool.busy >= MOST_HELPERS {
            self.came_back.wait(&mut pool);
        }
        pool.busy += 1;
        // One may have ended meanwhile.
        let mut idle = pool.idle.pop()?;
        matches!(idle.process.try_wait(), Ok(None)).then_some(idle)
    }
}

impl Apart {
    /// Compiles a template, and tells whether it reads tools.
    pub(super) fn compile(
        renderers: Arc<Renderers>,
        source: &str,
        bos_token: String,
        eos_token: String,
    ) -> Result<(Self, bool), Trouble> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let template = Self {
            renderers,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            source: source.to_owned(),
            bos_token,
            eos_token,
        };
        match template.ask(None)? {
            Answer::Compiled { reads_tools } => Ok((template, reads_tools)),
            _ => Err(Trouble::TooMuchWork),
        }
    }

    pub(super) fn render(&self, values: &Values) -> Result<String, Trouble> {
        match self.ask(Some(values))? {
            Answer::Text(text) => Ok(text),
            _ => Err(Trouble::TooMuchWork),
        }
    }

    fn ask(&self, values: Option<&Values>) -> Result<Answer, Trouble> {
        let request = Request::new(
            self.number,
            [&self.source, &self.bos_token, &self.eos_token],
            values,
        );
        match self.renderers.ask(&request) {
            Ok(Answer::Trouble(trouble)) => Err(trouble),
            Ok(answer) => Ok(answer),
            Err(Lost::Helper) => Err(Trouble::TooMuchWork),
            Err(Lost::Start(error)) => Err(Trouble::NoHelper(error.to_string())),
        }
    }
}

/// A process that renders.
#[derive(Debug)]
struct Helper {
    process: Child,
    socket: UnixStream,
}

impl Helper {
    fn start(program: &Path) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        // Where libraries are, and nothing else.
        let kept = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
        let kept = kept.map(|name| (name, std::env::var_os(name)));
        let kept = kept.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let process = Command::new(program)
            .arg(OsString::from(ARGUMENT))
            .env_clear()
            .envs(kept)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, socket })
    }

    /// The answer, and the helper unless it is to end.
    fn answer(mut self, request: &Request<'_>) -> Result<(Answer, Option<Self>), Lost> {
        let sent = request.without_source();
        let mut answer = self.ask(&sent)?;
        if matches!(answer, Answer::UnknownTemplate) {
            answer = self.ask(&request.whole())?;
        }
        let is_small = sent.len().max(answer.len()) <= KEPT_BYTES;
        Ok((answer, is_small.then_some(self)))
    }

    fn ask(&mut self, request: &[u8]) -> Result<Answer, Lost> {
        let until = Instant::now() + DEADLINE;
        wire::send(&mut self.socket, request, until)
            .and_then(|()| wire::receive_answer(&mut self.socket, until))
            .map_err(|_| Lost::Helper)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
