//! The worker's services.

use std::pin::Pin;
use std::sync::Arc;

use rbee_proto::types::v1::WorkerType;
use rbee_proto::worker::v1::text_service_server::TextService;
use rbee_proto::worker::v1::worker_service_server::WorkerService;
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, CompleteRequest, CompleteResponse, ContentPart, CountTokensRequest,
    CountTokensResponse, DetokenizeRequest, DetokenizeResponse, EmbedRequest, EmbedResponse, FinishReason,
    GenerationFinished, GenerationStarted, GetInfoRequest, GetInfoResponse, TextDelta, TokenizeRequest,
    TokenizeResponse, Usage, chat_response, complete_response, content_part,
};
use tonic::{Request, Response, Status};

use super::answers::{Answer, Desk, Step};
use super::program::Options;

/// The worker as its clients see it. Cheap to clone.
#[derive(Clone)]
pub(super) struct ScriptedWorker {
    desk: Desk,
    options: Arc<Options>,
}

impl ScriptedWorker {
    pub(super) fn new(desk: Desk, options: Options) -> Self {
        Self {
            desk,
            options: Arc::new(options),
        }
    }
}

fn started(prompt_tokens: u32) -> GenerationStarted {
    GenerationStarted {
        prompt_tokens,
        seed: 1,
        dropped_messages: 0,
    }
}

fn delta(token: u32) -> TextDelta {
    TextDelta {
        text: format!("{token} "),
        completion_tokens: token,
        tokens: Vec::new(),
    }
}

fn finished(prompt_tokens: u32, tokens: u32) -> GenerationFinished {
    GenerationFinished {
        reason: FinishReason::EndOfGeneration.into(),
        usage: Some(Usage {
            prompt_tokens,
            cached_prompt_tokens: 0,
            completion_tokens: tokens,
        }),
        timings: None,
    }
}

fn chat_event(step: Step) -> ChatResponse {
    use chat_response::Event;

    ChatResponse {
        event: Some(match step {
            Step::Started { prompt_tokens } => Event::Started(started(prompt_tokens)),
            Step::Token(token) => Event::Delta(delta(token)),
            Step::Finished {
                prompt_tokens,
                tokens,
            } => Event::Finished(finished(prompt_tokens, tokens)),
        }),
    }
}

fn complete_event(step: Step) -> CompleteResponse {
    use complete_response::Event;

    CompleteResponse {
        event: Some(match step {
            Step::Started { prompt_tokens } => Event::Started(started(prompt_tokens)),
            Step::Token(token) => Event::Delta(delta(token)),
            Step::Finished {
                prompt_tokens,
                tokens,
            } => Event::Finished(finished(prompt_tokens, tokens)),
        }),
    }
}

/// What the last message of a conversation says.
fn prompt(request: ChatRequest) -> String {
    let last = request.messages.into_iter().next_back().unwrap_or_default();
    let text = |part: ContentPart| match part.part {
        Some(content_part::Part::Text(text)) => text,
        None => String::new(),
    };
    last.content.into_iter().map(text).collect()
}

#[tonic::async_trait]
impl TextService for ScriptedWorker {
    type ChatStream = Pin<Box<Answer<ChatResponse>>>;
    type CompleteStream = Pin<Box<Answer<CompleteResponse>>>;

    async fn chat(&self, request: Request<ChatRequest>) -> Result<Response<Self::ChatStream>, Status> {
        let prompt = prompt(request.into_inner());
        let answer = self.desk.answer(&prompt, chat_event).await?;
        Ok(Response::new(answer))
    }

    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<Self::CompleteStream>, Status> {
        let answer = self
            .desk
            .answer(&request.get_ref().prompt, complete_event)
            .await?;
        Ok(Response::new(answer))
    }

    async fn tokenize(
        &self,
        request: Request<TokenizeRequest>,
    ) -> Result<Response<TokenizeResponse>, Status> {
        self.desk.unless_stalled().await;
        let token_ids = request.into_inner().text.chars().map(u32::from).collect();
        Ok(Response::new(TokenizeResponse { token_ids }))
    }

    async fn detokenize(
        &self,
        request: Request<DetokenizeRequest>,
    ) -> Result<Response<DetokenizeResponse>, Status> {
        self.desk.unless_stalled().await;
        let text = request
            .into_inner()
            .token_ids
            .into_iter()
            .filter_map(char::from_u32)
            .collect();
        Ok(Response::new(DetokenizeResponse { text }))
    }

    async fn count_tokens(
        &self,
        request: Request<CountTokensRequest>,
    ) -> Result<Response<CountTokensResponse>, Status> {
        self.desk.unless_stalled().await;
        let prompt_tokens = u32::try_from(request.into_inner().messages.len()).unwrap_or(u32::MAX);
        Ok(Response::new(CountTokensResponse { prompt_tokens }))
    }

    async fn embed(&self, _: Request<EmbedRequest>) -> Result<Response<EmbedResponse>, Status> {
        self.desk.unless_stalled().await;
        Err(Status::unimplemented("the scripted worker has no vectors"))
    }
}

#[tonic::async_trait]
impl WorkerService for ScriptedWorker {
    async fn get_info(&self, _: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        self.desk.unless_stalled().await;
        Ok(Response::new(GetInfoResponse {
            worker_id: self.options.worker_id.clone(),
            model_id: self.options.model_id.clone(),
            worker_type: WorkerType::CpuLlm.into(),
            version: "0.1.0-scripted".into(),
            device_id: self.options.device.clone(),
            load: Some(self.desk.load()),
            model_info: None,
        }))
    }
}
