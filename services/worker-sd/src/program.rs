//! The program: arguments → token → telemetry → run.

use std::process::ExitCode;

use clap::Parser as _;
use rbee_worker_kit::program;

use crate::config::{Arguments, PROGRAM};
use crate::service;

/// Serves until told to leave.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(PROGRAM, &arguments.worker.telemetry, async |token, around| {
        service::run(&arguments, token, around).await
    })
}
