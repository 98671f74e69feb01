//! `rbee job`.

use clap::Subcommand;

/// About jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List the jobs, newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Only those that have not ended
        #[arg(long)]
        active: bool,
    },
    /// Follow a job until it ends; Ctrl-C leaves it alone
    Watch {
        /// Job id, or the beginning of it
        id: String,
        /// Don't show what its programs print
        #[arg(long, short)]
        quiet: bool,
    },
    /// Cancel a job. A download leaves what it has, to go on from
    Cancel {
        /// Job id, or the beginning of it
        id: String,
        /// Also remove what it has downloaded so far
        #[arg(long)]
        discard: bool,
    },
}
