//! `rbee worker check`.

use super::Session;
use super::everywhere::{self, Everywhere};
use crate::args::WorkerWants;
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::render::check;

/// Shows what a worker would need and where it would fit. Fails, with the exit code of a refused spawn, if
/// that is nowhere.
pub(super) async fn run(wants: &WorkerWants, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let hives = cluster.all_hives().await?;
    let Everywhere { places, refused } = everywhere::check(cluster, wants, &hives).await?;
    if session.output.json {
        session.output.document(&check::document(&places, &refused))?;
    } else {
        session
            .output
            .text(&check::text(&places, &refused, session.output.paint))?;
    }
    if places.iter().all(|place| place.fits == Some(false)) {
        return Err(check::fits_nowhere(&wants.model, &places));
    }
    Ok(())
}
