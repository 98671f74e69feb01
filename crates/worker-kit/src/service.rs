//! The worker's life: listen, load, serve, leave.
//!
//! ```text
//! listen, NOT_SERVING ──▶ load on a thread of its own ──▶ SERVING ──▶ drain ──▶ left
//!                               │        │                   │          ▲
//!                               │        └─ failed ─▶ exit   └─ crash   │
//!                               └──────────── told to leave ────────────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rbee_service_kit::fault::Chain;
use rbee_service_kit::server::ServeError;
use rbee_service_kit::{Auth, Lifecycle, Listener, Readiness, ServerBuilder, narrate, narrate_error, reason};
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::arguments::WorkerArguments;
use crate::engine::{Engine, EngineExit};
use crate::info::{self, Identity};
use crate::loaded::{Loaded, Served};
use crate::process::announcer::Announcer;
use crate::process::exit;

/// How long the end may take when nobody is left who cares how.
const LEAVE_GRACE: Duration = Duration::from_millis(500);

/// Why a model can't be served.
pub trait LoadFailure: std::error::Error + Send + Sync + 'static {
    /// The reason that the hive passes on.
    fn reason(&self) -> &'static str;
}

/// Why a worker ended without having been told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: LoadFailure> {
    /// The socket can't be listened on.
    #[error("cannot listen on the socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The model can't be served.
    #[error(transparent)]
    Load(E),
    /// Loading panicked.
    #[error("loading {} panicked; this is a fault of the worker, its log says where", path.display())]
    LoadPanicked {
        /// The model's file.
        path: PathBuf,
    },
    /// The engine's thread ended.
    #[error("the engine failed: {message}")]
    Engine {
        /// What it said last.
        message: String,
    },
    /// The server failed.
    #[error("the worker cannot serve its socket any more")]
    Serve(#[source] ServeError),
    /// The server's task ended by a panic.
    #[error("the server failed")]
    Server(#[source] JoinError),
}

impl<E: LoadFailure> RunError<E> {
    /// The exit code that says it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. } => exit::START_FAILED,
            Self::Thread(_) | Self::Load(_) | Self::LoadPanicked { .. } => exit::LOAD_FAILED,
            Self::Engine { .. } | Self::Serve(_) | Self::Server(_) => exit::CRASHED,
        }
    }

    /// The reason that the hive passes on.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Listen { .. } | Self::Thread(_) => reason::WORKER_START_FAILED,
            Self::Load(failure) => failure.reason(),
            Self::Engine { .. } => reason::ENGINE_FAILED,
            Self::LoadPanicked { .. } | Self::Serve(_) | Self::Server(_) => reason::INTERNAL,
        }
    }
}

/// What a worker shares with the process around it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Tells the worker to leave; running requests then have the grace of the arguments to end.
    pub lifecycle: Lifecycle,
    /// Cancelled when the hive is gone: nothing is finished any more.
    pub abandoned: CancellationToken,
    /// Where the hive reads.
    pub announcer: Arc<Announcer>,
}

/// Told how far loading has come, 0 to 1.
pub type Progress = Box<dyn Fn(f64) + Send>;

/// Loads a model on a thread of its own and serves it until told to leave. Callers must show `token`.
///
/// `mount` adds the worker's own services, which find the model once it is loaded.
///
/// # Errors
/// If it can't start, can't load the model, or breaks while it serves. The hive has been told then.
pub async fn run<M: Served, E: LoadFailure>(
    arguments: &WorkerArguments,
    identity: Identity,
    token: SecretString,
    around: &Surroundings,
    mount: impl FnOnce(&mut ServerBuilder, &Loaded<M>),
    load: impl FnOnce(Progress) -> Result<M, E> + Send + 'static,
) -> Result<(), RunError<E>> {
    let result = live(arguments, identity, token, around, mount, load).await;
    match &result {
        Ok(()) => narrate!(worker_id = %arguments.worker_id, "left as told"),
        Err(error) => {
            let words = Chain(error).to_string();
            narrate_error!(worker_id = %arguments.worker_id, reason = error.reason(), "{words}");
            around.announcer.failed(error.reason(), &words);
        }
    }
    result
}

async fn live<M: Served, E: LoadFailure>(
    arguments: &WorkerArguments,
    identity: Identity,
    token: SecretString,
    around: &Surroundings,
    mount: impl FnOnce(&mut ServerBuilder, &Loaded<M>),
    load: impl FnOnce(Progress) -> Result<M, E> + Send + 'static,
) -> Result<(), RunError<E>> {
    let socket = &arguments.socket;
    let listener = Listener::unix(socket).await.map_err(|source| RunError::Listen {
        path: socket.clone(),
        source,
    })?;
    let loaded = Loaded::default();
    let mut server = ServerBuilder::new(Auth::Token(token));
    mount(&mut server, &loaded);
    info::mount(&mut server, identity, &loaded);
    let readiness = server.readiness();
    let serving = tokio::spawn({
        // A little longer than the answers have, so that those that are broken off learn why.
        let (lifecycle, grace) = (around.lifecycle.clone(), arguments.drain_grace + LEAVE_GRACE);
        async move { server.serve(listener, &lifecycle, grace).await }
    });
    let mut worker = Worker {
        arguments,
        around,
        loaded,
        readiness,
        serving,
    };
    let result = worker.work(load).await;
    worker.leave().await;
    result
}

/// A worker whose socket is open.
struct Worker<'a, M> {
    arguments: &'a WorkerArguments,
    around: &'a Surroundings,
    loaded: Loaded<M>,
    readiness: Readiness,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl<M: Served> Worker<'_, M> {
    async fn work<E: LoadFailure>(
        &mut self,
        load: impl FnOnce(Progress) -> Result<M, E> + Send + 'static,
    ) -> Result<(), RunError<E>> {
        let Some(model) = self.load(load).await? else {
            return Ok(());
        };
        let engine = model.engine().clone();
        self.loaded.set(model);
        // First the health, then the line: who reads that it is ready finds it so.
        self.readiness.set_ready().await;
        self.around.announcer.ready();
        self.serve(&engine).await?;
        self.drain(&engine).await
    }

    /// The loaded model, or none if the worker is to leave before.
    async fn load<E: LoadFailure>(
        &mut self,
        load: impl FnOnce(Progress) -> Result<M, E> + Send + 'static,
    ) -> Result<Option<M>, RunError<E>> {
        let leaving = self.around.lifecycle.token();
        let announcer = Arc::clone(&self.around.announcer);
        let path = self.arguments.model.clone();
        let progress: Progress = Box::new(move |fraction| announcer.loading(fraction));
        let loading = on_its_own_thread(path, move || load(progress));
        // Cancel safe: a load that is given up goes on without anybody waiting, and ends with the process.
        tokio::select! {
            model = loading => Ok(Some(model?)),
            () = leaving.cancelled() => Ok(None),
            ended = &mut self.serving => server_ended(ended).map(|()| None),
        }
    }

    /// Returns when it is time to leave.
    async fn serve<E: LoadFailure>(&mut self, engine: &M::Engine) -> Result<(), RunError<E>> {
        let leaving = self.around.lifecycle.token();
        // Cancel safe: each only waits.
        tokio::select! {
            exit = engine.exited() => engine_ended(exit),
            () = leaving.cancelled() => Ok(()),
            ended = &mut self.serving => server_ended(ended),
        }
    }

    /// Lets running requests end, as far as there is time.
    async fn drain<E: LoadFailure>(&self, engine: &M::Engine) -> Result<(), RunError<E>> {
        let abandoned = &self.around.abandoned;
        // Cancel safe: a drain that is given up goes on, and `abort` follows.
        let drained = tokio::select! {
            exit = engine.drain() => Some(exit),
            () = tokio::time::sleep(self.arguments.drain_grace) => None,
            () = abandoned.cancelled() => None,
        };
        match drained {
            Some(exit) => engine_ended(exit),
            // The step that runs now is not waited for any longer; it ends with the process.
            None => timeout(LEAVE_GRACE, engine.abort())
                .await
                .map_or(Ok(()), engine_ended),
        }
    }

    /// Closes the socket. Answers that are on their way go out first, for which a moment is enough.
    async fn leave(mut self) {
        self.around.lifecycle.shutdown();
        if !self.serving.is_finished() && timeout(LEAVE_GRACE, &mut self.serving).await.is_err() {
            self.serving.abort();
            // The socket's file is removed when the task is gone.
            let _ = self.serving.await;
        }
    }
}

fn engine_ended<E: LoadFailure>(exit: EngineExit) -> Result<(), RunError<E>> {
    match exit {
        EngineExit::Stopped => Ok(()),
        EngineExit::Panicked { message } => Err(RunError::Engine { message }),
    }
}

fn server_ended<E: LoadFailure>(ended: Result<Result<(), ServeError>, JoinError>) -> Result<(), RunError<E>> {
    ended.map_err(RunError::Server)?.map_err(RunError::Serve)
}

/// Loads on a thread of its own, for that computes and reads for seconds.
async fn on_its_own_thread<M: Send + 'static, E: LoadFailure>(
    path: PathBuf,
    load: impl FnOnce() -> Result<M, E> + Send + 'static,
) -> Result<M, RunError<E>> {
    let (sender, loaded) = oneshot::channel();
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            // If nobody waits any more, the process is leaving.
            let _ = sender.send(load());
        })
        .map_err(RunError::Thread)?;
    match loaded.await {
        Ok(model) => model.map_err(RunError::Load),
        Err(_) => Err(RunError::LoadPanicked { path }),
    }
}
