//! `rbee status`.

use rbee_proto::provisioner::v1::ListJobsRequest;
use rbee_proto::types::v1::Model;

use super::Session;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::render::{hives, human, lists, table::Table, views, workers};

/// Shows the cluster on one screen.
pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let mut provisioner = cluster.provisioner();
    let jobs = async {
        let answer = provisioner.list_jobs(ListJobsRequest { active_only: true }).await;
        Ok(answer.doing(|| "can't list the jobs".into())?.into_inner().jobs)
    };
    // Each is a short call; what fails first is what the user is told.
    let (hives, workers, models, jobs) = tokio::try_join!(
        cluster.all_hives(),
        cluster.all_workers(),
        cluster.all_models(),
        jobs
    )?;

    let output = session.output;
    if output.json {
        output.document(&views::Status {
            server: cluster.address(),
            hives: hives.iter().map(views::Hive::from).collect(),
            models: models.iter().map(views::Model::from).collect(),
            workers: workers.iter().map(views::Worker::from).collect(),
            jobs: jobs.iter().map(views::Job::from).collect(),
        })?;
        return Ok(());
    }

    let now = human::now();
    let mut screen = format!("{} {}\n", output.paint.strong("server"), cluster.address());
    let mut section = |title: &str, table: Option<Table>, if_empty: &str| {
        screen.push_str(&format!("\n{}\n", output.paint.strong(title)));
        match table {
            Some(table) => screen.push_str(&table.render(output.paint)),
            None => screen.push_str(&format!("{}\n", output.paint.faint(if_empty))),
        }
    };
    let full = |empty: bool, table: &dyn Fn() -> Table| (!empty).then(table);
    section(
        "hives",
        full(hives.is_empty(), &|| hives::table(&hives, &workers, &now)),
        "none: `rbee up` starts one",
    );
    let no_devices = hives.iter().all(|hive| hive.devices.is_empty());
    section("devices", full(no_devices, &|| hives::devices(&hives)), "none");
    section(
        "models",
        full(models.is_empty(), &|| lists::models(&models, &now)),
        super::model::NONE,
    );
    let counted = workers::counts(&workers);
    section(
        if workers.is_empty() { "workers" } else { &counted },
        full(workers.is_empty(), &|| workers::table(&workers, &hives, &now)),
        &no_workers(&models),
    );
    if !jobs.is_empty() {
        section("jobs", Some(lists::jobs(&jobs, &now)), "");
    }
    Ok(output.text(&screen)?)
}

/// What stands where no worker runs: how to start one of a model that is there.
pub(super) fn no_workers(models: &[Model]) -> String {
    let model = models.first().map_or("MODEL", |model| model.id.as_str());
    format!("none: `rbee worker spawn {model} --type cpu-llm --device cpu:0` starts one")
}
