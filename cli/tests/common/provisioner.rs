//! A scripted provisioner: the contract's real server with answers of the test's own, for what the
//! command line makes of them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rbee_proto::provisioner::v1::provisioner_service_server::{ProvisionerService, ProvisionerServiceServer};
use rbee_proto::provisioner::v1::*;
use rbee_service_kit::Fault;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status};

use super::{Said, rbee_command, run};

/// What it answers, and what it was asked.
#[derive(Debug, Default)]
pub struct Script {
    /// Messages of the next job's stream, to whoever asks for one.
    pub steps: Vec<(Job, Vec<String>)>,
    /// Whether the stream stays open behind the last step.
    pub stays_open: bool,
    /// What the next call is refused with.
    pub refusal: Option<Fault>,
    /// Pages of searches, in their order.
    pub pages: VecDeque<SearchModelsResponse>,
    /// The answer to ResolveModel.
    pub resolution: Resolution,
    /// The answer to SetCredential.
    pub login: SetCredentialResponse,
    /// The answer to CollectGarbage.
    pub collected: CollectGarbageResponse,
    /// The answer to ListWorkerPackages.
    pub packages: Vec<WorkerPackage>,
    /// The answer to ListCredentials.
    pub credentials: Vec<Credential>,
    /// Each request, as `Call { field: value }`. A token is not in it: the contract keeps it out.
    pub asked: Vec<String>,
    /// Each token that was to be kept.
    pub tokens: Vec<String>,
}

/// The running provisioner.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    // Its threads end with it.
    _runtime: Runtime,
}

impl Scripted {
    /// Starts it on a free port.
    pub fn start(script: Script) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let script = Arc::new(Mutex::new(script));
        let service = ProvisionerServiceServer::new(Service(script.clone()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            script,
            _runtime: runtime,
        }
    }

    /// A command that talks to it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rbee_command();
        command
            .env("RBEE_SERVER", format!("http://{}", self.address))
            .args(arguments);
        command
    }

    /// Runs a command that talks to it.
    pub fn rbee(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// Changes what it answers from now on.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().expect("no call panics"));
    }

    /// The tokens since the last look.
    pub fn tokens(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().expect("no call panics").tokens)
    }

    /// The requests since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().expect("no call panics").asked)
    }
}

/// A job as the provisioner tells it.
pub fn job(state: JobState) -> Job {
    Job {
        id: "0199-job".into(),
        kind: JobKind::ProvisionModel as i32,
        subject: "org/repo".into(),
        state: state as i32,
        ..Job::default()
    }
}

/// A refusal with a reason.
pub fn refusal(code: Code, reason: &'static str, message: &str) -> Option<Fault> {
    Some(Fault::new(code, reason, message))
}

#[derive(Debug)]
struct Service(Arc<Mutex<Script>>);

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    /// Writes down what was asked, and refuses it if the script says so.
    fn hear(&self, request: &impl std::fmt::Debug) -> Result<std::sync::MutexGuard<'_, Script>, Status> {
        let mut script = self.0.lock().expect("no call panics");
        script.asked.push(format!("{request:?}"));
        match script.refusal.take() {
            Some(fault) => Err(fault.into()),
            None => Ok(script),
        }
    }

    fn job<T: Send + 'static>(
        &self,
        request: &impl std::fmt::Debug,
        message: impl Fn(Job, Vec<String>) -> T + Send + 'static,
    ) -> Result<Response<Streamed<T>>, Status> {
        let script = self.hear(request)?;
        let steps = tokio_stream::iter(script.steps.clone()).map(move |(job, lines)| Ok(message(job, lines)));
        Ok(Response::new(if script.stays_open {
            Box::pin(steps.chain(tokio_stream::pending()))
        } else {
            Box::pin(steps)
        }))
    }
}

#[tonic::async_trait]
impl ProvisionerService for Service {
    type ProvisionModelStream = Streamed<ProvisionModelResponse>;
    type InstallWorkerStream = Streamed<InstallWorkerResponse>;
    type VerifyModelsStream = Streamed<VerifyModelsResponse>;
    type ImportModelStream = Streamed<ImportModelResponse>;
    type ImportWorkerBinaryStream = Streamed<ImportWorkerBinaryResponse>;
    type WatchJobStream = Streamed<WatchJobResponse>;

    async fn resolve_model(
        &self,
        request: Request<ResolveModelRequest>,
    ) -> Result<Response<ResolveModelResponse>, Status> {
        let resolution = Some(self.hear(request.get_ref())?.resolution.clone());
        Ok(Response::new(ResolveModelResponse { resolution }))
    }

    async fn provision_model(
        &self,
        request: Request<ProvisionModelRequest>,
    ) -> Result<Response<Self::ProvisionModelStream>, Status> {
        self.job(request.get_ref(), |job, _| ProvisionModelResponse {
            job: Some(job),
        })
    }

    async fn search_models(
        &self,
        request: Request<SearchModelsRequest>,
    ) -> Result<Response<SearchModelsResponse>, Status> {
        let page = self.hear(request.get_ref())?.pages.pop_front();
        Ok(Response::new(page.unwrap_or_default()))
    }

    async fn set_credential(
        &self,
        request: Request<SetCredentialRequest>,
    ) -> Result<Response<SetCredentialResponse>, Status> {
        let mut script = self.hear(request.get_ref())?;
        script.tokens.push(request.get_ref().token.clone());
        Ok(Response::new(script.login.clone()))
    }

    async fn list_credentials(
        &self,
        request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        let credentials = self.hear(request.get_ref())?.credentials.clone();
        Ok(Response::new(ListCredentialsResponse { credentials }))
    }

    async fn install_worker(
        &self,
        request: Request<InstallWorkerRequest>,
    ) -> Result<Response<Self::InstallWorkerStream>, Status> {
        self.job(request.get_ref(), |job, output_lines| InstallWorkerResponse {
            job: Some(job),
            output_lines,
        })
    }

    async fn list_worker_packages(
        &self,
        request: Request<ListWorkerPackagesRequest>,
    ) -> Result<Response<ListWorkerPackagesResponse>, Status> {
        let packages = self.hear(request.get_ref())?.packages.clone();
        Ok(Response::new(ListWorkerPackagesResponse { packages }))
    }

    async fn verify_models(
        &self,
        request: Request<VerifyModelsRequest>,
    ) -> Result<Response<Self::VerifyModelsStream>, Status> {
        self.job(request.get_ref(), |job, _| VerifyModelsResponse {
            job: Some(job),
        })
    }

    async fn collect_garbage(
        &self,
        request: Request<CollectGarbageRequest>,
    ) -> Result<Response<CollectGarbageResponse>, Status> {
        let collected = self.hear(request.get_ref())?.collected;
        Ok(Response::new(collected))
    }

    async fn import_model(
        &self,
        request: Request<ImportModelRequest>,
    ) -> Result<Response<Self::ImportModelStream>, Status> {
        self.job(request.get_ref(), |job, _| ImportModelResponse { job: Some(job) })
    }

    async fn import_worker_binary(
        &self,
        request: Request<ImportWorkerBinaryRequest>,
    ) -> Result<Response<Self::ImportWorkerBinaryStream>, Status> {
        self.job(request.get_ref(), |job, _| ImportWorkerBinaryResponse {
            job: Some(job),
        })
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        let job = self
            .hear(request.get_ref())?
            .steps
            .last()
            .map(|(job, _)| job.clone());
        Ok(Response::new(GetJobResponse { job }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let last = self
            .hear(request.get_ref())?
            .steps
            .last()
            .map(|(job, _)| job.clone());
        let jobs = last.into_iter().collect();
        Ok(Response::new(ListJobsResponse { jobs }))
    }

    async fn watch_job(
        &self,
        request: Request<WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        self.job(request.get_ref(), |job, output_lines| WatchJobResponse {
            job: Some(job),
            output_lines,
        })
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let job = self
            .hear(request.get_ref())?
            .steps
            .last()
            .map(|(job, _)| job.clone());
        Ok(Response::new(CancelJobResponse { job }))
    }
}
