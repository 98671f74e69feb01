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
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Arguments;
use crate::engine::{Engine, EngineExit};
use crate::generator::Generator;
use crate::grpc::{self, Identity, Loaded};
use crate::load::{self, LoadFailure};
use crate::process::announcer::Announcer;
use crate::process::exit;

/// How long the end may take when nobody is left who cares how.
const LEAVE_GRACE: Duration = Duration::from_millis(500);

/// Why a worker ended without having been told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The socket can't be listened on.
    #[error("cannot listen on the socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The model can't be served.
    #[error(transparent)]
    Load(#[from] LoadFailure),
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

impl RunError {
    /// The exit code that says it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. } => exit::START_FAILED,
            Self::Load(_) => exit::LOAD_FAILED,
            Self::Engine { .. } | Self::Serve(_) | Self::Server(_) => exit::CRASHED,
        }
    }

    /// The reason that the hive passes on.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Listen { .. } => reason::WORKER_START_FAILED,
            Self::Load(failure) => failure.reason(),
            Self::Engine { .. } => reason::ENGINE_FAILED,
            Self::Serve(_) | Self::Server(_) => reason::INTERNAL,
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

/// Loads the model and serves it until told to leave. Callers must show `token`.
///
/// # Errors
/// If it can't start, can't load the model, or breaks while it serves. The hive has been told then.
pub async fn run(arguments: &Arguments, token: SecretString, around: &Surroundings) -> Result<(), RunError> {
    let result = live(arguments, token, around).await;
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

async fn live(arguments: &Arguments, token: SecretString, around: &Surroundings) -> Result<(), RunError> {
    let socket = &arguments.socket;
    let listener = Listener::unix(socket).await.map_err(|source| RunError::Listen {
        path: socket.clone(),
        source,
    })?;
    let loaded = Loaded::default();
    let mut server = ServerBuilder::new(Auth::Token(token));
    grpc::mount(&mut server, identity(arguments), &loaded);
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
    let result = worker.work().await;
    worker.leave().await;
    result
}

fn identity(arguments: &Arguments) -> Identity {
    Identity {
        worker_id: arguments.worker_id.clone(),
        model_id: arguments.model_id.clone(),
        device_id: arguments.device.to_string(),
    }
}

/// A worker whose socket is open.
struct Worker<'a> {
    arguments: &'a Arguments,
    around: &'a Surroundings,
    loaded: Loaded,
    readiness: Readiness,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Worker<'_> {
    async fn work(&mut self) -> Result<(), RunError> {
        let Some(generator) = self.load().await? else {
            return Ok(());
        };
        let engine = generator.engine().clone();
        self.loaded.set(generator);
        // First the health, then the line: who reads that it is ready finds it so.
        self.readiness.set_ready().await;
        self.around.announcer.ready();
        self.serve(&engine).await?;
        self.drain(&engine).await
    }

    /// The loaded model, or none if the worker is to leave before.
    async fn load(&mut self) -> Result<Option<Generator>, RunError> {
        let leaving = self.around.lifecycle.token();
        let announcer = Arc::clone(&self.around.announcer);
        let loading = load::on_its_own_thread(self.arguments.clone(), move |fraction| {
            announcer.loading(fraction);
        });
        // Cancel safe: a load that is given up goes on without anybody waiting, and ends with the process.
        tokio::select! {
            generator = loading => Ok(Some(generator?)),
            () = leaving.cancelled() => Ok(None),
            ended = &mut self.serving => server_ended(ended).map(|()| None),
        }
    }

    /// Returns when it is time to leave.
    async fn serve(&mut self, engine: &Engine) -> Result<(), RunError> {
        let leaving = self.around.lifecycle.token();
        // Cancel safe: each only waits.
        tokio::select! {
            exit = engine.exited() => engine_ended(exit),
            () = leaving.cancelled() => Ok(()),
            ended = &mut self.serving => server_ended(ended),
        }
    }

    /// Lets running requests end, as far as there is time.
    async fn drain(&self, engine: &Engine) -> Result<(), RunError> {
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

fn engine_ended(exit: EngineExit) -> Result<(), RunError> {
    match exit {
        EngineExit::Stopped => Ok(()),
        EngineExit::Panicked { message } => Err(RunError::Engine { message }),
    }
}

fn server_ended(ended: Result<Result<(), ServeError>, JoinError>) -> Result<(), RunError> {
    ended.map_err(RunError::Server)?.map_err(RunError::Serve)
}
