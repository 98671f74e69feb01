//! `rbee.worker.v1.ImageService`.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::image_service_server::ImageService;
use rbee_service_kit::{Fault, narrate};
use tonic::{Request, Response, Status};

use super::{Loaded, convert, status, words};
use crate::domain::choices::schedule_for;
use crate::engine::{EngineError, Event, PictureStream};
use crate::schedule::Convention;

pub(super) struct ImageHandler {
    loaded: Loaded,
}

impl ImageHandler {
    pub(super) fn new(loaded: Loaded) -> Self {
        Self { loaded }
    }
}

#[tonic::async_trait]
impl ImageService for ImageHandler {
    type GenerateImageStream = BoxStream<'static, Result<proto::GenerateImageResponse, Status>>;

    async fn generate_image(
        &self,
        request: Request<proto::GenerateImageRequest>,
    ) -> Result<Response<Self::GenerateImageStream>, Status> {
        let studio = self.loaded.get()?.clone();
        let worker_id = studio.worker_id().to_owned();
        let request =
            convert::request(request.into_inner()).map_err(|violations| status::invalid(&violations))?;
        // Files are looked at.
        let stream = tokio::task::spawn_blocking(move || studio.generate(request))
            .await
            .map_err(|error| Fault::internal(&error))?
            .map_err(|error| status::refuse(&worker_id, &error))?;
        Ok(Response::new(answer(stream, worker_id)))
    }

    async fn list_samplers(
        &self,
        _request: Request<proto::ListSamplersRequest>,
    ) -> Result<Response<proto::ListSamplersResponse>, Status> {
        let method = self.loaded.get()?.engine().facts().method();
        let schedule = schedule_for(method, Convention::A1111);
        Ok(Response::new(proto::ListSamplersResponse {
            samplers: words::samplers(),
            default_sampler: words::sampler(method).into(),
            default_schedule: words::wire_schedule(schedule).into(),
        }))
    }
}

/// The events as messages. The stream owns the request: a client that leaves drops it.
fn answer(
    stream: PictureStream,
    worker_id: String,
) -> BoxStream<'static, Result<proto::GenerateImageResponse, Status>> {
    stream
        .map(move |event| match event {
            Ok(event) => {
                tell(&event, &worker_id);
                Ok(convert::event(event))
            }
            // A worker that is told to leave breaks off; that is not the request's fault.
            Err(error @ EngineError::Stopping) => Err(status::fault(&error).into()),
            Err(error) => Err(status::refuse(&worker_id, &error)),
        })
        .boxed()
}

/// Narrates what is worth a line.
fn tell(event: &Event, worker_id: &str) {
    match event {
        Event::Picture(picture) => {
            let (width, height) = (picture.width, picture.height);
            narrate!(worker_id = %worker_id, "made a picture of {width}x{height}");
        }
        Event::Finished(timings) => {
            tracing::debug!(?timings, "pictures are done");
        }
        _ => {}
    }
}
