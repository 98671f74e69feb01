//! The part of the command line that all workers have. Everything else a worker needs comes over stdin (its
//! token) and the environment (telemetry), both from its hive.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use rbee_service_kit::config::{LogFormat, TelemetryConfig};

/// Who the worker is, what it serves and where.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArguments {
    /// Id of this worker
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub worker_id: String,
    /// Id of the model in the catalog
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub model_id: String,
    /// The model's file or folder
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// Unix socket to listen on; its folder must exist
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// How long running requests may go on after SIGTERM. A little less than a hive waits before it
    /// kills
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = humantime::parse_duration)]
    pub drain_grace: Duration,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArguments,
}

/// Logs and traces.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArguments {
    /// What is logged to stderr, such as info,llm_worker_rbee=debug
    #[arg(long, env = "RBEE_LOG", value_name = "DIRECTIVES", default_value = "info")]
    pub log: String,
    /// Log lines as JSON instead of text
    #[arg(long, env = "RBEE_LOG_JSON")]
    pub log_json: bool,
    /// OpenTelemetry collector (OTLP over gRPC) to send traces to
    #[arg(long, env = "RBEE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl TelemetryArguments {
    /// As the telemetry wants it.
    #[must_use]
    pub fn config(&self) -> TelemetryConfig {
        TelemetryConfig {
            log: self.log.clone(),
            log_format: if self.log_json {
                LogFormat::Json
            } else {
                LogFormat::Text
            },
            otlp_endpoint: self.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty()),
        }
    }
}
