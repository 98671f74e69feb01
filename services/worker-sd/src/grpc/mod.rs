//! The worker's gRPC services. Handlers are thin: convert, ask the studio, convert back.

use rbee_proto::worker::v1::image_service_server::ImageServiceServer;
use rbee_service_kit::ServerBuilder;

use crate::studio::Studio;

mod convert;
mod facts;
mod image_service;
mod status;
mod words;

use image_service::ImageHandler;

/// The model, once it is loaded.
pub type Loaded = rbee_worker_kit::Loaded<Studio>;

/// Adds the worker's own services to a server.
pub fn mount(server: &mut ServerBuilder, loaded: &Loaded) {
    server.add_service(
        ImageServiceServer::new(ImageHandler::new(loaded.clone()))
            .max_decoding_message_size(convert::MAX_REQUEST_BYTES),
    );
}
