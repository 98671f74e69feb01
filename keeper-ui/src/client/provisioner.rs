//! Calls of the provisioner: hubs, downloads, imports, installations; and the task that follows its jobs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rbee_proto::catalog::v1::{DeleteModelRequest, ListWorkerBinariesRequest};
use rbee_proto::provisioner::v1::{
    CancelJobRequest, ImportModelRequest, InstallWorkerRequest, Job as ToldJob, ListJobsRequest,
    ListWorkerPackagesRequest, ProvisionModelRequest, ResolveModelRequest, VerifyModelsRequest,
    WatchJobRequest,
};
use tokio::sync::{Notify, mpsc};
use tonic::{Status, Streaming};

use super::cluster::Cluster;
use super::convert::provisioner as convert;
use super::failure::Failure;
use crate::model::downloads::DownloadsEvent;
use crate::model::ids::{JobId, ModelId};
use crate::model::import::{ImportDraft, ImportMode};
use crate::model::marketplace::{Filters, Hub, OfferPage, Package, Plan};

/// How often jobs that others began are looked for: the provisioner tells of a job, but not that there is one.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// What the window hears of jobs.
pub type Event = DownloadsEvent<Failure>;

/// Searches a hub.
///
/// # Errors
/// What the hub or the provisioner refuses.
pub async fn search(
    cluster: &Cluster,
    hub: Hub,
    filters: &Filters,
    page: Option<String>,
) -> Result<OfferPage, Failure> {
    let Some(request) = convert::search(hub, filters, page) else {
        return Ok(OfferPage {
            offers: Vec::new(),
            next: None,
        });
    };
    Ok(convert::page(
        cluster.provisioner().search_models(request).await?.into_inner(),
    ))
}

/// Asks what a download would be.
///
/// # Errors
/// What the hub or the provisioner refuses.
pub async fn resolve(cluster: &Cluster, model: String) -> Result<Plan, Failure> {
    let answer = cluster
        .provisioner()
        .resolve_model(ResolveModelRequest { model_id: model })
        .await?;
    let resolution = answer.into_inner().resolution;
    resolution
        .map(convert::plan)
        .ok_or_else(|| Failure::new("The provisioner answered with nothing."))
}

/// The worker programs that can be installed, and which versions of them are.
///
/// # Errors
/// If the package index can't be read.
pub async fn packages(cluster: &Cluster) -> Result<Vec<Package>, Failure> {
    let answer = cluster
        .provisioner()
        .list_worker_packages(ListWorkerPackagesRequest {})
        .await?;
    let request = ListWorkerBinariesRequest {
        page_size: 1000,
        ..Default::default()
    };
    let binaries = cluster
        .worker_binaries()
        .list_worker_binaries(request)
        .await?
        .into_inner()
        .worker_binaries;
    Ok(answer
        .into_inner()
        .packages
        .into_iter()
        .map(|package| convert::package(package, &binaries))
        .collect())
}

/// Begins to download a model; the job is followed by [`follow_jobs`].
///
/// # Errors
/// What refuses it before there is a job.
pub async fn download(cluster: &Cluster, model: String) -> Result<(), Failure> {
    let answer = cluster
        .provisioner()
        .provision_model(ProvisionModelRequest { model_id: model })
        .await?;
    first(answer.into_inner()).await
}

/// Begins to install a worker program from its package.
///
/// # Errors
/// What refuses it before there is a job.
pub async fn install(cluster: &Cluster, package: String) -> Result<(), Failure> {
    let request = InstallWorkerRequest {
        package,
        ..Default::default()
    };
    first(cluster.provisioner().install_worker(request).await?.into_inner()).await
}

/// Begins to import a file of the provisioner's own host.
///
/// # Errors
/// What refuses it before there is a job.
pub async fn import(cluster: &Cluster, draft: &ImportDraft) -> Result<(), Failure> {
    use rbee_proto::provisioner::v1::ImportMode as Told;
    let mode = match draft.mode {
        ImportMode::LinkOrCopy => Told::Unspecified,
        ImportMode::Copy => Told::Copy,
        ImportMode::InPlace => Told::InPlace,
    };
    let request = ImportModelRequest {
        source_path: draft.path.clone(),
        name: draft.name.clone(),
        mode: mode.into(),
    };
    first(cluster.provisioner().import_model(request).await?.into_inner()).await
}

/// Begins to read a model's files anew.
///
/// # Errors
/// What refuses it before there is a job.
pub async fn verify(cluster: &Cluster, model: &ModelId) -> Result<(), Failure> {
    let request = VerifyModelsRequest {
        model_ids: vec![model.to_string()],
    };
    first(cluster.provisioner().verify_models(request).await?.into_inner()).await
}

/// Ends a job; with `discard`, what there is of a download goes as well.
///
/// # Errors
/// If the provisioner does not know the job.
pub async fn cancel(cluster: &Cluster, job: &JobId, discard: bool) -> Result<(), Failure> {
    cluster
        .provisioner()
        .cancel_job(CancelJobRequest {
            id: job.to_string(),
            discard,
        })
        .await?;
    Ok(())
}

/// Takes a model out of the catalog.
///
/// # Errors
/// What the catalog refuses.
pub async fn remove(cluster: &Cluster, model: &ModelId) -> Result<(), Failure> {
    cluster
        .models()
        .delete_model(DeleteModelRequest {
            id: model.to_string(),
        })
        .await?;
    Ok(())
}

/// Waits until there is a job. It goes on when the stream is left.
async fn first<T>(mut stream: Streaming<T>) -> Result<(), Failure> {
    stream.message().await?;
    Ok(())
}

/// Finds the provisioner's jobs and follows those that run, for as long as somebody listens.
///
/// `look` is notified when there may be a new one. Where the provisioner does not answer, it is asked again: the
/// connection's own watches say that it is lost.
pub async fn follow_jobs(cluster: Cluster, events: mpsc::Sender<Event>, look: Arc<Notify>) {
    let mut followed = HashSet::new();
    let mut following = FuturesUnordered::new();
    while !events.is_closed() {
        if let Ok(jobs) = list(&cluster).await {
            for job in &jobs {
                if !convert::job(job.clone()).state.has_ended() && followed.insert(job.id.clone()) {
                    following.push(follow(cluster.clone(), job.id.clone(), events.clone()));
                }
            }
            let jobs = jobs.into_iter().map(convert::job).collect();
            if events.send(Event::Listed(jobs)).await.is_err() {
                return;
            }
        }
        // Cancel safety: the set of the followed loses nothing when `next` is dropped, and `notified` keeps its permit.
        tokio::select! {
            Some(ended) = following.next(), if !following.is_empty() => {
                followed.remove(&ended);
            }
            () = look.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = events.closed() => return,
        }
    }
}

async fn list(cluster: &Cluster) -> Result<Vec<ToldJob>, Status> {
    Ok(cluster
        .provisioner()
        .list_jobs(ListJobsRequest::default())
        .await?
        .into_inner()
        .jobs)
}

/// Tells of one job until it ends or can't be followed; gives its id back.
async fn follow(cluster: Cluster, id: String, events: mpsc::Sender<Event>) -> String {
    let request = WatchJobRequest { id: id.clone() };
    let Ok(answer) = cluster.provisioner().watch_job(request).await else {
        return id;
    };
    let mut stream = answer.into_inner();
    while let Ok(Some(told)) = stream.message().await {
        let Some(job) = told.job else { continue };
        let event = Event::Progress(Box::new(convert::job(job)), told.output_lines);
        if events.send(event).await.is_err() {
            break;
        }
    }
    id
}
