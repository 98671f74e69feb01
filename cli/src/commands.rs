//! What each command does.

mod attach;
mod chat;
mod check;
mod cluster;
mod complete;
mod completions;
mod confirm;
mod constraint;
mod device;
mod drain;
mod embed;
mod events;
mod everywhere;
mod follow;
mod generation;
mod health;
mod hive;
mod image;
mod install;
mod interrupt;
mod job;
mod keep;
mod login;
mod logs;
mod model;
mod restart;
mod search;
mod secret;
mod spawn;
mod status;
mod stop;
mod target;
mod token;
mod top;
mod up;
mod worker;

use rbee_service_kit::config::TelemetryConfig;
use rbee_service_kit::telemetry::{self, Telemetry};
use tracing::Instrument as _;

use crate::args::{Cli, Command, Options};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::Output;

/// What is logged when nothing is said: a command tells its own errors.
const QUIET: &str = "error";

/// What every command that asks a server is given.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The options of every command.
    pub(crate) options: Options,
    /// Where results go.
    pub(crate) output: Output,
}

/// Does what was asked.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    match cli.command {
        Command::Up(arguments) => up::run(&cli.options, &arguments, output).await,
        Command::Completions { shell } => completions::run(shell, output),
        Command::ExitCodes => Ok(output.line(exit::EXPLANATION)?),
        Command::Version => version(output),
        Command::Cluster(command) => cluster::run(command, output),
        Command::Token(command) => token::run(command, output),
        Command::Image(arguments) if arguments.read.is_some() => image::read(&arguments, output),
        command => {
            let telemetry = start_telemetry(&cli.options)?;
            let span = tracing::info_span!("command", otel.name = name(&command), otel.kind = "client");
            let session = Session {
                options: cli.options,
                output,
            };
            let result = ask(command, &session).instrument(span).await;
            flush(telemetry).await;
            result
        }
    }
}

async fn ask(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Status => status::run(session).await,
        Command::Health(arguments) => health::run(&arguments, session).await,
        Command::Top(arguments) => top::run(&arguments, session).await,
        Command::Model(command) => model::run(command, session).await,
        Command::Worker(command) => worker::run(command, session).await,
        Command::Chat(arguments) => chat::run(&arguments, session).await,
        Command::Complete(arguments) => complete::run(&arguments, session).await,
        Command::Image(arguments) => image::run(&arguments, session).await,
        Command::Embed(arguments) => embed::run(&arguments, session).await,
        Command::Job(command) => job::run(command, session).await,
        Command::Login(command) => login::run(command, session).await,
        Command::Hive(command) => hive::run(command, session).await,
        Command::Device(command) => device::run(command, session).await,
        Command::Events(arguments) => events::run(&arguments, session).await,
        Command::Up(_)
        | Command::Cluster(_)
        | Command::Token(_)
        | Command::Completions { .. }
        | Command::ExitCodes
        | Command::Version => {
            unreachable!("run() does what needs no server")
        }
    }
}

/// The command's name in traces.
fn name(command: &Command) -> &'static str {
    match command {
        Command::Up(_) => "rbee up",
        Command::Status => "rbee status",
        Command::Health(_) => "rbee health",
        Command::Top(_) => "rbee top",
        Command::Model(_) => "rbee model",
        Command::Worker(_) => "rbee worker",
        Command::Chat(_) => "rbee chat",
        Command::Complete(_) => "rbee complete",
        Command::Image(_) => "rbee image",
        Command::Embed(_) => "rbee embed",
        Command::Job(_) => "rbee job",
        Command::Cluster(_) => "rbee cluster",
        Command::Token(_) => "rbee token",
        Command::Login(_) => "rbee login",
        Command::Hive(_) => "rbee hive",
        Command::Device(_) => "rbee device",
        Command::Events(_) => "rbee events",
        Command::Completions { .. } => "rbee completions",
        Command::ExitCodes => "rbee exit-codes",
        Command::Version => "rbee version",
    }
}

fn version(output: Output) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if output.json {
        output.document(&serde_json::json!({ "version": version }))?;
    } else {
        output.line(&format!("rbee {version}"))?;
    }
    Ok(())
}

fn start_telemetry(options: &Options) -> Result<Telemetry, Failure> {
    let config = TelemetryConfig {
        log: options.log.clone().unwrap_or_else(|| QUIET.to_owned()),
        otlp_endpoint: options.otlp_endpoint.clone(),
        ..TelemetryConfig::default()
    };
    init_telemetry("rbee", &config)
}

/// Sets telemetry up for this process.
fn init_telemetry(service: &'static str, config: &TelemetryConfig) -> Result<Telemetry, Failure> {
    telemetry::init(service, config)
        .map_err(|error| Failure::of_error(Exit::Usage, "can't set up logs and traces", &error))
}

/// Exports the last spans. Blocks, so not on a thread of the runtime's own.
async fn flush(telemetry: Telemetry) {
    // A panic in the exporter must not hide what the command has to say.
    let _ = tokio::task::spawn_blocking(|| telemetry.flush()).await;
}
