//! Between the contract's messages and the worker's own types. Prost types go no further than here.

mod conversation;

use rbee_proto::worker::v1 as proto;

use crate::domain::conversation::MAX_TEXT_BYTES;
use crate::domain::{Chat, Constraint, Conversation, Embedding, Generation, Sampling, Stop, Violations};
use crate::engine::{FinishReason, Timings, TokenDetails, Usage};
use crate::generator::{AnswerEvent, Embedded};
use crate::model::Pooling;
use crate::text::Tokenizer;

/// Largest request that is read at all: the longest texts, and room for what is around them.
pub(super) const MAX_REQUEST_BYTES: usize = 2 * MAX_TEXT_BYTES;
/// Most bytes of text for Tokenize: its ids then fit the four megabytes that clients take by default.
pub(super) const MAX_TOKENIZE_BYTES: usize = 1 << 20;
/// Most ids for Detokenize.
pub(super) const MAX_DETOKENIZE_IDS: usize = 128 << 10;

/// Reads a request for an answer.
pub(super) fn chat(
    mut request: proto::ChatRequest,
    vocabulary_size: u32,
) -> Result<(Chat, Generation), Violations> {
    let mut violations = Violations::default();
    let chat = conversation::chat(&mut request, &mut violations);
    let mut generation = generation(request.sampling, request.stop);
    generation.constraint = constraint(request.constraint, &mut violations);
    generation.top_log_probabilities = request.details.and_then(|details| details.top_log_probabilities);
    generation.check(vocabulary_size, &mut violations);
    violations.require(
        generation.constraint.is_none() || chat.conversation.tools.is_empty(),
        "constraint",
        "must not be there together with tools",
    );
    violations.check((chat, generation))
}

/// Reads a request for a continuation: the prompt, whether to give it back, and how to go on.
pub(super) fn complete(
    request: proto::CompleteRequest,
    vocabulary_size: u32,
) -> Result<(String, bool, Generation), Violations> {
    let mut violations = Violations::default();
    violations.require(
        request.prompt.len() <= MAX_TEXT_BYTES,
        "prompt",
        format!("must be at most {MAX_TEXT_BYTES} bytes"),
    );
    let mut generation = generation(request.sampling, request.stop);
    generation.constraint = constraint(request.constraint, &mut violations);
    generation.top_log_probabilities = request.details.and_then(|details| details.top_log_probabilities);
    generation.check(vocabulary_size, &mut violations);
    violations.check((request.prompt, request.echo, generation))
}

/// Reads a request to count.
pub(super) fn count(request: proto::CountTokensRequest) -> Result<Conversation, Violations> {
    let mut violations = Violations::default();
    let conversation = conversation::counted(request, &mut violations);
    violations.check(conversation)
}

/// Reads a request for vectors.
pub(super) fn embedding(request: proto::EmbedRequest) -> Result<Embedding, Violations> {
    let mut violations = Violations::default();
    let embedding = Embedding {
        inputs: request.inputs,
        raw: request.raw,
    };
    embedding.check(&mut violations);
    violations.check(embedding)
}

/// Vectors for the wire.
pub(super) fn embedded(embedded: Embedded) -> proto::EmbedResponse {
    let pooling = match embedded.pooling {
        Pooling::Mean => proto::Pooling::Mean,
        Pooling::First => proto::Pooling::First,
        Pooling::Last => proto::Pooling::Last,
    };
    let vectors = embedded.vectors.into_iter();
    proto::EmbedResponse {
        embeddings: vectors.map(|values| proto::Embedding { values }).collect(),
        pooling: pooling.into(),
        prompt_tokens: wire(embedded.prompt_tokens),
    }
}

/// Checks a request for ids.
pub(super) fn tokenize(request: proto::TokenizeRequest) -> Result<proto::TokenizeRequest, Violations> {
    let mut violations = Violations::default();
    violations.require(
        request.text.len() <= MAX_TOKENIZE_BYTES,
        "text",
        format!("must be at most {MAX_TOKENIZE_BYTES} bytes"),
    );
    violations.check(request)
}

/// Checks a request for text against the vocabulary's size.
pub(super) fn detokenize(
    request: proto::DetokenizeRequest,
    vocabulary_size: u32,
) -> Result<Vec<u32>, Violations> {
    let mut violations = Violations::default();
    violations.require(
        request.token_ids.len() <= MAX_DETOKENIZE_IDS,
        "token_ids",
        format!("must be at most {MAX_DETOKENIZE_IDS} ids"),
    );
    for (index, _) in request
        .token_ids
        .iter()
        .enumerate()
        .filter(|&(_, &id)| id >= vocabulary_size)
    {
        violations.add(
            format!("token_ids[{index}]"),
            format!("must be below {vocabulary_size}, the vocabulary's size"),
        );
    }
    violations.check(request.token_ids)
}

fn generation(
    sampling: Option<proto::SamplingParameters>,
    stop: Option<proto::StopConditions>,
) -> Generation {
    let sampling = sampling.unwrap_or_default();
    let stop = stop.unwrap_or_default();
    Generation {
        sampling: Sampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            typical_p: sampling.typical_p,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            penalty_window: sampling.penalty_window,
            logit_bias: sampling
                .logit_bias
                .iter()
                .map(|bias| (bias.token_id, bias.bias))
                .collect(),
            seed: sampling.seed,
        },
        stop: Stop {
            max_tokens: stop.max_tokens,
            strings: stop.stop_strings,
            ignore_end_of_generation: stop.ignore_end_of_generation,
        },
        ..Generation::default()
    }
}

fn constraint(
    constraint: Option<proto::OutputConstraint>,
    violations: &mut Violations,
) -> Option<Constraint> {
    use proto::output_constraint::Constraint as Said;
    match constraint?.constraint {
        Some(Said::JsonObject(wanted)) => {
            violations.require(wanted, "constraint.json_object", "must be true, or not be there");
            Some(Constraint::JsonObject)
        }
        Some(Said::JsonSchema(schema)) => Some(Constraint::JsonSchema(schema)),
        Some(Said::Regex(regex)) => Some(Constraint::Regex(regex)),
        Some(Said::LarkGrammar(grammar)) => Some(Constraint::Lark(grammar)),
        None => {
            violations.add("constraint", "must hold a constraint that this worker knows");
            None
        }
    }
}

/// An event of an answer, for either stream: Chat's and Complete's events have the same parts.
pub(super) enum Event {
    Started(proto::GenerationStarted),
    Reasoning(proto::TextDelta),
    Delta(proto::TextDelta),
    ToolCall(proto::ToolCall),
    Finished(proto::GenerationFinished),
}

impl Event {
    /// An event of an answer; the tokenizer has the bytes of the tokens that it tells of.
    pub(super) fn new(event: AnswerEvent, tokenizer: &Tokenizer) -> Self {
        let delta = |text, completion_tokens, details: Vec<TokenDetails>| proto::TextDelta {
            text,
            completion_tokens: wire(completion_tokens),
            tokens: details
                .into_iter()
                .map(|details| token_details(details, tokenizer))
                .collect(),
        };
        match event {
            AnswerEvent::Started {
                prompt_tokens,
                seed,
                dropped_messages,
            } => Self::Started(proto::GenerationStarted {
                prompt_tokens: wire(prompt_tokens),
                seed,
                dropped_messages: wire(dropped_messages),
            }),
            AnswerEvent::Reasoning {
                text,
                completion_tokens,
                details,
            } => Self::Reasoning(delta(text, completion_tokens, details)),
            AnswerEvent::Delta {
                text,
                completion_tokens,
                details,
            } => Self::Delta(delta(text, completion_tokens, details)),
            AnswerEvent::ToolCall(call) => Self::ToolCall(proto::ToolCall {
                id: call.id,
                name: call.name,
                arguments_json: call.arguments,
            }),
            AnswerEvent::Finished {
                reason,
                called_tools,
                usage,
                timings,
            } => Self::Finished(finished(reason, called_tools, usage, timings)),
        }
    }
}

fn token_details(details: TokenDetails, tokenizer: &Tokenizer) -> proto::TokenDetails {
    let told = |token_id, log_probability| proto::TokenLogProbability {
        token_id,
        token: tokenizer.token_bytes(token_id).to_vec(),
        log_probability,
    };
    let top = details.top.into_iter();
    proto::TokenDetails {
        token: Some(told(details.token, details.log_probability)),
        top: top
            .map(|(token, log_probability)| told(token, Some(log_probability)))
            .collect(),
    }
}

impl From<Event> for proto::ChatResponse {
    fn from(event: Event) -> Self {
        use proto::chat_response::Event as Out;
        let event = match event {
            Event::Started(started) => Out::Started(started),
            Event::Reasoning(delta) => Out::Reasoning(delta),
            Event::Delta(delta) => Out::Delta(delta),
            Event::ToolCall(call) => Out::ToolCall(call),
            Event::Finished(finished) => Out::Finished(finished),
        };
        Self { event: Some(event) }
    }
}

impl From<Event> for proto::CompleteResponse {
    fn from(event: Event) -> Self {
        use proto::complete_response::Event as Out;
        let event = match event {
            Event::Started(started) => Out::Started(started),
            Event::Delta(delta) => Out::Delta(delta),
            Event::Finished(finished) => Out::Finished(finished),
            // A continuation is text and nothing else.
            Event::Reasoning(_) | Event::ToolCall(_) => return Self { event: None },
        };
        Self { event: Some(event) }
    }
}

fn finished(
    reason: FinishReason,
    called_tools: bool,
    usage: Usage,
    timings: Timings,
) -> proto::GenerationFinished {
    let reason = match reason {
        FinishReason::EndOfGeneration if called_tools => proto::FinishReason::ToolCalls,
        FinishReason::EndOfGeneration => proto::FinishReason::EndOfGeneration,
        FinishReason::StopString => proto::FinishReason::StopString,
        FinishReason::Length => proto::FinishReason::Length,
        FinishReason::Constraint if called_tools => proto::FinishReason::ToolCalls,
        FinishReason::Constraint => proto::FinishReason::Constraint,
        // Nobody is there to read it.
        FinishReason::Cancelled => proto::FinishReason::Unspecified,
    };
    proto::GenerationFinished {
        reason: reason.into(),
        usage: Some(proto::Usage {
            prompt_tokens: wire(usage.prompt_tokens),
            cached_prompt_tokens: wire(usage.cached_tokens),
            completion_tokens: wire(usage.completion_tokens),
        }),
        timings: Some(proto::Timings {
            queue: duration(timings.queue),
            time_to_first_token: timings.time_to_first_token.and_then(duration),
            prefill_tokens_per_second: timings.prefill_tokens_per_second,
            decode_tokens_per_second: timings.decode_tokens_per_second,
        }),
    }
}

/// A count for the wire. Contexts are far below four thousand million tokens.
pub(super) fn wire(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn duration(duration: std::time::Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}
