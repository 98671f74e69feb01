//! `rbee up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use rbee_provisioner::{CivitAiArguments, HuggingFaceArguments};
use rbee_service_kit::program::{AuthArguments, TlsArguments};

/// Start a cluster on this machine. Ctrl-C ends it: workers are stopped, and nothing is left behind.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7220]
    #[arg(long, env = "RBEE_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address that others reach this cluster at, as a URL [default: where it listens, or this host's network address]
    #[arg(long, env = "RBEE_ADVERTISE", value_name = "URL")]
    pub(crate) advertise: Option<String>,
    /// Folder for models and state [default: $XDG_DATA_HOME/rbee or ~/.local/share/rbee]
    #[arg(long, env = "RBEE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file (TOML); docs/rbee.example.toml shows all settings
    #[arg(long, env = "RBEE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen on other than loopback addresses without TLS or without tokens
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    /// Speak TLS and ask for tokens, with the certificates and tokens in this folder; it is made if it isn't there
    #[arg(long, env = "RBEE_CLUSTER", value_name = "DIR")]
    pub(crate) cluster: Option<PathBuf>,
    /// Folder with worker programs to install, instead of the one that holds `rbee`
    #[arg(long, env = "RBEE_WORKER_DIR", value_name = "DIR")]
    pub(crate) worker_dir: Option<PathBuf>,
    /// Address that answers Prometheus at /metrics, such as 127.0.0.1:9464 [default: off]
    #[arg(long, env = "RBEE_METRICS", value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Devices to hide or to declare, for tests: `-cuda:1; +cuda:0,memory=24GiB,name=RTX 4090`
    #[arg(long, env = "RBEE_DEVICES", value_name = "RULES", allow_hyphen_values = true)]
    pub(crate) devices: Option<String>,
    /// End as on Ctrl-C when standard input is closed: for a program that starts a cluster that must not outlive it
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArguments,
    #[command(flatten)]
    pub(crate) auth: AuthArguments,
    #[command(flatten)]
    pub(crate) huggingface: HuggingFaceArguments,
    #[command(flatten)]
    pub(crate) civitai: CivitAiArguments,
    /// Print the configuration in effect, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}
