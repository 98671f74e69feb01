//! The program: arguments → token → telemetry → run. It is its own helper for chat templates, too.

use std::process::ExitCode;

use clap::Parser as _;
use rbee_worker_kit::program;

use crate::config::{Arguments, PROGRAM};
use crate::service;
use crate::text::template::apart;

/// Serves until told to leave.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == apart::ARGUMENT)
    {
        return apart::main();
    }
    let arguments = Arguments::parse();
    if let Err(error) = apart::Renderers::install_own_program() {
        eprintln!("{PROGRAM}: cannot find its own program: {error}");
        return ExitCode::FAILURE;
    }
    program::run(PROGRAM, &arguments.worker.telemetry, async |token, around| {
        service::run(&arguments, token, around).await
    })
}
