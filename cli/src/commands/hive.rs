//! `rbee hive`.

use rbee_proto::types::v1::Worker;

use super::Session;
use crate::args::HiveCommand;
use crate::connect::{Cluster, choose_hive};
use crate::failure::Failure;
use crate::render::{cards, human, lists, views, workers};

/// Does what was asked.
pub(super) async fn run(command: HiveCommand, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let (hives, workers) = tokio::try_join!(cluster.all_hives(), cluster.all_workers())?;
    let output = session.output;
    let now = human::now();
    match command {
        HiveCommand::Ls => {
            let documents: Vec<_> = hives.iter().map(views::Hive::from).collect();
            output.list(
                &documents,
                || lists::hives(&hives, &workers, &now),
                "none: `rbee up` starts one",
            )?;
        }
        HiveCommand::Show { hive } => {
            let hive = choose_hive(&hives, Some(&hive))?;
            let workers: Vec<&Worker> = workers
                .iter()
                .filter(|worker| worker.hive_id == hive.id)
                .collect();
            if output.json {
                output.document(&views::HiveDetails::new(hive, &workers))?;
            } else {
                let mut text = cards::hive(hive, &now).render(output.paint);
                text.push_str(&format!("\n{}\n", output.paint.strong("devices")));
                text.push_str(&lists::devices(std::slice::from_ref(hive)).render(output.paint));
                if !workers.is_empty() {
                    text.push_str(&format!("\n{}\n", output.paint.strong("workers")));
                    text.push_str(&workers::table(workers, &hives, &now).render(output.paint));
                }
                output.text(&text)?;
            }
        }
    }
    Ok(())
}
