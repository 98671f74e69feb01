//! `rbee hive` and `rbee device`.

use clap::{Args, Subcommand};

use super::life::Grace;

const DRAIN_EXAMPLES: &str = "\
Examples:
  rbee hive drain desk                   running answers may end first, as long as the hive is set to let them
  rbee hive drain desk --drain 5m        … for five minutes
  rbee hive drain desk --now             breaks them off
  rbee hive resume desk                  starts the same workers again

A drained hive takes no workers, also after it was started anew, until it is resumed.";

/// About hives.
#[derive(Debug, Subcommand)]
pub(crate) enum HiveCommand {
    /// List the hives
    #[command(visible_alias = "list")]
    Ls,
    /// Show one hive with its devices, their memory and the workers on them
    Show {
        /// Name or id, or the beginning of an id [default: the only one]
        hive: Option<String>,
    },
    /// Empty a hive: end its workers, and take no others until it is resumed
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(DrainArgs),
    /// Let a drained hive work again: the workers that were there come back
    Resume {
        /// Name or id, or the beginning of an id [default: the only one]
        hive: Option<String>,
    },
}

/// Which hive to empty, and how.
#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// Name or id, or the beginning of an id [default: the only one]
    pub(crate) hive: Option<String>,
    /// How long running answers may go on
    #[command(flatten)]
    pub(crate) grace: Grace,
}

/// About devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the devices of all hives
    #[command(visible_alias = "list")]
    Ls,
}
