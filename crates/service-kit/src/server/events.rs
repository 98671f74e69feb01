//! `rbee.events.v1.EventService`: narration over gRPC.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use rbee_proto::events::v1::event_service_server::EventService;
use rbee_proto::events::v1::{Event, EventLevel, WatchEventsRequest, WatchEventsResponse};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::Fault;
use crate::telemetry::Narrator;
use crate::telemetry::narration::{CAPACITY, Importance, Narration};

pub(super) struct EventNarration {
    narrator: Narrator,
    shutdown: CancellationToken,
}

impl EventNarration {
    pub(super) fn new(narrator: Narrator, shutdown: CancellationToken) -> Self {
        Self { narrator, shutdown }
    }
}

#[tonic::async_trait]
impl EventService for EventNarration {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let request = request.into_inner();
        let least = match EventLevel::try_from(request.minimum_level) {
            Ok(EventLevel::Unspecified | EventLevel::Info) => Importance::Info,
            Ok(EventLevel::Warning) => Importance::Warning,
            Ok(EventLevel::Error) => Importance::Error,
            Err(_) => return Err(Fault::invalid("minimum_level", "is not a level").into()),
        };
        let (past, live) = self.narrator.subscribe((request.backlog as usize).min(CAPACITY));
        let events = stream::iter(past).map(Ok).chain(BroadcastStream::new(live));
        let answers = events
            .scan(0, move |missed, event| {
                let answer = match event {
                    Ok(event) if event.importance >= least => Some(WatchEventsResponse {
                        event: Some(to_proto(&event)),
                        missed: std::mem::take(missed),
                    }),
                    Ok(_) => None,
                    Err(BroadcastStreamRecvError::Lagged(count)) => {
                        *missed += count;
                        None
                    }
                };
                std::future::ready(Some(answer))
            })
            .filter_map(std::future::ready)
            .map(Ok)
            .take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}

fn to_proto(narration: &Arc<Narration>) -> Event {
    Event {
        at: Some(narration.at.into()),
        level: match narration.importance {
            Importance::Info => EventLevel::Info,
            Importance::Warning => EventLevel::Warning,
            Importance::Error => EventLevel::Error,
        }
        .into(),
        service: narration.service.to_owned(),
        message: narration.message.clone(),
        job_id: narration.job_id.clone().unwrap_or_default(),
        worker_id: narration.worker_id.clone().unwrap_or_default(),
        trace_id: narration.trace_id.clone().unwrap_or_default(),
        fields: narration.fields.clone(),
    }
}
