//! `rbee device`.

use std::time::Duration;

use futures_util::future::join_all;
use rbee_proto::hive::v1::ListDevicesRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::{Device, Hive, HiveState};

use super::Session;
use crate::args::DeviceCommand;
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::render::{hives, views};

/// How long a hive may take to answer. One that is stuck must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(3);

/// Does what was asked.
pub(super) async fn run(command: DeviceCommand, session: &Session) -> Result<(), Failure> {
    let DeviceCommand::Ls = command;
    let cluster = Cluster::connect(&session.options).await?;
    let mut hives = cluster.all_hives().await?;
    let now = join_all(hives.iter().map(|hive| ask(&cluster, hive))).await;
    for (hive, devices) in hives.iter_mut().zip(now) {
        // What a hive can't say now, the catalog has from its last heartbeat.
        hive.devices = devices.unwrap_or_else(|| std::mem::take(&mut hive.devices));
    }
    session.output.list(
        &views::devices(&hives),
        || hives::devices(&hives),
        "none: no hive has told of a device; `rbee hive ls` lists the hives",
    )?;
    Ok(())
}

/// A hive's devices as they are now; `None` if it can't be reached or does not answer in time.
async fn ask(cluster: &Cluster, hive: &Hive) -> Option<Vec<Device>> {
    if hive.state != HiveState::Ready as i32 {
        return None;
    }
    let answer = async {
        let mut client = HiveServiceClient::new(cluster.hive_channel(&hive.address).await.ok()?);
        Some(
            client
                .list_devices(ListDevicesRequest {})
                .await
                .ok()?
                .into_inner()
                .devices,
        )
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}
