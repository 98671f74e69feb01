//! The worker's gRPC services. Handlers are thin: convert, ask the generator, convert back.

use std::sync::{Arc, OnceLock};

use rbee_proto::worker::v1::text_service_server::TextServiceServer;
use rbee_proto::worker::v1::worker_service_server::WorkerServiceServer;
use rbee_service_kit::{Fault, ServerBuilder};

use crate::generator::Generator;

mod convert;
mod status;
mod text_service;
mod worker_service;

pub use worker_service::Identity;

use text_service::TextHandler;
use worker_service::WorkerHandler;

/// The model, once it is loaded. Cheap to clone; all clones see it at the same moment.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    generator: Arc<OnceLock<Generator>>,
}

impl Loaded {
    /// From now on requests are answered. A second call changes nothing.
    pub fn set(&self, generator: Generator) {
        let _ = self.generator.set(generator);
    }

    fn get(&self) -> Result<&Generator, Fault> {
        self.generator.get().ok_or_else(status::not_ready)
    }
}

/// Adds the worker's services to a server.
pub fn mount(server: &mut ServerBuilder, identity: Identity, loaded: &Loaded) {
    server
        .add_service(
            TextServiceServer::new(TextHandler::new(loaded.clone()))
                .max_decoding_message_size(convert::MAX_REQUEST_BYTES),
        )
        .add_service(WorkerServiceServer::new(WorkerHandler::new(
            identity,
            loaded.clone(),
        )));
}
