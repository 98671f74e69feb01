//! From a command line to an exit code: token → telemetry → run.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rbee_service_kit::{Lifecycle, reason, telemetry};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::arguments::TelemetryArguments;
use crate::process::announcer::Announcer;
use crate::process::lifeline::{Lifeline, TOKEN_WAIT};
use crate::process::{exit, parent};
use crate::service::{LoadFailure, RunError, Surroundings};

/// How long the worker may take to leave after its hive is gone, whatever it is doing.
const ABANDONED_GRACE: Duration = Duration::from_secs(2);

/// How long threads may still compute after the end; the process ends them.
const RUNTIME_GRACE: Duration = Duration::from_millis(100);

/// Runs the worker `program` to its end. `life` gets the token that callers must show.
pub fn run<E: LoadFailure>(
    program: &'static str,
    telemetry: &TelemetryArguments,
    life: impl AsyncFnOnce(SecretString, &Surroundings) -> Result<(), RunError<E>>,
) -> ExitCode {
    let around = Surroundings {
        lifecycle: Lifecycle::new(),
        abandoned: CancellationToken::new(),
        announcer: Arc::new(Announcer::new(std::io::stdout())),
    };
    match start(program, telemetry, &around, life) {
        Ok(Ok(())) => ExitCode::from(exit::LEFT),
        Ok(Err(error)) => ExitCode::from(error.exit_code()),
        Err(error) => {
            let words = format!("{error:#}");
            eprintln!("{program}: {words}");
            around.announcer.failed(reason::WORKER_START_FAILED, &words);
            ExitCode::from(exit::START_FAILED)
        }
    }
}

fn start<E: LoadFailure>(
    program: &'static str,
    telemetry: &TelemetryArguments,
    around: &Surroundings,
    life: impl AsyncFnOnce(SecretString, &Surroundings) -> Result<(), RunError<E>>,
) -> anyhow::Result<Result<(), RunError<E>>> {
    parent::leave_with_parent().context("cannot ask the system to end this process with its parent")?;
    let token = lifeline(around)?.token(TOKEN_WAIT)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // They move messages between the engine and sockets; computing has threads of its own.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let telemetry = telemetry::init(program, &telemetry.config())?;
        around
            .lifecycle
            .shut_down_on_signals()
            .context("cannot listen for signals")?;
        let result = life(token, around).await;
        tokio::task::spawn_blocking(|| telemetry.flush()).await?;
        Ok(result)
    });
    // A load or a template that still runs must not hold up the exit.
    runtime.shutdown_timeout(RUNTIME_GRACE);
    result
}

/// Reads the token, and leaves when stdin ends: at once, and if that takes too long, by force.
fn lifeline(around: &Surroundings) -> anyhow::Result<Lifeline> {
    let around = around.clone();
    let leave = move || {
        around.abandoned.cancel();
        around.lifecycle.shutdown();
        std::thread::sleep(ABANDONED_GRACE);
        std::process::exit(exit::LEFT.into());
    };
    Lifeline::open(std::io::stdin(), leave).context("cannot read stdin")
}
