//! The command line: what can be asked, in clap's words.

mod chat;
mod cluster;
mod conversation;
mod health;
mod host;
mod hub;
mod image;
mod job;
mod life;
mod logs;
mod model;
mod sampling;
mod top;
mod up;
mod wants;
mod worker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use chat::{ChatArgs, CompleteArgs, EmbedArgs};
pub(crate) use cluster::{ClusterCommand, FolderArg, TokenCommand};
pub(crate) use conversation::ConversationArgs;
pub(crate) use health::HealthArgs;
pub(crate) use host::{DeviceCommand, DrainArgs, HiveCommand};
pub(crate) use hub::{HubArg, LoginArgs, LoginCommand, SearchArgs};
pub(crate) use image::{ImageArgs, ImageFormatArg, full_id};
pub(crate) use job::JobCommand;
pub(crate) use life::{RestartArgs, SetArgs, StopArgs, to_proto};
pub(crate) use logs::LogsArgs;
pub(crate) use model::{GcArgs, ImportArgs, ListArgs, ModelCommand, PullArgs};
pub(crate) use sampling::SamplingArgs;
pub(crate) use top::TopArgs;
pub(crate) use up::UpArgs;
pub(crate) use wants::WorkerWants;
pub(crate) use worker::{InstallArgs, SpawnArgs, WorkerCommand};

use crate::exit;

/// Your machines as one private inference cluster.
#[derive(Debug, Parser)]
#[command(
    name = "rbee",
    version,
    propagate_version = false,
    max_term_width = 100,
    after_long_help = exit::EXPLANATION
)]
pub(crate) struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub(crate) options: Options,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// Server to talk to
    #[arg(
        long,
        global = true,
        env = "RBEE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:7220"
    )]
    pub(crate) server: String,
    /// File that holds the server's token; the variable RBEE_TOKEN may hold the token itself
    #[arg(
        long,
        global = true,
        env = "RBEE_TOKEN_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the CA (PEM) that an https:// server's certificate must be of [default: the system's CAs]
    #[arg(long, global = true, env = "RBEE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// File with a certificate of the cluster (PEM) to show, for services
    #[arg(
        long,
        global = true,
        env = "RBEE_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key",
        hide_short_help = true
    )]
    pub(crate) client_cert: Option<PathBuf>,
    /// File with that certificate's private key (PEM)
    #[arg(
        long,
        global = true,
        env = "RBEE_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert",
        hide_short_help = true
    )]
    pub(crate) client_key: Option<PathBuf>,
    /// Answer in JSON: one document, or one line for each event of a stream
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Send traces to this OpenTelemetry collector (gRPC)
    #[arg(long, global = true, env = "RBEE_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// What to log on stderr, such as `debug` or `rbee_hive=debug,info`
    #[arg(long, global = true, env = "RBEE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster on this machine: catalog, provisioner and hive in one process
    Up(Box<UpArgs>),
    /// Show the cluster on one screen
    Status,
    /// Ask a server whether it is ready: exit code 0 if it is, 3 if nothing answers, 6 if it doesn't serve now
    Health(HealthArgs),
    /// Watch what devices and workers do, live
    #[command(after_help = top::EXAMPLES)]
    Top(TopArgs),
    /// Search, download, list, verify and remove models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Start, list, restart and stop workers; install their programs
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// Talk to a model
    Chat(Box<ChatArgs>),
    /// Continue a text
    Complete(Box<CompleteArgs>),
    /// Make pictures, or read what a picture says of how it was made
    #[command(after_help = image::EXAMPLES)]
    Image(Box<ImageArgs>),
    /// Turn texts into vectors
    Embed(EmbedArgs),
    /// Follow and cancel what brings models and worker programs in
    #[command(subcommand)]
    Job(JobCommand),
    /// Make certificates and the join token, for hosts that are reached over a network
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Make, list and revoke the tokens of the cluster's clients
    #[command(subcommand)]
    Token(TokenCommand),
    /// Keep a token for Hugging Face or CivitAI
    #[command(subcommand)]
    Login(LoginCommand),
    /// Show, empty and resume the hosts of the cluster
    #[command(subcommand)]
    Hive(HiveCommand),
    /// Show what workers can run on
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Follow what happens, line by line
    Events(EventsArgs),
    /// Print a completion script: `rbee completions bash > …`
    Completions {
        /// Shell to complete for
        shell: Shell,
    },
    /// Show what the exit codes mean
    #[command(after_help = exit::EXPLANATION)]
    ExitCodes,
    /// Show the version
    Version,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// How many past events to show first, at most 1000
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) backlog: u32,
    /// Only events that matter at least this much
    #[arg(long, value_enum, default_value_t = LevelArg::Info)]
    pub(crate) level: LevelArg,
    /// The events that a worker itself tells: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) worker: Option<String>,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    /// The course of things.
    Info,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_every_command_go_before_and_after_it() {
        for line in [
            ["rbee", "--json", "model", "ls", "--server", "http://example:1"],
            ["rbee", "--server", "http://example:1", "model", "ls", "--json"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert!(cli.options.json);
            assert_eq!(cli.options.server, "http://example:1");
        }
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn walk(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "`{path}` has no description");
                for argument in sub.get_arguments().filter(|argument| !argument.is_hide_set()) {
                    assert!(
                        argument.get_help().is_some(),
                        "`{path}`: {} has no help",
                        argument.get_id()
                    );
                }
                walk(sub, &path);
            }
        }
        walk(&Cli::command(), "rbee");
    }
}
