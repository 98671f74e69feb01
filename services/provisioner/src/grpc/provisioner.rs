//! `rbee.provisioner.v1.ProvisionerService`.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use rbee_artifacts::{JobId, ModelId};
use rbee_proto::provisioner::v1::provisioner_service_server::ProvisionerService;
use rbee_proto::provisioner::v1::{
    CancelJobRequest, CancelJobResponse, CollectGarbageRequest, CollectGarbageResponse, GetJobRequest,
    GetJobResponse, ImportModelRequest, ImportModelResponse, ImportWorkerBinaryRequest,
    ImportWorkerBinaryResponse, InstallWorkerRequest, InstallWorkerResponse, Job, ListCredentialsRequest,
    ListCredentialsResponse, ListJobsRequest, ListJobsResponse, ListWorkerPackagesRequest,
    ListWorkerPackagesResponse, ProvisionModelRequest, ProvisionModelResponse, ResolveModelRequest,
    ResolveModelResponse, SearchModelsRequest, SearchModelsResponse, SetCredentialRequest,
    SetCredentialResponse, VerifyModelsRequest, VerifyModelsResponse, WatchJobRequest, WatchJobResponse,
};
use rbee_service_kit::Fault;
use rbee_wire::required_worker_type;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
#[cfg(unix)]
use tonic::transport::server::UdsConnectInfo;
use tonic::{Extensions, Request, Response, Status};

use super::convert::{import_mode_from_wire, job_to_wire};
use super::{CatalogClient, Retry, status};
use crate::domain::request::JobRequest;
use crate::jobs::{JobHandle, Jobs};
use crate::source::{ImportRoots, Peer};

/// Where programs come from that a client installs from a file.
const FROM_FILE: &str = "file";

pub(crate) struct ProvisionerRpc {
    pub(crate) jobs: Jobs,
    pub(crate) catalog: CatalogClient,
    pub(crate) import_roots: ImportRoots,
    pub(crate) shutdown: CancellationToken,
}

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl ProvisionerRpc {
    async fn resolve(&self, source_path: &str, peer: Peer) -> Result<PathBuf, Fault> {
        let (roots, path) = (self.import_roots.clone(), PathBuf::from(source_path));
        tokio::task::spawn_blocking(move || roots.resolve(&path, peer))
            .await
            .map_err(|_| Fault::shutting_down())?
            .map_err(|error| status::source(&error))
    }

    /// Refuses what is plainly another file of the same name, before a job reads it for minutes. What
    /// can't be told now is told by the job.
    async fn refuse_other_size(&self, source: &Path, model_id: &ModelId) -> Result<(), Fault> {
        let Ok(metadata) = tokio::fs::metadata(source).await else {
            return Ok(());
        };
        match self.catalog.model(model_id, Retry::Never).await {
            Ok(Some(model)) if metadata.is_file() && model.entry.size_bytes != metadata.len() => {
                Err(status::exists(model_id))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, id: &str) -> Result<JobHandle, Fault> {
        let found = id.parse::<JobId>().ok().and_then(|id| self.jobs.get(&id));
        found.ok_or_else(|| status::job_not_found(id))
    }

    /// The job as it is now, then as it goes on, until it ends or the service does.
    fn follow<T: Send + 'static>(&self, job: &JobHandle, wrap: fn(Job) -> T) -> Answers<T> {
        let shutdown = self.shutdown.clone();
        let updates = WatchStream::new(job.updates()).map(move |job| Ok(wrap(job_to_wire(&job))));
        let end = stream::once(async move {
            // A job that ended ends its stream; a service that leaves says so.
            shutdown
                .is_cancelled()
                .then(|| Err(Fault::shutting_down().into()))
        });
        let leaving = self.shutdown.clone().cancelled_owned();
        Box::pin(
            updates
                .take_until(leaving)
                .chain(end.filter_map(std::future::ready)),
        )
    }
}

/// Where a call comes from. One that can't be told is not trusted.
fn peer(extensions: &Extensions) -> Peer {
    #[cfg(unix)]
    if extensions.get::<UdsConnectInfo>().is_some() {
        return Peer::Local;
    }
    match extensions
        .get::<TcpConnectInfo>()
        .and_then(TcpConnectInfo::remote_addr)
    {
        Some(address) if address.ip().to_canonical().is_loopback() => Peer::Local,
        _ => Peer::Remote,
    }
}

/// What the user calls the file: the last part of the path as it was given.
fn file_name(source_path: &str) -> String {
    let name = Path::new(source_path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[tonic::async_trait]
impl ProvisionerService for ProvisionerRpc {
    type ImportModelStream = Answers<ImportModelResponse>;

    async fn import_model(
        &self,
        request: Request<ImportModelRequest>,
    ) -> Result<Response<Self::ImportModelStream>, Status> {
        let peer = peer(request.extensions());
        let ImportModelRequest {
            source_path,
            name,
            mode,
        } = request.into_inner();
        let mode = import_mode_from_wire(mode).ok_or_else(|| Fault::invalid("mode", "is not a mode"))?;
        let model_id = ModelId::local(&name).map_err(|error| status::invalid_name(&error))?;
        let source = self.resolve(&source_path, peer).await?;
        self.refuse_other_size(&source, &model_id).await?;
        let request = JobRequest::ImportModel {
            source,
            file_name: file_name(&source_path),
            model_id,
            mode,
        };
        let job = self
            .jobs
            .submit(request)
            .map_err(|error| status::refusal(&error))?;
        Ok(Response::new(
            self.follow(&job, |job| ImportModelResponse { job: Some(job) }),
        ))
    }

    type ImportWorkerBinaryStream = Answers<ImportWorkerBinaryResponse>;

    async fn import_worker_binary(
        &self,
        request: Request<ImportWorkerBinaryRequest>,
    ) -> Result<Response<Self::ImportWorkerBinaryStream>, Status> {
        let peer = peer(request.extensions());
        let ImportWorkerBinaryRequest {
            source_path,
            worker_type,
        } = request.into_inner();
        let worker_type = required_worker_type("worker_type", worker_type)
            .map_err(|error| Fault::invalid(error.field, "must be a worker type"))?;
        let source = self.resolve(&source_path, peer).await?;
        let request = JobRequest::ImportWorkerBinary {
            source,
            worker_type,
            origin: FROM_FILE.to_owned(),
        };
        let job = self
            .jobs
            .submit(request)
            .map_err(|error| status::refusal(&error))?;
        Ok(Response::new(self.follow(&job, |job| {
            ImportWorkerBinaryResponse { job: Some(job) }
        })))
    }

    async fn resolve_model(
        &self,
        _request: Request<ResolveModelRequest>,
    ) -> Result<Response<ResolveModelResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    type ProvisionModelStream = Answers<ProvisionModelResponse>;

    async fn provision_model(
        &self,
        _request: Request<ProvisionModelRequest>,
    ) -> Result<Response<Self::ProvisionModelStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn search_models(
        &self,
        _request: Request<SearchModelsRequest>,
    ) -> Result<Response<SearchModelsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn set_credential(
        &self,
        _request: Request<SetCredentialRequest>,
    ) -> Result<Response<SetCredentialResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_credentials(
        &self,
        _request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    type InstallWorkerStream = Answers<InstallWorkerResponse>;

    async fn install_worker(
        &self,
        _request: Request<InstallWorkerRequest>,
    ) -> Result<Response<Self::InstallWorkerStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_worker_packages(
        &self,
        _request: Request<ListWorkerPackagesRequest>,
    ) -> Result<Response<ListWorkerPackagesResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    type VerifyModelsStream = Answers<VerifyModelsResponse>;

    async fn verify_models(
        &self,
        _request: Request<VerifyModelsRequest>,
    ) -> Result<Response<Self::VerifyModelsStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn collect_garbage(
        &self,
        _request: Request<CollectGarbageRequest>,
    ) -> Result<Response<CollectGarbageResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        let job = self.find(&request.into_inner().id)?.job();
        Ok(Response::new(GetJobResponse {
            job: Some(job_to_wire(&job)),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let ListJobsRequest { active_only } = request.into_inner();
        let jobs = self.jobs.list();
        let shown = jobs.iter().filter(|job| !active_only || !job.state.has_ended());
        Ok(Response::new(ListJobsResponse {
            jobs: shown.map(job_to_wire).collect(),
        }))
    }

    type WatchJobStream = Answers<WatchJobResponse>;

    async fn watch_job(
        &self,
        request: Request<WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let job = self.find(&request.into_inner().id)?;
        Ok(Response::new(
            self.follow(&job, |job| WatchJobResponse { job: Some(job), output_lines: Vec::new() }),
        ))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let job = self.find(&request.into_inner().id)?;
        job.cancel();
        Ok(Response::new(CancelJobResponse {
            job: Some(job_to_wire(&job.job())),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        let remote_addr = Some(address.parse().unwrap());
        extensions.insert(TcpConnectInfo {
            local_addr: None,
            remote_addr,
        });
        extensions
    }

    #[test]
    fn only_this_machine_is_local() {
        assert_eq!(peer(&tcp("127.0.0.1:5000")), Peer::Local);
        assert_eq!(peer(&tcp("[::1]:5000")), Peer::Local);
        assert_eq!(peer(&tcp("[::ffff:127.0.0.1]:5000")), Peer::Local);
        assert_eq!(peer(&tcp("10.0.0.7:5000")), Peer::Remote);
        assert_eq!(
            peer(&Extensions::new()),
            Peer::Remote,
            "who can't be told is not trusted"
        );
    }

    async fn service(folder: &Path, import_roots: Vec<PathBuf>) -> ProvisionerRpc {
        let lifecycle = rbee_service_kit::Lifecycle::new();
        // Nobody listens there; these tests end before anybody calls.
        let target = rbee_service_kit::Target {
            address: "http://127.0.0.1:9".into(),
            token: None,
        };
        let patience = std::time::Duration::ZERO;
        let catalog = CatalogClient::new(target.connect_lazy().unwrap(), patience);
        let importer = crate::import::Importer {
            store: rbee_store::Store::open(folder.join("store").to_str().unwrap())
                .await
                .unwrap(),
            catalog: catalog.clone(),
            version_timeout: patience,
        };
        let limits = crate::domain::board::BoardLimits { active: 4, ended: 4 };
        ProvisionerRpc {
            jobs: Jobs::new(limits, 1, importer, &lifecycle),
            catalog,
            import_roots: ImportRoots::new(import_roots),
            shutdown: lifecycle.token(),
        }
    }

    #[tokio::test]
    async fn another_machine_imports_from_the_roots_only() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        let service = service(folder.path(), vec![open.clone()]).await;
        let ask = async |path: PathBuf| {
            let source_path = path.display().to_string();
            let request = ImportModelRequest {
                source_path,
                name: "m".into(),
                mode: 0,
            };
            let (_, _, message) = Request::new(request).into_parts();
            service
                .import_model(Request::from_parts(
                    Default::default(),
                    tcp("10.0.0.7:5000"),
                    message,
                ))
                .await
        };
        let refused = ask(folder.path().join("m.gguf")).await.err().unwrap();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert!(rbee_service_kit::RemoteFault::from(&refused).is("IMPORT_NOT_ALLOWED"));
        assert!(ask(open.join("m.gguf")).await.is_ok());

        let source_path = "/bin/sh".to_owned();
        let request = ImportWorkerBinaryRequest {
            source_path,
            worker_type: 1,
        };
        let refused = service
            .import_worker_binary(Request::new(request))
            .await
            .err()
            .unwrap();
        assert!(rbee_service_kit::RemoteFault::from(&refused).is("IMPORT_NOT_ALLOWED"));
    }
}
