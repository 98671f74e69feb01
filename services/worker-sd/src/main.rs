//! The CPU build of the image worker.

use std::process::ExitCode;

use clap::Parser as _;
use rbee_worker_kit::program;
use sd_worker_rbee::config::{Arguments, PROGRAM};
use sd_worker_rbee::service;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(PROGRAM, &arguments.worker.telemetry, async |token, around| {
        service::run(&arguments, token, around).await
    })
}
