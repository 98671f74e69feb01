//! One answer of a model, from the moment it is asked for to its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Trouble;

/// What an answer's stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerEvent {
    /// The worker took the request from its queue and computes the prompt.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Seed in use.
        seed: u64,
        /// Messages that were left out because the conversation was too long.
        dropped_messages: u32,
    },
    /// A piece of what the model thinks before it answers.
    Reasoning {
        /// Whole characters to append.
        text: String,
        /// Tokens generated so far.
        completion_tokens: u32,
    },
    /// A piece of the answer.
    Text {
        /// Whole characters to append.
        text: String,
        /// Tokens generated so far.
        completion_tokens: u32,
    },
    /// The model calls a tool.
    ToolCall(ToolUse),
    /// The worker ended the answer; what it measured is in the figures.
    Finished {
        /// Why it ended.
        ending: Ending,
        /// What it took, as the worker measured it.
        figures: Figures,
    },
    /// The stream broke, or was refused.
    Failed(Trouble),
    /// The person stopped it.
    Stopped,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Id of the call within the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, a JSON object.
    pub arguments_json: String,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// The model ended it, by itself or by a stop string.
    Whole,
    /// The longest allowed length, or the end of the context, was reached.
    Length,
    /// The model called tools and waits for what they give back.
    ToolCalls,
    /// The person stopped it.
    Stopped,
    /// It broke off, or was refused.
    Failed {
        /// Why.
        trouble: Trouble,
    },
}

/// What an answer took. A figure that nobody measured is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u32>,
    /// Those of them that the worker still had from an earlier request.
    pub cached_prompt_tokens: Option<u32>,
    /// Tokens generated.
    pub completion_tokens: Option<u32>,
    /// Waiting for a slot.
    pub queue: Option<Duration>,
    /// From the request to the first token.
    pub time_to_first_token: Option<Duration>,
    /// Prompt tokens computed per second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Tokens per second after the first.
    pub decode_tokens_per_second: Option<f64>,
}

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It was asked for, and the worker has not begun.
    Queued,
    /// The worker computes the prompt.
    Reading,
    /// The model thinks before it answers.
    Thinking,
    /// Text comes.
    Writing,
    /// It has ended.
    Ended,
}

/// An answer so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The model that gives it.
    pub model_id: String,
    /// What the model thought before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// What it says.
    pub text: String,
    /// The tools that it called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolUse>,
    /// How it ended; absent while it comes.
    pub ending: Option<Ending>,
    /// What it took: while it comes, as seen from here; after its end, as the worker measured it.
    #[serde(default)]
    pub figures: Figures,
    /// The seed that gives the same answer again.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Messages that the model did not see because the conversation was too long.
    #[serde(default)]
    pub dropped_messages: u32,
    /// When the first token came, after the question.
    #[serde(skip)]
    pub first_token_at: Option<Duration>,
}

/// Fewer tokens than this say nothing about speed.
const TOKENS_FOR_A_RATE: u32 = 5;

impl Answer {
    /// An answer that was just asked for.
    #[must_use]
    pub fn asked(model_id: impl Into<String>) -> Self {
        Self {
            model_id: model_id.into(),
            ..Self::default()
        }
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.ending.is_some() {
            Phase::Ended
        } else if !self.text.is_empty() || !self.tool_calls.is_empty() {
            Phase::Writing
        } else if !self.reasoning.is_empty() {
            Phase::Thinking
        } else if self.figures.prompt_tokens.is_some() {
            Phase::Reading
        } else {
            Phase::Queued
        }
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        match &self.ending {
            Some(Ending::Failed { trouble }) => Some(trouble),
            _ => None,
        }
    }

    /// Whether there is anything in it worth keeping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty()
    }

    /// Takes what the stream told, `since_asked` after the question. What comes after the end is ignored: the
    /// last words of a stream that was stopped may still be on their way.
    pub fn apply(&mut self, event: AnswerEvent, since_asked: Duration) {
        if self.ending.is_some() {
            return;
        }
        match event {
            AnswerEvent::Started {
                prompt_tokens,
                seed,
                dropped_messages,
            } => {
                self.figures.prompt_tokens = Some(prompt_tokens);
                self.seed = Some(seed);
                self.dropped_messages = dropped_messages;
            }
            AnswerEvent::Reasoning {
                text,
                completion_tokens,
            } => {
                self.reasoning.push_str(&text);
                self.count(completion_tokens, since_asked);
            }
            AnswerEvent::Text {
                text,
                completion_tokens,
            } => {
                self.text.push_str(&text);
                self.count(completion_tokens, since_asked);
            }
            AnswerEvent::ToolCall(call) => self.tool_calls.push(call),
            AnswerEvent::Finished { ending, figures } => {
                self.figures = figures;
                self.ending = Some(ending);
            }
            AnswerEvent::Failed(trouble) => self.ending = Some(Ending::Failed { trouble }),
            AnswerEvent::Stopped => self.ending = Some(Ending::Stopped),
        }
    }

    /// Counts tokens as they arrive, so that there are figures before the worker tells its own.
    fn count(&mut self, completion_tokens: u32, since_asked: Duration) {
        self.figures.completion_tokens = Some(completion_tokens);
        let first = *self.first_token_at.get_or_insert(since_asked);
        self.figures.time_to_first_token = Some(first);
        let spent = since_asked.saturating_sub(first).as_secs_f64();
        if completion_tokens >= TOKENS_FOR_A_RATE && spent > 0.0 {
            self.figures.decode_tokens_per_second = Some(f64::from(completion_tokens - 1) / spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn text(text: &str, completion_tokens: u32) -> AnswerEvent {
        AnswerEvent::Text {
            text: text.into(),
            completion_tokens,
        }
    }

    #[test]
    fn it_passes_through_its_phases() {
        let mut answer = Answer::asked("local:tiny");
        assert_eq!(answer.phase(), Phase::Queued);
        answer.apply(
            AnswerEvent::Started {
                prompt_tokens: 9,
                seed: 7,
                dropped_messages: 0,
            },
            at(10),
        );
        assert_eq!(answer.phase(), Phase::Reading);
        answer.apply(
            AnswerEvent::Reasoning {
                text: "hm".into(),
                completion_tokens: 1,
            },
            at(50),
        );
        assert_eq!(answer.phase(), Phase::Thinking);
        answer.apply(text("Yes", 2), at(60));
        assert_eq!(answer.phase(), Phase::Writing);
        let figures = Figures {
            completion_tokens: Some(3),
            ..Figures::default()
        };
        answer.apply(
            AnswerEvent::Finished {
                ending: Ending::Whole,
                figures,
            },
            at(70),
        );
        assert_eq!(answer.phase(), Phase::Ended);
        assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("hm", "Yes"));
        assert_eq!(answer.figures, figures);
        assert_eq!(answer.seed, Some(7));
    }

    #[test]
    fn figures_are_measured_while_it_comes() {
        let mut answer = Answer::asked("m");
        answer.apply(text("a", 1), at(200));
        assert_eq!(answer.figures.time_to_first_token, Some(at(200)));
        assert_eq!(
            answer.figures.decode_tokens_per_second, None,
            "one token has no speed"
        );
        answer.apply(text("b", 11), at(700));
        assert_eq!(answer.figures.decode_tokens_per_second, Some(20.0));
        assert_eq!(answer.figures.time_to_first_token, Some(at(200)));
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut answer = Answer::asked("m");
        answer.apply(text("kept", 1), at(1));
        answer.apply(AnswerEvent::Stopped, at(2));
        answer.apply(text(" late", 2), at(3));
        answer.apply(AnswerEvent::Failed(Trouble::new("late")), at(4));
        assert_eq!(answer.text, "kept");
        assert_eq!(answer.ending, Some(Ending::Stopped));
    }

    #[test]
    fn a_broken_answer_keeps_what_came() {
        let mut answer = Answer::asked("m");
        answer.apply(text("half", 1), at(1));
        answer.apply(AnswerEvent::Failed(Trouble::new("The worker is gone.")), at(2));
        assert_eq!(answer.text, "half");
        assert_eq!(answer.trouble().unwrap().sentence, "The worker is gone.");
    }
}
