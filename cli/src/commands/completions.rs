//! `rbee completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the completion script of a shell.
pub(super) fn run(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rbee", &mut script);
    Ok(output.text(&String::from_utf8_lossy(&script))?)
}
