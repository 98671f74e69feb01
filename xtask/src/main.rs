//! `cargo xtask`: builds, tests, demonstrates and tidies the workspace.
//!
//! | command | does |
//! |---|---|
//! | `cargo xtask demo` | a whole cluster on this machine, and the window with text and pictures side by side |
//! | `cargo xtask demo --headless` | the same without a window: one question, one streaming answer, one picture |
//! | `cargo xtask test` | everything CI checks; `.ci/run` calls exactly this |
//! | `cargo xtask bench download` | how fast something is, beside what people would use instead |
//! | `cargo xtask test --all` | that, and the store on an S3 server, which is built first |
//! | `cargo xtask test --docker` | what CI checks, and a cluster of three hosts in containers, one of which fails |
//! | `cargo xtask dist` | what people install: a tarball, a Debian package, checksums |
//! | `cargo xtask fidelity llm` | whether the text worker says the same as the references |
//! | `cargo xtask keeper-shots` | pictures of the real window in its states, light and dark |
//! | `cargo xtask fixtures` | fetches the real models that the demo and the tests use |
//! | `cargo xtask tidy` | the house rules that no other tool checks |
//!
//! Everything is plain blocking code: a build tool has nothing to do while it waits.

mod bench;
mod demo;
mod dist;
mod docker;
mod fidelity;
mod fixtures;
mod interrupt;
mod kubernetes;
mod process;
mod s3_server;
mod shots;
mod system;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::interrupt::Interrupted;
use crate::workspace::Workspace;

/// Builds, tests, demonstrates and tidies the rbee workspace.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a whole cluster on this machine and opens the window; or streams the answer to a prompt without one.
    Demo(demo::Arguments),
    /// Installs what the tests need and runs all of them: what CI runs.
    Test(test::Arguments),
    /// Measures.
    Bench(bench::Arguments),
    /// Builds the programs in release and packs them: a tarball, a Debian package, checksums.
    Dist(dist::Arguments),
    /// Compares with golden data of other implementations.
    Fidelity(fidelity::Arguments),
    /// Takes pictures of the real window in its states, light and dark.
    KeeperShots(shots::Arguments),
    /// Fetches the real models of the demo and the tests into the user's cache.
    Fixtures(fixtures::Arguments),
    /// Checks the house rules: error pages, links, dependencies, paths, file sizes.
    Tidy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Workspace::find().and_then(|workspace| match &arguments.command {
        Command::Demo(arguments) => demo::run(&workspace, arguments),
        Command::Test(arguments) => test::run(&workspace, arguments),
        Command::Bench(arguments) => bench::run(&workspace, arguments),
        Command::Dist(arguments) => dist::run(&workspace, arguments),
        Command::Fidelity(arguments) => fidelity::run(&workspace, arguments),
        Command::KeeperShots(arguments) => shots::run(&workspace, arguments),
        Command::Fixtures(arguments) => fixtures::run(&workspace, arguments),
        Command::Tidy => tidy::run(&workspace),
    });
    match done {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("cargo xtask: interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
