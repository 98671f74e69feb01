//! `rbee cluster` and `rbee token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use rbee_service_kit::server::scopes::Scope;

/// The folder of the cluster's secrets.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArg {
    /// Folder of the cluster's certificates and tokens [default: `cluster` in the data folder]
    #[arg(long, env = "RBEE_CLUSTER", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

/// About the cluster's certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a CA, certificates for hosts, and a token with which they join
    Init {
        /// A host's name or address, with further ones after commas; may be given several times [default: this host]
        #[arg(long = "host", value_name = "NAME_OR_IP[,…]")]
        hosts: Vec<String>,
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
    /// Make a certificate for a further host
    AddHost {
        /// The host's name or address, with further ones after commas
        #[arg(value_name = "NAME_OR_IP[,…]")]
        host: String,
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
    /// Renew all hosts' certificates under the same CA, with new keys; servers take them without stopping anything
    Rotate {
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
    /// Show the hosts, their names, and when certificates end
    Show {
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
}

/// About the cluster's tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: only its digest is kept
    Create {
        /// What it is called in lists
        name: String,
        /// What it may be used for: read what there is; use workers, too; operate everything
        #[arg(long, value_enum, default_value_t = ScopeArg::Use)]
        scope: ScopeArg,
        /// How long it is good, such as 30d or 12h [default: until it is revoked]
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
    /// List the tokens: their names, scopes and ends
    #[command(visible_alias = "ls")]
    List {
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
    /// Revoke a token: servers refuse it within seconds, hosts with a copy of the tokens when they get the new one
    Revoke {
        /// What it is called in lists
        name: String,
        /// Where
        #[command(flatten)]
        folder: FolderArg,
    },
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    /// See what there is and what happens
    Read,
    /// Have workers work, too
    Use,
    /// Change everything, too
    Operate,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Read => Self::Read,
            ScopeArg::Use => Self::Use,
            ScopeArg::Operate => Self::Operate,
        }
    }
}
