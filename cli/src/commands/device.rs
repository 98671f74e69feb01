//! `rbee device`.

use super::Session;
use crate::args::DeviceCommand;
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::render::{lists, views};

/// Does what was asked.
pub(super) async fn run(command: DeviceCommand, session: &Session) -> Result<(), Failure> {
    let DeviceCommand::Ls = command;
    let hives = Cluster::connect(&session.options).await?.all_hives().await?;
    session.output.list(
        &views::devices(&hives),
        || lists::devices(&hives),
        "none: no hive has told of a device; `rbee hive ls` lists the hives",
    )?;
    Ok(())
}
