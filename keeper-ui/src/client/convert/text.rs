//! Conversations and answers to and from the contract's messages.

use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, ContentPart, ContextOverflow, CountTokensRequest, FinishReason,
    GenerationFinished, GetInfoResponse, Message, Role, SamplingParameters, StopConditions, chat_response,
    content_part, get_info_response,
};

use super::time::duration;
use crate::client::failure::Failure;
use crate::client::text::{Question, TextFacts};
use crate::model::chat::{
    AnswerEvent, Ending, Figures, Sampling, ToolUse, Trouble, TurnMessage, TurnSpeaker,
};

/// The request for an answer.
pub(in crate::client) fn chat_request(question: &Question) -> ChatRequest {
    let overflow = if question.drop_oldest_turns {
        ContextOverflow::DropOldestTurns
    } else {
        ContextOverflow::Refuse
    };
    ChatRequest {
        messages: messages(&question.turns),
        sampling: Some(sampling(&question.sampling)),
        stop: Some(StopConditions {
            max_tokens: question.sampling.max_tokens,
            stop_strings: question.sampling.stop_strings.clone(),
            ignore_end_of_generation: false,
        }),
        template_variables_json: template_variables(&question.sampling),
        context_overflow: overflow.into(),
        ..ChatRequest::default()
    }
}

/// The request for the number of tokens of the same.
pub(in crate::client) fn count_request(question: &Question) -> CountTokensRequest {
    CountTokensRequest {
        messages: messages(&question.turns),
        template_variables_json: template_variables(&question.sampling),
        ..CountTokensRequest::default()
    }
}

fn messages(turns: &[TurnMessage]) -> Vec<Message> {
    let message = |turn: &TurnMessage| Message {
        role: match turn.speaker {
            TurnSpeaker::System => Role::System,
            TurnSpeaker::Person => Role::User,
            TurnSpeaker::Model => Role::Assistant,
        }
        .into(),
        content: vec![ContentPart {
            part: Some(content_part::Part::Text(turn.text.clone())),
        }],
        reasoning: turn.reasoning.clone(),
        ..Message::default()
    };
    turns.iter().map(message).collect()
}

fn sampling(sampling: &Sampling) -> SamplingParameters {
    SamplingParameters {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        min_p: sampling.min_p,
        repetition_penalty: sampling.repetition_penalty,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        ..SamplingParameters::default()
    }
}

/// The variable by which templates of models that can be told so switch thinking on and off.
fn template_variables(sampling: &Sampling) -> String {
    match sampling.thinking {
        Some(thinking) => format!("{{\"enable_thinking\": {thinking}}}"),
        None => String::new(),
    }
}

/// What the stream tells; `None` for an event that this window does not know.
pub(in crate::client) fn event(response: ChatResponse) -> Option<AnswerEvent> {
    Some(match response.event? {
        chat_response::Event::Started(started) => AnswerEvent::Started {
            prompt_tokens: started.prompt_tokens,
            seed: started.seed,
            dropped_messages: started.dropped_messages,
        },
        chat_response::Event::Delta(delta) => AnswerEvent::Text {
            text: delta.text,
            completion_tokens: delta.completion_tokens,
        },
        chat_response::Event::Reasoning(delta) => AnswerEvent::Reasoning {
            text: delta.text,
            completion_tokens: delta.completion_tokens,
        },
        chat_response::Event::ToolCall(call) => AnswerEvent::ToolCall(ToolUse {
            id: call.id,
            name: call.name,
            arguments_json: call.arguments_json,
        }),
        chat_response::Event::Finished(finished) => finish(&finished),
    })
}

fn finish(finished: &GenerationFinished) -> AnswerEvent {
    let usage = finished.usage.as_ref();
    let timings = finished.timings.as_ref();
    AnswerEvent::Finished {
        ending: match finished.reason() {
            FinishReason::Length => Ending::Length,
            FinishReason::ToolCalls => Ending::ToolCalls,
            FinishReason::Unspecified
            | FinishReason::EndOfGeneration
            | FinishReason::StopString
            | FinishReason::Constraint => Ending::Whole,
        },
        figures: Figures {
            prompt_tokens: usage.map(|usage| usage.prompt_tokens),
            cached_prompt_tokens: usage.map(|usage| usage.cached_prompt_tokens),
            completion_tokens: usage.map(|usage| usage.completion_tokens),
            queue: timings.and_then(|timings| duration(timings.queue)),
            time_to_first_token: timings.and_then(|timings| duration(timings.time_to_first_token)),
            prefill_tokens_per_second: timings.and_then(|timings| timings.prefill_tokens_per_second),
            decode_tokens_per_second: timings.and_then(|timings| timings.decode_tokens_per_second),
        },
    }
}

/// What a text worker says of itself; `None` if it is none.
pub(in crate::client) fn facts(info: GetInfoResponse) -> Option<TextFacts> {
    let Some(get_info_response::ModelInfo::Llm(llm)) = info.model_info else {
        return None;
    };
    Some(TextFacts {
        architecture: llm.architecture,
        context_length: llm.context_length,
        has_chat_template: llm.has_chat_template,
    })
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            reason: failure.reason,
            sentence: failure.sentence,
            detail: failure.detail,
            retry_after: failure.retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::worker::v1::{Timings, Usage};

    use super::*;

    fn question() -> Question {
        let turn = |speaker, text: &str| TurnMessage {
            speaker,
            text: text.to_owned(),
            reasoning: String::new(),
        };
        Question {
            turns: vec![
                turn(TurnSpeaker::System, "brief"),
                turn(TurnSpeaker::Person, "why"),
            ],
            sampling: Sampling::default(),
            drop_oldest_turns: false,
        }
    }

    #[test]
    fn what_is_not_set_is_absent() {
        let request = chat_request(&question());
        assert_eq!(request.sampling, Some(SamplingParameters::default()));
        assert_eq!(request.template_variables_json, "");
        let roles: Vec<_> = request.messages.iter().map(Message::role).collect();
        assert_eq!(roles, [Role::System, Role::User]);
        assert_eq!(request.context_overflow(), ContextOverflow::Refuse);
    }

    #[test]
    fn what_is_set_goes_over() {
        let mut question = question();
        question.sampling.thinking = Some(false);
        question.sampling.temperature = Some(0.0);
        question.sampling.max_tokens = Some(7);
        question.drop_oldest_turns = true;
        let request = chat_request(&question);
        assert_eq!(request.template_variables_json, "{\"enable_thinking\": false}");
        assert_eq!(request.sampling.unwrap().temperature, Some(0.0));
        assert_eq!(request.stop.unwrap().max_tokens, Some(7));
        assert_eq!(request.context_overflow, ContextOverflow::DropOldestTurns as i32);
        assert_eq!(
            count_request(&question).template_variables_json,
            "{\"enable_thinking\": false}"
        );
    }

    #[test]
    fn figures_that_were_not_measured_are_absent() {
        let finished = GenerationFinished {
            reason: FinishReason::Length.into(),
            usage: Some(Usage {
                prompt_tokens: 3,
                cached_prompt_tokens: 1,
                completion_tokens: 1,
            }),
            timings: Some(Timings {
                queue: None,
                ..Timings::default()
            }),
        };
        let AnswerEvent::Finished { ending, figures } = finish(&finished) else {
            panic!("not the end")
        };
        assert_eq!(ending, Ending::Length);
        assert_eq!(
            (figures.completion_tokens, figures.decode_tokens_per_second),
            (Some(1), None)
        );
    }
}
