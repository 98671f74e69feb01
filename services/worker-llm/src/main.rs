//! The CPU build of the text worker: arguments → token → telemetry → run.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use llm_worker_rbee::config::{Arguments, PROGRAM};
use llm_worker_rbee::process::announcer::Announcer;
use llm_worker_rbee::process::lifeline::{Lifeline, TOKEN_WAIT};
use llm_worker_rbee::process::{exit, parent};
use llm_worker_rbee::service::{self, RunError, Surroundings};
use rbee_service_kit::{Lifecycle, reason, telemetry};
use tokio_util::sync::CancellationToken;

/// How long the worker may take to leave after its hive is gone, whatever it is doing.
const ABANDONED_GRACE: Duration = Duration::from_secs(2);

/// How long threads may still compute after the end; the process ends them.
const RUNTIME_GRACE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let around = Surroundings {
        lifecycle: Lifecycle::new(),
        abandoned: CancellationToken::new(),
        announcer: Arc::new(Announcer::new(std::io::stdout())),
    };
    match start(&arguments, &around) {
        Ok(Ok(())) => ExitCode::from(exit::LEFT),
        Ok(Err(error)) => ExitCode::from(error.exit_code()),
        Err(error) => {
            let words = format!("{error:#}");
            eprintln!("{PROGRAM}: {words}");
            around.announcer.failed(reason::WORKER_START_FAILED, &words);
            ExitCode::from(exit::START_FAILED)
        }
    }
}

fn start(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<Result<(), RunError>> {
    parent::leave_with_parent().context("cannot ask the system to end this process with its parent")?;
    let token = lifeline(around)?.token(TOKEN_WAIT)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // They move tokens between the engine and sockets; computing has threads of its own.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let telemetry = telemetry::init(PROGRAM, &arguments.telemetry.config())?;
        around
            .lifecycle
            .shut_down_on_signals()
            .context("cannot listen for signals")?;
        let result = service::run(arguments, token, around).await;
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
