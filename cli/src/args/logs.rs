//! `rbee worker logs`.

use clap::Args;

pub(super) const LOGS_EXAMPLES: &str = "\
Examples:
  rbee worker logs qwen                  the last 100 lines
  rbee worker logs qwen -f -n 0          only what comes from now on; Ctrl-C leaves
  rbee worker logs qwen -n 1000 -t       with the time when the hive read each line

On a terminal, what went to standard error is coloured. Lines of the hive itself begin with `hive:`.";

/// Which log, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Worker id, or the beginning of it
    pub(crate) id: String,
    /// Go on with the lines to come, until the worker is gone
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last lines to begin with, at most 100000
    #[arg(long, short = 'n', value_name = "LINES", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) lines: u32,
    /// Begin each line with the time when the hive read it
    #[arg(long, short)]
    pub(crate) timestamps: bool,
}
