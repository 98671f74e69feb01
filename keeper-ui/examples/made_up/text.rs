//! The text worker: the same good answer to everything, token by token.

use std::time::Instant;

use futures_util::StreamExt as _;
use rbee_proto::worker::v1::text_service_server::TextService;
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, CompleteRequest, CompleteResponse, CountTokensRequest, CountTokensResponse,
    DetokenizeRequest, DetokenizeResponse, EmbedRequest, EmbedResponse, FinishReason, GenerationFinished,
    GenerationStarted, TextDelta, Timings, TokenizeRequest, TokenizeResponse, Usage, chat_response,
};
use tonic::{Request, Response, Status};

use super::{Pace, Streamed, absent, ticks};

/// What it says, over and over until it has said enough.
const ANSWER: &str = include_str!("answer.md");
/// Tokens that a prompt is said to have.
const PROMPT_TOKENS: u32 = 38;

#[derive(Debug)]
pub(super) struct Speaker {
    pub(super) pace: Pace,
}

/// About a token: a word with the space before it, or a sign.
fn tokens() -> Vec<&'static str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (place, letter) in ANSWER.char_indices().skip(1) {
        if letter.is_whitespace() || !letter.is_alphanumeric() {
            tokens.push(&ANSWER[start..place]);
            start = place;
        }
    }
    tokens.push(&ANSWER[start..]);
    tokens
}

fn told(event: chat_response::Event) -> Result<ChatResponse, Status> {
    Ok(ChatResponse { event: Some(event) })
}

#[tonic::async_trait]
impl TextService for Speaker {
    type ChatStream = Streamed<ChatResponse>;
    type CompleteStream = Streamed<CompleteResponse>;

    async fn chat(&self, _: Request<ChatRequest>) -> Result<Response<Self::ChatStream>, Status> {
        let (began, pace) = (Instant::now(), self.pace);
        let started = GenerationStarted {
            prompt_tokens: PROMPT_TOKENS,
            seed: 1,
            dropped_messages: 0,
        };
        let words = tokens();
        let deltas = ticks(pace.token)
            .take(pace.tokens as usize)
            .enumerate()
            .map(move |(index, _)| {
                told(chat_response::Event::Delta(TextDelta {
                    text: words[index % words.len()].to_owned(),
                    completion_tokens: u32::try_from(index + 1).unwrap_or(u32::MAX),
                    tokens: Vec::new(),
                }))
            });
        let finished = futures_util::stream::once(async move {
            let rate = f64::from(pace.tokens) / began.elapsed().as_secs_f64();
            told(chat_response::Event::Finished(GenerationFinished {
                reason: FinishReason::EndOfGeneration.into(),
                usage: Some(Usage {
                    prompt_tokens: PROMPT_TOKENS,
                    cached_prompt_tokens: 0,
                    completion_tokens: pace.tokens,
                }),
                timings: Some(Timings {
                    decode_tokens_per_second: Some(rate),
                    ..Timings::default()
                }),
            }))
        });
        let first = futures_util::stream::iter([told(chat_response::Event::Started(started))]);
        Ok(Response::new(Box::pin(first.chain(deltas).chain(finished))))
    }

    async fn complete(&self, _: Request<CompleteRequest>) -> Result<Response<Self::CompleteStream>, Status> {
        absent()
    }

    async fn tokenize(&self, _: Request<TokenizeRequest>) -> Result<Response<TokenizeResponse>, Status> {
        absent()
    }

    async fn detokenize(
        &self,
        _: Request<DetokenizeRequest>,
    ) -> Result<Response<DetokenizeResponse>, Status> {
        absent()
    }

    async fn count_tokens(
        &self,
        request: Request<CountTokensRequest>,
    ) -> Result<Response<CountTokensResponse>, Status> {
        let turns = u32::try_from(request.get_ref().messages.len()).unwrap_or(u32::MAX);
        Ok(Response::new(CountTokensResponse {
            prompt_tokens: turns * PROMPT_TOKENS,
        }))
    }

    async fn embed(&self, _: Request<EmbedRequest>) -> Result<Response<EmbedResponse>, Status> {
        absent()
    }
}
