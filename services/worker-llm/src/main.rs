//! The CPU build of the text worker.

use std::process::ExitCode;

use clap::Parser as _;
use llm_worker_rbee::config::{Arguments, PROGRAM};
use llm_worker_rbee::service;
use rbee_worker_kit::program;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(PROGRAM, &arguments.worker.telemetry, async |token, around| {
        service::run(&arguments, token, around).await
    })
}
