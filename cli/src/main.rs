//! `rbee`: your machines as one private inference cluster, from the command line.
//!
//! The rooms: [`args`] is what can be asked, [`commands`] what is done then, [`connect`] the way
//! to the cluster, [`render`] what people and scripts see, [`failure`] and [`exit`] how it is told
//! that something didn't work.

mod args;
mod cluster;
mod commands;
mod config;
mod connect;
mod data_dir;
mod exit;
mod failure;
mod hints;
mod identify;
mod output;
mod render;
mod token_file;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let cli = Cli::parse();
    let output = Output::new(cli.options.json);
    let exit = match run(cli, output) {
        Ok(()) => Exit::Ok,
        // `rbee events | head -1` has shown what was wanted.
        Err(failure) if failure.reader_left => Exit::Ok,
        Err(failure) => {
            tell(&failure, output);
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of_error(Exit::Failed, "can't start", &error))?;
    let result = runtime.block_on(commands::run(cli, output));
    // A thread that still reads from the terminal must not keep the process.
    runtime.shutdown_background();
    result
}

fn tell(failure: &Failure, output: Output) {
    let text = if output.json {
        render::error::json(failure)
    } else {
        render::error::text(failure, output.remark_paint)
            .trim_end()
            .to_owned()
    };
    output::note(&text);
}
