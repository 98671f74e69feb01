//! Calls to a worker through its hive, as any gRPC client makes them.

use std::time::{Duration, Instant};

use rbee_proto::worker::v1::chat_response::Event;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, ContentPart, GenerationFinished, GetInfoRequest, Message, Role,
    SamplingParameters, StopConditions, WorkerLoad, content_part,
};
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;
use tonic::Streaming;

use super::Cluster;

/// A worker of a cluster.
#[derive(Debug, Clone)]
pub struct Worker {
    channel: ClientChannel,
}

/// An answer as it arrived.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    /// When each piece of text arrived.
    pub arrivals: Vec<Instant>,
    pub finished: GenerationFinished,
}

/// A channel to a cluster.
pub async fn channel(cluster: &Cluster) -> ClientChannel {
    let target = Target {
        address: cluster.address().to_owned(),
        token: None,
        ..Target::default()
    };
    target
        .connect(Duration::from_secs(5))
        .await
        .expect("the cluster answers")
}

/// A chat that gives the same answer each time.
pub fn chat_request(prompt: &str, max_tokens: u32) -> ChatRequest {
    let part = content_part::Part::Text(prompt.to_owned());
    ChatRequest {
        messages: vec![Message {
            role: Role::User as i32,
            content: vec![ContentPart { part: Some(part) }],
            ..Message::default()
        }],
        sampling: Some(SamplingParameters {
            temperature: Some(0.0),
            ..SamplingParameters::default()
        }),
        stop: Some(StopConditions {
            max_tokens: Some(max_tokens),
            ..StopConditions::default()
        }),
        ..ChatRequest::default()
    }
}

impl Worker {
    /// The worker with an id, reached through the cluster's port.
    pub async fn reach(cluster: &Cluster, worker_id: &str) -> Self {
        let channel = channel(cluster)
            .await
            .for_worker(worker_id)
            .expect("ids are plain");
        Self { channel }
    }

    /// The way to it.
    pub fn channel(&self) -> ClientChannel {
        self.channel.clone()
    }

    /// Begins a chat.
    pub async fn chat(&self, prompt: &str, max_tokens: u32) -> Streaming<ChatResponse> {
        let mut client = TextServiceClient::new(self.channel());
        client
            .chat(chat_request(prompt, max_tokens))
            .await
            .expect("the worker takes the chat")
            .into_inner()
    }

    /// A whole answer.
    pub async fn answer(&self, prompt: &str, max_tokens: u32) -> Answer {
        let mut events = self.chat(prompt, max_tokens).await;
        let (mut text, mut arrivals) = (String::new(), Vec::new());
        while let Some(message) = events.message().await.expect("the stream does not break") {
            match message.event {
                Some(Event::Started(_)) => assert!(arrivals.is_empty(), "`started` comes first"),
                Some(Event::Delta(delta)) => {
                    arrivals.push(Instant::now());
                    text.push_str(&delta.text);
                }
                Some(Event::Reasoning(_) | Event::ToolCall(_)) => panic!("nothing but text was expected"),
                Some(Event::Finished(finished)) => {
                    let rest = events.message().await.expect("the stream ends well");
                    assert!(rest.is_none(), "`finished` comes last, but then came {rest:?}");
                    return Answer {
                        text,
                        arrivals,
                        finished,
                    };
                }
                None => panic!("an event without content"),
            }
        }
        panic!("the stream ended without `finished`, after {text:?}")
    }

    /// What it tells of its load.
    pub async fn load(&self) -> WorkerLoad {
        let mut client = WorkerServiceClient::new(self.channel());
        let info = client
            .get_info(GetInfoRequest {})
            .await
            .expect("the worker answers")
            .into_inner();
        info.load.expect("a worker tells its load")
    }
}
