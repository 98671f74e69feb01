//! `rbee.worker.v1.TextService`.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::text_service_server::TextService;
use tonic::{Request, Response, Status};

use super::{Loaded, convert, status};
use crate::generator::{Answer, Generator};

pub(super) struct TextHandler {
    loaded: Loaded,
}

impl TextHandler {
    pub(super) fn new(loaded: Loaded) -> Self {
        Self { loaded }
    }
}

#[tonic::async_trait]
impl TextService for TextHandler {
    type ChatStream = BoxStream<'static, Result<proto::ChatResponse, Status>>;
    type CompleteStream = BoxStream<'static, Result<proto::CompleteResponse, Status>>;

    async fn chat(&self, request: Request<proto::ChatRequest>) -> Result<Response<Self::ChatStream>, Status> {
        let generator = self.loaded.get()?;
        let (chat, generation) = convert::chat(request.into_inner(), generator.tokenizer().vocab_size())
            .map_err(|violations| status::invalid(&violations))?;
        let answer = generator
            .chat(chat, generation)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(stream(generator, answer)))
    }

    async fn complete(
        &self,
        request: Request<proto::CompleteRequest>,
    ) -> Result<Response<Self::CompleteStream>, Status> {
        let generator = self.loaded.get()?;
        let (prompt, echo, generation) =
            convert::complete(request.into_inner(), generator.tokenizer().vocab_size())
                .map_err(|violations| status::invalid(&violations))?;
        let answer = generator
            .complete(prompt, echo, generation)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(stream(generator, answer)))
    }

    async fn tokenize(
        &self,
        request: Request<proto::TokenizeRequest>,
    ) -> Result<Response<proto::TokenizeResponse>, Status> {
        let generator = self.loaded.get()?;
        let request =
            convert::tokenize(request.into_inner()).map_err(|violations| status::invalid(&violations))?;
        let token_ids = generator
            .tokenize(request.text, request.add_special, request.parse_special)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(proto::TokenizeResponse { token_ids }))
    }

    async fn detokenize(
        &self,
        request: Request<proto::DetokenizeRequest>,
    ) -> Result<Response<proto::DetokenizeResponse>, Status> {
        let generator = self.loaded.get()?;
        let ids = convert::detokenize(request.into_inner(), generator.tokenizer().vocab_size())
            .map_err(|violations| status::invalid(&violations))?;
        let text = generator
            .detokenize(ids)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(proto::DetokenizeResponse { text }))
    }

    async fn count_tokens(
        &self,
        request: Request<proto::CountTokensRequest>,
    ) -> Result<Response<proto::CountTokensResponse>, Status> {
        let generator = self.loaded.get()?;
        let conversation =
            convert::count(request.into_inner()).map_err(|violations| status::invalid(&violations))?;
        let count = generator
            .count(conversation)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(proto::CountTokensResponse {
            prompt_tokens: convert::wire(count),
        }))
    }

    async fn embed(
        &self,
        request: Request<proto::EmbedRequest>,
    ) -> Result<Response<proto::EmbedResponse>, Status> {
        let generator = self.loaded.get()?;
        let embedding =
            convert::embedding(request.into_inner()).map_err(|violations| status::invalid(&violations))?;
        let embedded = generator
            .embed(embedding)
            .await
            .map_err(|error| status::refuse(generator, &error))?;
        Ok(Response::new(convert::embedded(embedded)))
    }
}

/// The answer's events as messages. The stream owns the answer: a client that leaves drops it.
fn stream<T: From<convert::Event> + 'static>(
    generator: &Generator,
    answer: Answer,
) -> BoxStream<'static, Result<T, Status>> {
    let generator = generator.clone();
    answer
        .map(move |event| match event {
            Ok(event) => Ok(T::from(convert::Event::new(event, generator.tokenizer()))),
            Err(error) => Err(status::fault(&error).into()),
        })
        .boxed()
}
