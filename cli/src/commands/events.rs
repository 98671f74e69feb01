//! `rbee events`.

use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_proto::events::v1::{Event, EventLevel, WatchEventsRequest, WatchEventsResponse};
use tonic::Streaming;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::{EventsArgs, LevelArg};
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::render::paint::Tone;
use crate::render::{human, plain_text, views};

impl From<LevelArg> for EventLevel {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Info => Self::Info,
            LevelArg::Warning => Self::Warning,
            LevelArg::Error => Self::Error,
        }
    }
}

/// Shows what happens until Ctrl-C.
pub(super) async fn run(arguments: &EventsArgs, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let mut client = match &arguments.worker {
        None => cluster.events(),
        Some(id) => {
            let worker = cluster.worker(id).await?;
            EventServiceClient::new(cluster.worker_channel(&worker).await?)
        }
    };
    let request = WatchEventsRequest {
        backlog: arguments.backlog,
        minimum_level: EventLevel::from(arguments.level) as i32,
    };
    let mut events = client
        .watch_events(request)
        .await
        .doing(|| "can't follow the events".into())?
        .into_inner();
    match or_ctrl_c(follow(&mut events, session.output)).await {
        Outcome::Done(result) => result,
        // Following ends by Ctrl-C and not otherwise.
        Outcome::Interrupted => Ok(()),
    }
}

async fn follow(events: &mut Streaming<WatchEventsResponse>, output: Output) -> Result<(), Failure> {
    while let Some(message) = events
        .message()
        .await
        .doing(|| "can't follow the events".into())?
    {
        if message.missed > 0 {
            note(&format!("({} events were missed)", message.missed));
        }
        let Some(event) = message.event else { continue };
        if output.json {
            output.json_line(&views::Event::from(&event))?;
        } else {
            output.line(&line(&event, output))?;
        }
    }
    Err(Failure::new(Exit::Failed, "the server ended the events").because("it is shutting down"))
}

/// `06:37:02 rbee-hive  worker w1 is ready`
fn line(event: &Event, output: Output) -> String {
    let clock = event.at.as_ref().and_then(human::clock).unwrap_or_default();
    let tone = match EventLevel::try_from(event.level) {
        Ok(EventLevel::Warning) => Tone::Busy,
        Ok(EventLevel::Error) => Tone::Bad,
        _ => Tone::Plain,
    };
    format!(
        "{} {}  {}",
        output.paint.faint(&clock),
        output.paint.faint(&plain_text::one_line(&event.service)),
        output.paint.tone(tone, &plain_text::one_line(&event.message))
    )
}
