//! A connected cluster and the clients of its services.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::provisioner::v1::provisioner_service_client::ProvisionerServiceClient;
use rbee_proto::worker::v1::image_service_client::ImageServiceClient;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;

use super::failure::Failure;
use super::server::Server;
use crate::model::ids::WorkerId;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer: a picture with its previews, as the command line takes it.
const LARGEST_MESSAGE_BYTES: usize = 64 << 20;

/// A connected cluster. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    target: Arc<Target>,
    channel: ClientChannel,
    /// Channels to hives at other addresses, made when they are first called.
    hives: Arc<Mutex<HashMap<String, ClientChannel>>>,
}

impl PartialEq for Cluster {
    /// Whether both are the same connection.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.hives, &other.hives)
    }
}

impl Cluster {
    /// Connects to a server.
    ///
    /// # Errors
    /// If address or token can't be used, or nothing answers. Whether the server takes the token shows with the first
    /// call.
    pub async fn connect(server: &Server) -> Result<Self, Failure> {
        let target = server.target();
        let channel = target.connect(CONNECT_TIMEOUT).await?;
        Ok(Self {
            target: Arc::new(target),
            channel,
            hives: Arc::default(),
        })
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.target.address
    }

    /// The models.
    #[must_use]
    pub fn models(&self) -> ModelServiceClient<ClientChannel> {
        ModelServiceClient::new(self.channel.clone())
    }

    /// Hives and workers.
    #[must_use]
    pub fn registry(&self) -> RegistryServiceClient<ClientChannel> {
        RegistryServiceClient::new(self.channel.clone())
    }

    /// Worker programs.
    #[must_use]
    pub fn worker_binaries(&self) -> WorkerBinaryServiceClient<ClientChannel> {
        WorkerBinaryServiceClient::new(self.channel.clone())
    }

    /// Jobs.
    #[must_use]
    pub fn provisioner(&self) -> ProvisionerServiceClient<ClientChannel> {
        ProvisionerServiceClient::new(self.channel.clone())
    }

    /// What happens.
    #[must_use]
    pub fn events(&self) -> EventServiceClient<ClientChannel> {
        EventServiceClient::new(self.channel.clone())
    }

    /// The hive at an address.
    ///
    /// # Errors
    /// If the address can't be called.
    pub fn hive(&self, address: &str) -> Result<HiveServiceClient<ClientChannel>, Failure> {
        Ok(HiveServiceClient::new(self.hive_channel(address)?))
    }

    /// A worker's text service, through its hive.
    ///
    /// # Errors
    /// If its hive's address can't be called.
    pub fn text(
        &self,
        worker: &WorkerId,
        hive_address: &str,
    ) -> Result<TextServiceClient<ClientChannel>, Failure> {
        let channel = self.worker_channel(worker, hive_address)?;
        Ok(TextServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE_BYTES))
    }

    /// A worker's image service, through its hive.
    ///
    /// # Errors
    /// If its hive's address can't be called.
    pub fn image(
        &self,
        worker: &WorkerId,
        hive_address: &str,
    ) -> Result<ImageServiceClient<ClientChannel>, Failure> {
        let channel = self.worker_channel(worker, hive_address)?;
        let client = ImageServiceClient::new(channel);
        Ok(client
            .max_decoding_message_size(LARGEST_MESSAGE_BYTES)
            .max_encoding_message_size(LARGEST_MESSAGE_BYTES))
    }

    /// What a worker says of itself, through its hive.
    ///
    /// # Errors
    /// If its hive's address can't be called.
    pub fn worker(
        &self,
        worker: &WorkerId,
        hive_address: &str,
    ) -> Result<WorkerServiceClient<ClientChannel>, Failure> {
        Ok(WorkerServiceClient::new(
            self.worker_channel(worker, hive_address)?,
        ))
    }

    fn worker_channel(&self, worker: &WorkerId, hive_address: &str) -> Result<ClientChannel, Failure> {
        Ok(self.hive_channel(hive_address)?.for_worker(worker.as_str())?)
    }

    /// A channel to a hive: the same connection if it is this server.
    fn hive_channel(&self, address: &str) -> Result<ClientChannel, Failure> {
        if address.is_empty() || address == self.target.address {
            return Ok(self.channel.clone());
        }
        let mut hives = self.hives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = hives.get(address) {
            return Ok(channel.clone());
        }
        let target = Target {
            address: address.to_owned(),
            ..(*self.target).clone()
        };
        let channel = target.connect_lazy()?;
        hives.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}
