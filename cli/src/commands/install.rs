//! `rbee worker install` and `rbee worker packages`.

use rbee_proto::provisioner::v1::{InstallWorkerRequest, ListWorkerPackagesRequest};
use rbee_proto::types::v1::WorkerType;

use super::Session;
use super::follow::{Manner, follow};
use crate::args::InstallArgs;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::render::{hubs, views, words};

/// Builds and installs a worker program, and shows what the build prints.
pub(super) async fn run(
    arguments: &InstallArgs,
    cluster: &Cluster,
    session: &Session,
) -> Result<(), Failure> {
    let worker_type = arguments
        .worker_type
        .map_or(WorkerType::Unspecified, WorkerType::from) as i32;
    let what = match &arguments.package {
        Some(package) => package.clone(),
        None => words::worker_type(worker_type),
    };
    let doing = || format!("can't install {what}");
    let request = InstallWorkerRequest {
        worker_type,
        package: arguments.package.clone().unwrap_or_default(),
    };
    let answer = cluster.provisioner().install_worker(request).await;
    let messages = answer.doing(doing)?.into_inner();
    let manner = Manner {
        detach: arguments.detach,
        quiet: arguments.quiet,
    };
    follow(messages, manner, session, doing).await
}

/// Lists what can be installed.
pub(super) async fn packages(cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let answer = cluster
        .provisioner()
        .list_worker_packages(ListWorkerPackagesRequest {})
        .await;
    let packages = answer
        .doing(|| "can't list the packages".into())?
        .into_inner()
        .packages;
    let documents: Vec<_> = packages.iter().map(views::WorkerPackage::from).collect();
    session.output.list(
        &documents,
        || hubs::packages(&packages),
        "none: the package index is empty (provisioner.packages.index)",
    )?;
    Ok(())
}
