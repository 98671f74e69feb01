//! What can be done to a hive as a whole.

use rbee_proto::hive::v1::{DrainRequest, ResumeRequest};

use super::cluster::Cluster;
use super::failure::Failure;

/// Empties a hive; answers when no worker's process runs there any more. They come back when it is resumed.
///
/// # Errors
/// What the hive says.
pub async fn drain(cluster: &Cluster, address: &str) -> Result<(), Failure> {
    cluster
        .hive(address)?
        .drain(DrainRequest { drain_grace: None })
        .await?;
    Ok(())
}

/// Lets a hive take workers again.
///
/// # Errors
/// What the hive says.
pub async fn resume(cluster: &Cluster, address: &str) -> Result<(), Failure> {
    cluster.hive(address)?.resume(ResumeRequest {}).await?;
    Ok(())
}
