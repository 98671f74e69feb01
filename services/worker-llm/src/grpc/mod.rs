//! The worker's gRPC services. Handlers are thin: convert, ask the generator, convert back.

use rbee_proto::worker::v1::text_service_server::TextServiceServer;
use rbee_service_kit::ServerBuilder;

use crate::generator::Generator;

mod convert;
mod facts;
mod status;
mod text_service;

use text_service::TextHandler;

/// The model, once it is loaded.
pub type Loaded = rbee_worker_kit::Loaded<Generator>;

/// Adds the worker's own services to a server.
pub fn mount(server: &mut ServerBuilder, loaded: &Loaded) {
    server.add_service(
        TextServiceServer::new(TextHandler::new(loaded.clone()))
            .max_decoding_message_size(convert::MAX_REQUEST_BYTES),
    );
}
