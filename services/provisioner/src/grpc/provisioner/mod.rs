//! `rbee.provisioner.v1.ProvisionerService`: each call in a line or two; what they do is in the modules below.

mod credentials;
mod follow;
mod garbage;
mod hubs;
mod source_path;

use rbee_artifacts::{JobId, ModelId};
use rbee_proto::provisioner::v1::provisioner_service_server::ProvisionerService;
use rbee_proto::provisioner::v1::*;
use rbee_service_kit::Fault;
use rbee_wire::{required_worker_type, worker_type_from_wire};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{import_mode_from_wire, job_to_wire};
use super::status;
use crate::credentials::Credentials;
use crate::domain::request::JobRequest;
use crate::install;
use crate::jobs::{JobHandle, Jobs};
use crate::source::ImportRoots;
use crate::work::Work;
use follow::Answers;
use source_path::{file_name, peer};

/// Where programs come from that a client installs from a file.
const FROM_FILE: &str = "file";
/// Most models that one verification names; without names it reads all.
const MAX_VERIFIED: usize = 1000;

pub(crate) struct ProvisionerRpc {
    pub(crate) jobs: Jobs,
    pub(crate) work: Work,
    pub(crate) credentials: Credentials,
    pub(crate) import_roots: ImportRoots,
    pub(crate) shutdown: CancellationToken,
}

impl ProvisionerRpc {
    async fn submit(&self, request: JobRequest) -> Result<JobHandle, Fault> {
        self.jobs
            .submit(request)
            .await
            .map_err(|error| status::refusal(&error))
    }

    fn find(&self, id: &str) -> Result<JobHandle, Fault> {
        let found = id.parse::<JobId>().ok().and_then(|id| self.jobs.get(&id));
        found.ok_or_else(|| status::job_not_found(id))
    }
}

fn model_id(field: &str, text: &str) -> Result<ModelId, Fault> {
    text.parse()
        .map_err(|error| status::invalid_model_id(field, &error))
}

#[tonic::async_trait]
impl ProvisionerService for ProvisionerRpc {
    async fn resolve_model(
        &self,
        request: Request<ResolveModelRequest>,
    ) -> Result<Response<ResolveModelResponse>, Status> {
        let id = model_id("model_id", &request.into_inner().model_id)?;
        let resolution = Some(self.resolution(&id).await?);
        Ok(Response::new(ResolveModelResponse { resolution }))
    }

    type ProvisionModelStream = Answers<ProvisionModelResponse>;

    async fn provision_model(
        &self,
        request: Request<ProvisionModelRequest>,
    ) -> Result<Response<Self::ProvisionModelStream>, Status> {
        let id = model_id("model_id", &request.into_inner().model_id)?;
        let model_id = self.provisionable(&id).await?;
        let job = self.submit(JobRequest::ProvisionModel { model_id }).await?;
        Ok(Response::new(self.follow(&job, |job, _| {
            ProvisionModelResponse { job: Some(job) }
        })))
    }

    async fn search_models(
        &self,
        request: Request<SearchModelsRequest>,
    ) -> Result<Response<SearchModelsResponse>, Status> {
        Ok(Response::new(self.search(request.into_inner()).await?))
    }

    async fn set_credential(
        &self,
        request: Request<SetCredentialRequest>,
    ) -> Result<Response<SetCredentialResponse>, Status> {
        Ok(Response::new(self.set_token(request.into_inner()).await?))
    }

    async fn list_credentials(
        &self,
        _request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        let credentials = self.tokens().await?;
        Ok(Response::new(ListCredentialsResponse { credentials }))
    }

    type InstallWorkerStream = Answers<InstallWorkerResponse>;

    async fn install_worker(
        &self,
        request: Request<InstallWorkerRequest>,
    ) -> Result<Response<Self::InstallWorkerStream>, Status> {
        let InstallWorkerRequest { worker_type, package } = request.into_inner();
        let worker_type = worker_type_from_wire("worker_type", worker_type)
            .map_err(|error| Fault::invalid(error.field, "is not a worker type"))?;
        if worker_type.is_none() && package.is_empty() {
            return Err(
                Fault::invalid("worker_type", "must be a worker type, if no package is named").into(),
            );
        }
        let chosen = self.work.install.choose(worker_type, &package).await;
        let (package, worker_type) = chosen.map_err(|error| install::package_fault(&error))?;
        let request = JobRequest::InstallWorker {
            worker_type,
            package: package.to_string(),
        };
        let job = self.submit(request).await?;
        Ok(Response::new(self.follow(&job, |job, output_lines| {
            InstallWorkerResponse {
                job: Some(job),
                output_lines,
            }
        })))
    }

    async fn list_worker_packages(
        &self,
        _request: Request<ListWorkerPackagesRequest>,
    ) -> Result<Response<ListWorkerPackagesResponse>, Status> {
        let listed = self.work.install.list().await;
        let listed = listed.map_err(|error| install::package_fault(&error))?;
        Ok(Response::new(ListWorkerPackagesResponse {
            packages: listed.iter().map(install::package_to_wire).collect(),
        }))
    }

    type VerifyModelsStream = Answers<VerifyModelsResponse>;

    async fn verify_models(
        &self,
        request: Request<VerifyModelsRequest>,
    ) -> Result<Response<Self::VerifyModelsStream>, Status> {
        let VerifyModelsRequest { model_ids } = request.into_inner();
        if model_ids.len() > MAX_VERIFIED {
            let problem = format!("names more than {MAX_VERIFIED} models; name none to read all");
            return Err(Fault::invalid("model_ids", problem).into());
        }
        let mut ids = Vec::new();
        for (index, text) in model_ids.iter().enumerate() {
            ids.push(model_id(&format!("model_ids[{index}]"), text)?);
        }
        ids.sort();
        ids.dedup();
        self.expect_models(&ids).await?;
        let job = self.submit(JobRequest::VerifyModels { model_ids: ids }).await?;
        Ok(Response::new(
            self.follow(&job, |job, _| VerifyModelsResponse { job: Some(job) }),
        ))
    }

    async fn collect_garbage(
        &self,
        request: Request<CollectGarbageRequest>,
    ) -> Result<Response<CollectGarbageResponse>, Status> {
        Ok(Response::new(self.collect(request.into_inner()).await?))
    }

    type ImportModelStream = Answers<ImportModelResponse>;

    async fn import_model(
        &self,
        request: Request<ImportModelRequest>,
    ) -> Result<Response<Self::ImportModelStream>, Status> {
        let peer = peer(&request);
        let ImportModelRequest {
            source_path,
            name,
            mode,
        } = request.into_inner();
        let mode = import_mode_from_wire(mode).ok_or_else(|| Fault::invalid("mode", "is not a mode"))?;
        let model_id = ModelId::local(&name).map_err(|error| status::invalid_model_id("name", &error))?;
        let source = self.source(&source_path, peer).await?;
        self.refuse_other_size(&source, &model_id).await?;
        let request = JobRequest::ImportModel {
            source,
            file_name: file_name(&source_path),
            model_id,
            mode,
        };
        let job = self.submit(request).await?;
        Ok(Response::new(
            self.follow(&job, |job, _| ImportModelResponse { job: Some(job) }),
        ))
    }

    type ImportWorkerBinaryStream = Answers<ImportWorkerBinaryResponse>;

    async fn import_worker_binary(
        &self,
        request: Request<ImportWorkerBinaryRequest>,
    ) -> Result<Response<Self::ImportWorkerBinaryStream>, Status> {
        let peer = peer(&request);
        let ImportWorkerBinaryRequest {
            source_path,
            worker_type,
        } = request.into_inner();
        let worker_type = required_worker_type("worker_type", worker_type)
            .map_err(|error| Fault::invalid(error.field, "must be a worker type"))?;
        let request = JobRequest::ImportWorkerBinary {
            source: self.source(&source_path, peer).await?,
            worker_type,
            origin: FROM_FILE.to_owned(),
        };
        let job = self.submit(request).await?;
        Ok(Response::new(self.follow(&job, |job, _| {
            ImportWorkerBinaryResponse { job: Some(job) }
        })))
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
        Ok(Response::new(self.follow(&job, |job, output_lines| {
            WatchJobResponse {
                job: Some(job),
                output_lines,
            }
        })))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let CancelJobRequest { id, discard } = request.into_inner();
        let job = self.find(&id)?;
        self.jobs
            .cancel(&job, discard)
            .await
            .map_err(|error| status::job_not_written(&error))?;
        Ok(Response::new(CancelJobResponse {
            job: Some(job_to_wire(&job.job())),
        }))
    }
}
