//! What an answer took.

use std::time::Duration;

use rbee_proto::worker::v1::{GenerationFinished, GenerationStarted, TokenDetails, ToolCall};
use serde::{Serialize, Serializer};

use super::log_probabilities::Token;
use super::{human, words};

/// An answer with what it took, as `--json` prints it. What was not measured is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// The model that answered.
    pub(crate) model: String,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: Option<u32>,
    /// Tokens of the prompt that were still there from an earlier request.
    pub(crate) cached_prompt_tokens: Option<u32>,
    /// Tokens generated.
    pub(crate) completion_tokens: u32,
    /// From the request's arrival at the worker to its first token.
    pub(crate) ttft_ms: Option<f64>,
    /// After the first token.
    pub(crate) tokens_per_second: Option<f64>,
    /// Prompt tokens computed per second.
    pub(crate) prefill_tokens_per_second: Option<f64>,
    /// Waiting for a slot.
    pub(crate) queue_ms: Option<f64>,
    /// Messages that were left out because the conversation was too long.
    pub(crate) dropped_messages: u32,
    /// What the model thought before it answered.
    pub(crate) reasoning: String,
    /// The answer.
    pub(crate) text: String,
    /// Its tokens and how likely they were, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<Token>,
    /// The tools that it called.
    #[serde(serialize_with = "calls")]
    pub(crate) tool_calls: Vec<ToolCall>,
    /// `end_of_generation`, `tool_calls`, `stop_string`, `length`, `constraint`, or `interrupted`.
    pub(crate) finish_reason: String,
    /// Seed in use.
    pub(crate) seed: Option<u64>,
    /// The worker that answered.
    pub(crate) worker_id: String,
}

/// A call as `--json` prints it.
#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    name: &'a str,
    /// An object, or a text if it should not be one.
    arguments: serde_json::Value,
}

fn calls<S: Serializer>(calls: &[ToolCall], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        calls.iter().map(|call| Call {
            id: &call.id,
            name: &call.name,
            arguments: serde_json::from_str(&call.arguments_json)
                .unwrap_or_else(|_| call.arguments_json.as_str().into()),
        }),
    )
}

/// To the microsecond: what lies behind is noise.
fn milliseconds(duration: Option<&prost_types::Duration>) -> Option<f64> {
    duration
        .and_then(human::from_proto)
        .map(|duration| duration.as_micros() as f64 / 1000.0)
}

impl Answer {
    /// An answer of which nothing has arrived.
    pub(crate) fn begin(model: &str, worker_id: &str) -> Self {
        Self {
            model: model.to_owned(),
            prompt_tokens: None,
            cached_prompt_tokens: None,
            completion_tokens: 0,
            ttft_ms: None,
            tokens_per_second: None,
            prefill_tokens_per_second: None,
            queue_ms: None,
            dropped_messages: 0,
            reasoning: String::new(),
            text: String::new(),
            tokens: Vec::new(),
            tool_calls: Vec::new(),
            finish_reason: "interrupted".to_owned(),
            seed: None,
            worker_id: worker_id.to_owned(),
        }
    }

    /// Notes the first message.
    pub(crate) fn started(&mut self, started: &GenerationStarted) {
        self.prompt_tokens = Some(started.prompt_tokens);
        self.seed = Some(started.seed);
        self.dropped_messages = started.dropped_messages;
    }

    /// Notes what is told of tokens.
    pub(crate) fn told(&mut self, tokens: Vec<TokenDetails>) {
        self.tokens.extend(tokens.into_iter().filter_map(Token::new));
    }

    /// Notes the last message.
    pub(crate) fn finished(&mut self, finished: &GenerationFinished) {
        self.finish_reason = words::finish_reason(finished.reason);
        if let Some(usage) = &finished.usage {
            self.prompt_tokens = Some(usage.prompt_tokens);
            self.cached_prompt_tokens = Some(usage.cached_prompt_tokens);
            self.completion_tokens = usage.completion_tokens;
        }
        if let Some(timings) = &finished.timings {
            self.ttft_ms = milliseconds(timings.time_to_first_token.as_ref());
            self.tokens_per_second = timings.decode_tokens_per_second;
            self.prefill_tokens_per_second = timings.prefill_tokens_per_second;
            self.queue_ms = milliseconds(timings.queue.as_ref());
        }
    }

    /// One line for a person: only what was measured.
    pub(crate) fn line(&self) -> String {
        let mut facts = Vec::new();
        if let Some(prompt) = self.prompt_tokens {
            let cached = match self.cached_prompt_tokens {
                Some(cached) if cached > 0 => format!(" ({cached} cached)"),
                _ => String::new(),
            };
            facts.push(format!("{prompt} prompt tokens{cached}"));
        }
        facts.push(format!("{} tokens", self.completion_tokens));
        if let Some(ttft) = self.ttft_ms {
            facts.push(format!(
                "first after {}",
                human::duration(Duration::from_secs_f64(ttft / 1000.0))
            ));
        }
        if let Some(rate) = self.tokens_per_second {
            facts.push(format!("{rate:.1} tok/s"));
        }
        if self.dropped_messages > 0 {
            facts.push(format!("{} messages left out", self.dropped_messages));
        }
        match self.finish_reason.as_str() {
            "length" => facts.push("cut off at the limit".to_owned()),
            "interrupted" => facts.push("interrupted".to_owned()),
            _ => {}
        }
        format!("[{}]", facts.join(" · "))
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::worker::v1::{FinishReason, Timings, Usage};

    use super::*;

    #[test]
    fn what_was_measured_is_told() {
        let mut answer = Answer::begin("local:qwen", "w1");
        answer.started(&GenerationStarted {
            prompt_tokens: 30,
            seed: 7,
            dropped_messages: 0,
        });
        answer.finished(&GenerationFinished {
            reason: FinishReason::Length as i32,
            usage: Some(Usage {
                prompt_tokens: 30,
                cached_prompt_tokens: 12,
                completion_tokens: 16,
            }),
            timings: Some(Timings {
                queue: None,
                time_to_first_token: Some(prost_types::Duration {
                    seconds: 0,
                    nanos: 250_000_000,
                }),
                prefill_tokens_per_second: None,
                decode_tokens_per_second: Some(21.34),
            }),
        });
        assert_eq!(
            answer.line(),
            "[30 prompt tokens (12 cached) · 16 tokens · first after 250 ms · 21.3 tok/s · cut off at the limit]"
        );
        let value = serde_json::to_value(&answer).unwrap();
        assert_eq!(value["ttft_ms"], 250.0);
        assert_eq!(value["queue_ms"], serde_json::Value::Null);
        assert_eq!(value["finish_reason"], "length");
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let mut answer = Answer::begin("local:qwen", "w1");
        answer.completion_tokens = 3;
        assert_eq!(answer.line(), "[3 tokens · interrupted]");
        assert_eq!(
            serde_json::to_value(&answer).unwrap()["ttft_ms"],
            serde_json::Value::Null
        );
    }
}
