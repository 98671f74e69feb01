//! The answer as a stream: what the engine says, in words, measured and traced on the way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use rbee_service_kit::narrate;
use tracing::Span;
use tracing::field::Empty;

use super::GenerateError;
use super::call_ids::CallIds;
use super::echo::{Echo, TOKENS_AT_ONCE};
use super::reading::{Piece, Reader, Reading};
use crate::engine::{Delta, Event, Finish, FinishReason, Timings, TokenDetails, TokenStream, Usage};

/// One event of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerEvent {
    /// The request has a slot; its prompt is being computed. Always the first.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Seed in use.
        seed: u64,
        /// Messages that were left out because the conversation was too long.
        dropped_messages: usize,
    },
    /// More of what the model thinks before it answers.
    Reasoning {
        /// Whole characters, to be appended; empty only where there are details without text.
        text: String,
        /// Tokens generated so far; 0 while the prompt is given back.
        completion_tokens: usize,
        /// The tokens since the last delta, if it was asked how likely they were.
        details: Vec<TokenDetails>,
    },
    /// More text.
    Delta {
        /// Whole characters, to be appended; empty only where there are details without text.
        text: String,
        /// Tokens generated so far; 0 while the prompt is given back.
        completion_tokens: usize,
        /// The tokens since the last delta, if it was asked how likely they were.
        details: Vec<TokenDetails>,
    },
    /// A call of a tool.
    ToolCall(CalledTool),
    /// The end of the answer. Always the last, unless an error is.
    Finished {
        /// Why.
        reason: FinishReason,
        /// Whether tools were called.
        called_tools: bool,
        /// Token counts.
        usage: Usage,
        /// Measured times.
        timings: Timings,
    },
}

/// A tool that the model calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledTool {
    /// Its id within the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments: a JSON object.
    pub arguments: String,
}

/// What is known of an answer before it begins.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) prompt_tokens: usize,
    pub(super) seed: u64,
    pub(super) dropped_messages: usize,
    pub(super) call_ids: CallIds,
    /// What is read out of the answer.
    pub(super) reading: Reading,
    /// The prompt, if it is given back first.
    pub(super) echo: Option<Echo>,
    /// It is told how likely tokens were, those of an echoed prompt, too.
    pub(super) tells: bool,
}

/// An answer that is being generated. Dropping it ends the generation within one token.
///
/// Its spans are `answer` and, in it, `queue`, `prefill` and `decode` one after the other.
#[derive(Debug)]
pub struct Answer {
    tokens: TokenStream,
    worker_id: String,
    beginning: Beginning,
    reader: Reader,
    /// From the request's arrival to the engine: template and tokenizer.
    prepared: Duration,
    completion_tokens: usize,
    called_tools: bool,
    /// The prompt, if it is given back.
    echo: Option<Echo>,
    /// Tokens of which the next piece of text tells.
    untold: Vec<TokenDetails>,
    /// What goes out next.
    events: VecDeque<AnswerEvent>,
    ended: bool,
    span: Span,
    stage: Span,
}

impl Answer {
    /// To be made within the call's span.
    pub(super) fn new(
        worker_id: String,
        tokens: TokenStream,
        mut beginning: Beginning,
        prepared: Duration,
    ) -> Self {
        let prompt_tokens = beginning.prompt_tokens;
        let beginning_echo = beginning.echo.take();
        let span = tracing::info_span!(
            "answer",
            worker_id,
            prompt_tokens,
            completion_tokens = Empty,
            finish_reason = Empty,
            tokens_per_second = Empty,
        );
        let stage = tracing::info_span!(parent: &span, "queue");
        Self {
            tokens,
            worker_id,
            reader: Reader::new(std::mem::take(&mut beginning.reading)),
            beginning,
            prepared,
            completion_tokens: 0,
            called_tools: false,
            echo: beginning_echo,
            untold: Vec::new(),
            events: VecDeque::new(),
            ended: false,
            span,
            stage,
        }
    }

    fn started(&mut self) {
        self.stage = tracing::info_span!(parent: &self.span, "prefill");
        self.events.push_back(AnswerEvent::Started {
            prompt_tokens: self.beginning.prompt_tokens,
            seed: self.beginning.seed,
            dropped_messages: self.beginning.dropped_messages,
        });
        // With details it comes as the engine tells of its tokens.
        while !self.beginning.tells
            && let Some(echo) = self.echo.as_mut().filter(|echo| !echo.is_done())
        {
            let text = echo.take(TOKENS_AT_ONCE);
            if !text.is_empty() {
                self.events.push_back(AnswerEvent::Delta {
                    text,
                    completion_tokens: 0,
                    details: Vec::new(),
                });
            }
        }
    }

    /// Tokens of the prompt.
    fn prompt(&mut self, details: Vec<TokenDetails>) {
        let text = match &mut self.echo {
            Some(echo) => echo.take(details.len()),
            None => String::new(),
        };
        self.events.push_back(AnswerEvent::Delta {
            text,
            completion_tokens: 0,
            details,
        });
    }

    /// A token that completes no character, or may begin a stop string or a mark, gives no event.
    fn delta(&mut self, delta: Delta) {
        if self.completion_tokens == 0 {
            self.stage = tracing::info_span!(parent: &self.span, "decode");
        }
        self.completion_tokens += 1;
        self.untold.extend(delta.details);
        let pieces = self.reader.push(&delta.text);
        self.read(pieces);
    }

    fn read(&mut self, pieces: Vec<Piece>) {
        let completion_tokens = self.completion_tokens;
        for piece in pieces {
            self.events.push_back(match piece {
                Piece::Text(text) => AnswerEvent::Delta {
                    text,
                    completion_tokens,
                    details: std::mem::take(&mut self.untold),
                },
                Piece::Reasoning(text) => AnswerEvent::Reasoning {
                    text,
                    completion_tokens,
                    details: std::mem::take(&mut self.untold),
                },
                Piece::Call(call) => {
                    self.called_tools = true;
                    let id = call.id.unwrap_or_else(|| self.beginning.call_ids.next());
                    AnswerEvent::ToolCall(CalledTool {
                        id,
                        name: call.name,
                        arguments: call.arguments,
                    })
                }
            });
        }
    }

    fn finished(&mut self, finish: Finish) {
        let Finish {
            reason,
            text,
            details,
            usage,
            mut timings,
        } = finish;
        self.untold.extend(details);
        self.completion_tokens = usage.completion_tokens;
        let pieces = self.reader.push(&text);
        self.read(pieces);
        let pieces = self.reader.finish();
        self.read(pieces);
        if !self.untold.is_empty() {
            self.read(vec![Piece::Text(String::new())]);
        }
        // The engine's clock starts when it gets the request; a client's, when the worker does.
        timings.time_to_first_token = timings.time_to_first_token.map(|time| time + self.prepared);
        self.end(reason, usage, &timings);
        self.events.push_back(AnswerEvent::Finished {
            reason,
            called_tools: self.called_tools,
            usage,
            timings,
        });
    }

    fn end(&mut self, reason: FinishReason, usage: Usage, timings: &Timings) {
        self.ended = true;
        self.stage = Span::none();
        self.span.record("completion_tokens", usage.completion_tokens);
        self.span.record("finish_reason", tracing::field::debug(reason));
        let rate = timings.decode_tokens_per_second;
        if let Some(rate) = rate {
            self.span.record("tokens_per_second", rate);
        }
        let speed = rate
            .map(|rate| format!(" at {rate:.1} tokens/s"))
            .unwrap_or_default();
        self.span.in_scope(|| {
            narrate!(
                worker_id = %self.worker_id,
                prompt_tokens = usage.prompt_tokens,
                completion_tokens = usage.completion_tokens,
                "answered with {} tokens{speed}",
                usage.completion_tokens,
            );
        });
    }

    fn failed(&mut self, error: GenerateError) -> GenerateError {
        self.ended = true;
        self.stage = Span::none();
        self.span.in_scope(|| {
            rbee_service_kit::narrate_warn!(
                worker_id = %self.worker_id,
                completion_tokens = self.completion_tokens,
                "an answer broke off after {} tokens: {error}",
                self.completion_tokens,
            );
        });
        error
    }
}

impl Stream for Answer {
    type Item = Result<AnswerEvent, GenerateError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(Pin::new(&mut this.tokens).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Ok(Event::Started)) => this.started(),
                Some(Ok(Event::Prompt(details))) => this.prompt(details),
                Some(Ok(Event::Token(delta))) => this.delta(delta),
                Some(Ok(Event::Finished(finish))) => this.finished(finish),
                Some(Err(error)) => return Poll::Ready(Some(Err(this.failed(error.into())))),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.span.record("completion_tokens", self.completion_tokens);
        self.span.record("finish_reason", "Cancelled");
        self.span.in_scope(|| {
            narrate!(
                worker_id = %self.worker_id,
                completion_tokens = self.completion_tokens,
                "the client left after {} tokens of an answer",
                self.completion_tokens,
            );
        });
    }
}
