//! `rbee model` and `rbee job`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// About models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Bring in a model file that lies on the server's host
    Import(ImportArgs),
    /// List the models
    #[command(visible_alias = "list")]
    Ls,
    /// Show all that is known of a model
    Show {
        /// Model id, such as `local:qwen`
        id: String,
    },
    /// Remove models from the catalog
    Rm {
        /// Model ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Don't ask first
        #[arg(long, short)]
        yes: bool,
    },
}

/// Which file, and how it gets into the store.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file (GGUF)
    pub(crate) file: PathBuf,
    /// Name to give it; the model's id becomes `local:NAME`
    #[arg(long)]
    pub(crate) name: String,
    /// Always copy the file (by default it is hard-linked where that is possible)
    #[arg(long, conflicts_with = "hard_link")]
    pub(crate) copy: bool,
    /// Hard-link the file, or fail
    #[arg(long)]
    pub(crate) hard_link: bool,
}

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
    /// Follow a job until it ends
    Watch {
        /// Job id, or the beginning of it
        id: String,
    },
    /// Cancel a job
    Cancel {
        /// Job id, or the beginning of it
        id: String,
    },
}
