//! `rbee health`.

use std::time::Duration;

use clap::Args;

/// What to ask for, and how long to wait for the answer.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// A service's full name, such as rbee.hive.v1.HiveService [default: the whole server]
    pub(crate) service: Option<String>,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}
