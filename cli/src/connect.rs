//! The way to the cluster: which server, with which token, and its services' clients.

use std::path::Path;
use std::time::Duration;

use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{ListHivesRequest, ListModelsRequest, ListWorkersRequest, ModelFilter};
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::types::v1::{Hive, HiveState, Model, Worker};
use rbee_service_kit::Target;
use rbee_service_kit::client::{ClientChannel, TargetError};
use rbee_service_kit::server::read_token;
use rbee_service_kit::tls::ClientTls;
use secrecy::SecretString;

use crate::args::Options;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::{hints, identify};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Models in a page, as many as the catalog gives.
const LARGEST_PAGE: u32 = 1000;

/// A connected cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    target: Target,
    channel: ClientChannel,
}

impl Cluster {
    /// Connects to the server that the command line names.
    pub(crate) async fn connect(options: &Options) -> Result<Self, Failure> {
        let target = target(options)?;
        let channel = connect(&target).await?;
        Ok(Self { target, channel })
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> &str {
        &self.target.address
    }

    /// The channel to the server.
    pub(crate) fn channel(&self) -> ClientChannel {
        self.channel.clone()
    }

    /// The models.
    pub(crate) fn models(&self) -> ModelServiceClient<ClientChannel> {
        ModelServiceClient::new(self.channel())
    }

    /// Hives and workers.
    pub(crate) fn registry(&self) -> RegistryServiceClient<ClientChannel> {
        RegistryServiceClient::new(self.channel())
    }

    /// Worker programs.
    pub(crate) fn worker_binaries(&self) -> WorkerBinaryServiceClient<ClientChannel> {
        WorkerBinaryServiceClient::new(self.channel())
    }

    /// Jobs.
    pub(crate) fn provisioner(&self) -> ProvisionerServiceClient<ClientChannel> {
        ProvisionerServiceClient::new(self.channel())
    }

    /// What happens.
    pub(crate) fn events(&self) -> EventServiceClient<ClientChannel> {
        EventServiceClient::new(self.channel())
    }

    /// A channel to a hive: the same connection if it is this server.
    pub(crate) async fn hive_channel(&self, address: &str) -> Result<ClientChannel, Failure> {
        if address.is_empty() || address == self.target.address {
            return Ok(self.channel());
        }
        connect(&Target {
            address: address.to_owned(),
            ..self.target.clone()
        })
        .await
    }

    /// A channel to a worker, through its hive.
    pub(crate) async fn worker_channel(&self, worker: &Worker) -> Result<ClientChannel, Failure> {
        let hive = self.hive_channel(&worker.hive_address).await?;
        hive.for_worker(&worker.id).map_err(|error| {
            Failure::of_error(Exit::Failed, format!("can't call worker {}", worker.id), &error)
        })
    }

    /// All models.
    pub(crate) async fn all_models(&self) -> Result<Vec<Model>, Failure> {
        self.models_that(None).await
    }

    /// The models that pass a filter, page by page.
    pub(crate) async fn models_that(&self, filter: Option<ModelFilter>) -> Result<Vec<Model>, Failure> {
        let mut client = self.models();
        let mut models = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = client
                .list_models(ListModelsRequest {
                    page_size: LARGEST_PAGE,
                    page_token,
                    filter: filter.clone(),
                })
                .await
                .doing(|| "can't list the models".into())?
                .into_inner();
            models.extend(page.models);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(models);
            }
        }
    }

    /// All hives.
    pub(crate) async fn all_hives(&self) -> Result<Vec<Hive>, Failure> {
        let answer = self.registry().list_hives(ListHivesRequest {}).await;
        Ok(answer.doing(|| "can't list the hives".into())?.into_inner().hives)
    }

    /// Whether the catalog was started so lately that hives may not have told it of their workers.
    pub(crate) async fn is_settling(&self) -> bool {
        let answer = self.registry().list_hives(ListHivesRequest {}).await;
        answer.is_ok_and(|answer| answer.into_inner().settling)
    }

    /// All workers.
    pub(crate) async fn all_workers(&self) -> Result<Vec<Worker>, Failure> {
        let answer = self.registry().list_workers(ListWorkersRequest::default()).await;
        Ok(answer
            .doing(|| "can't list the workers".into())?
            .into_inner()
            .workers)
    }

    /// The workers with ids, or ids that begin like these. A typing error gives none of them: all are named
    /// before anything is done to the first.
    pub(crate) async fn workers_named(&self, ids: &[String]) -> Result<Vec<Worker>, Failure> {
        let workers = self.all_workers().await?;
        ids.iter()
            .map(|id| identify::one(id, &workers, |worker| &worker.id).cloned())
            .collect::<Result<_, _>>()
            .map_err(|error| error.failure("worker"))
    }

    /// The worker with an id, or an id that begins like this.
    pub(crate) async fn worker(&self, id: &str) -> Result<Worker, Failure> {
        let workers = self.all_workers().await?;
        let found =
            identify::one(id, &workers, |worker| &worker.id).map_err(|error| error.failure("worker"))?;
        Ok(found.clone())
    }
}

/// The server that the command line names.
pub(crate) fn target(options: &Options) -> Result<Target, Failure> {
    let token = client_token(options.token_file.as_deref(), std::env::var("RBEE_TOKEN").ok())?;
    let address = options.server.trim_end_matches('/').to_owned();
    let tls = ClientTls::of_files(
        options.ca.clone(),
        options.client_cert.clone(),
        options.client_key.clone(),
    )
    .map_err(|error| Failure::of_error(Exit::Usage, "can't use this certificate", &error))?;
    Ok(Target { address, token, tls })
}

async fn connect(target: &Target) -> Result<ClientChannel, Failure> {
    target
        .connect(CONNECT_TIMEOUT)
        .await
        .map_err(|error| failure(&error))
}

/// Why a server can't be called, for a person.
pub(crate) fn failure(error: &TargetError) -> Failure {
    match error {
        TargetError::Unreachable { address, source } => {
            let doing = format!("nothing answers at {address}");
            Failure::of_error(Exit::Unreachable, doing, source).hint(hints::UNREACHABLE)
        }
        TargetError::Tls { source, .. } => Failure::of_error(Exit::Usage, error.to_string(), source),
        TargetError::Address { .. } => Failure::new(Exit::Usage, error.to_string()),
        TargetError::Token | TargetError::WorkerId { .. } => Failure::new(Exit::Usage, error.to_string()),
    }
}

/// The token to show: of the file if one is named, else of the variable.
fn client_token(file: Option<&Path>, variable: Option<String>) -> Result<Option<SecretString>, Failure> {
    match (file, variable) {
        (Some(path), _) => read_token(path)
            .map(Some)
            .map_err(|error| Failure::of_error(Exit::Usage, "can't use the token file", &error)),
        (None, Some(token)) if !token.trim().is_empty() => Ok(Some(SecretString::from(token.trim()))),
        (None, _) => Ok(None),
    }
}

/// The hive to use: the named one, or the only one.
pub(crate) fn choose_hive<'a>(hives: &'a [Hive], wanted: Option<&str>) -> Result<&'a Hive, Failure> {
    let names = || {
        hives
            .iter()
            .map(|hive| hive.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(wanted) = wanted {
        if let Some(hive) = hives.iter().find(|hive| hive.name == wanted) {
            return Ok(hive);
        }
        return identify::one(wanted, hives, |hive| &hive.id)
            .map_err(|error| error.failure("hive").hint(format!("the hives are: {}", names())));
    }
    let ready = |hive: &&Hive| hive.state == HiveState::Ready as i32;
    let mut reachable = hives.iter().filter(ready);
    match (reachable.next(), reachable.next()) {
        (Some(hive), None) => Ok(hive),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Usage, "there are several hives").hint(format!("name one: {}", names())))
        }
        (None, _) if hives.is_empty() => Err(Failure::new(Exit::NotFound, "the cluster has no hive")
            .hint("`rbee up` starts one; `rbee hive ls` lists them")),
        (None, _) => Err(Failure::new(Exit::TryLater, "no hive can be reached now")
            .because(format!("the catalog has not heard lately from: {}", names()))
            .hint("`rbee hive ls` shows when they were last seen")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn hive(id: &str, name: &str, state: HiveState) -> Hive {
        Hive {
            id: id.into(),
            name: name.into(),
            state: state as i32,
            ..Hive::default()
        }
    }

    #[test]
    fn the_only_reachable_hive_needs_no_name() {
        let hives = [
            hive("h1", "desk", HiveState::Ready),
            hive("h2", "attic", HiveState::Unreachable),
        ];
        assert_eq!(choose_hive(&hives, None).unwrap().name, "desk");
        assert_eq!(choose_hive(&hives, Some("attic")).unwrap().id, "h2");
        assert_eq!(choose_hive(&hives, Some("h2")).unwrap().name, "attic");
        assert_eq!(
            choose_hive(&hives, Some("cellar")).unwrap_err().exit,
            Exit::NotFound
        );
    }

    #[test]
    fn of_several_hives_one_must_be_named() {
        let hives = [
            hive("h1", "desk", HiveState::Ready),
            hive("h2", "attic", HiveState::Ready),
        ];
        let failure = choose_hive(&hives, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.hints, ["name one: desk, attic"]);
    }

    #[test]
    fn without_hives_it_says_what_to_do() {
        assert_eq!(choose_hive(&[], None).unwrap_err().exit, Exit::NotFound);
        let gone = [hive("h2", "attic", HiveState::Unreachable)];
        assert_eq!(choose_hive(&gone, None).unwrap_err().exit, Exit::TryLater);
    }

    #[test]
    fn a_named_file_goes_before_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "file-token-0123456789\n").unwrap();
        let token = client_token(Some(&path), Some("variable".into()))
            .unwrap()
            .unwrap();
        assert_eq!(token.expose_secret(), "file-token-0123456789");
        assert_eq!(
            client_token(None, Some(" variable\n".into()))
                .unwrap()
                .unwrap()
                .expose_secret(),
            "variable"
        );
        assert!(client_token(None, Some(String::new())).unwrap().is_none());
        assert_eq!(
            client_token(Some(&folder.path().join("none")), None)
                .unwrap_err()
                .exit,
            Exit::Usage
        );
    }
}
