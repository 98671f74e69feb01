//! The answer as a stream: what the engine says, in words, measured and traced on the way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use rbee_service_kit::narrate;
use tracing::Span;
use tracing::field::Empty;

use super::GenerateError;
use crate::engine::{Event, Finish, FinishReason, Timings, TokenStream, Usage};

/// One event of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerEvent {
    /// The request has a slot; its prompt is being computed. Always the first.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Seed in use.
        seed: u64,
    },
    /// More text.
    Delta {
        /// Whole characters, to be appended; never empty.
        text: String,
        /// Tokens generated so far.
        completion_tokens: usize,
    },
    /// The end of the answer. Always the last, unless an error is.
    Finished {
        /// Why.
        reason: FinishReason,
        /// Token counts.
        usage: Usage,
        /// Measured times.
        timings: Timings,
    },
}

/// An answer that is being generated. Dropping it ends the generation within one token.
///
/// Its spans are `answer` and, in it, `queue`, `prefill` and `decode` one after the other.
#[derive(Debug)]
pub struct Answer {
    tokens: TokenStream,
    worker_id: String,
    prompt_tokens: usize,
    seed: u64,
    /// From the request's arrival to the engine: template and tokenizer.
    prepared: Duration,
    completion_tokens: usize,
    /// The end, while the text that was held back until it goes out first.
    last: Option<AnswerEvent>,
    ended: bool,
    span: Span,
    stage: Span,
}

impl Answer {
    /// To be made within the call's span.
    pub(super) fn new(
        worker_id: String,
        tokens: TokenStream,
        prompt_tokens: usize,
        seed: u64,
        prepared: Duration,
    ) -> Self {
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
            prompt_tokens,
            seed,
            prepared,
            completion_tokens: 0,
            last: None,
            ended: false,
            span,
            stage,
        }
    }

    fn started(&mut self) -> AnswerEvent {
        self.stage = tracing::info_span!(parent: &self.span, "prefill");
        AnswerEvent::Started {
            prompt_tokens: self.prompt_tokens,
            seed: self.seed,
        }
    }

    /// A token that completes no character, or may begin a stop string, gives no event.
    fn delta(&mut self, text: String) -> Option<AnswerEvent> {
        if self.completion_tokens == 0 {
            self.stage = tracing::info_span!(parent: &self.span, "decode");
        }
        self.completion_tokens += 1;
        let completion_tokens = self.completion_tokens;
        (!text.is_empty()).then_some(AnswerEvent::Delta {
            text,
            completion_tokens,
        })
    }

    fn finished(&mut self, finish: Finish) -> AnswerEvent {
        let Finish {
            reason,
            text,
            usage,
            mut timings,
        } = finish;
        // The engine's clock starts when it gets the request; a client's, when the worker does.
        timings.time_to_first_token = timings.time_to_first_token.map(|time| time + self.prepared);
        self.end(reason, usage, &timings);
        let finished = AnswerEvent::Finished {
            reason,
            usage,
            timings,
        };
        if text.is_empty() {
            return finished;
        }
        self.last = Some(finished);
        AnswerEvent::Delta {
            text,
            completion_tokens: usage.completion_tokens,
        }
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
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(Ok(last)));
        }
        loop {
            let event = match ready!(Pin::new(&mut this.tokens).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Ok(Event::Started)) => this.started(),
                Some(Ok(Event::Token(token))) => match this.delta(token.text) {
                    Some(delta) => delta,
                    None => continue,
                },
                Some(Ok(Event::Finished(finish))) => this.finished(finish),
                Some(Err(error)) => return Poll::Ready(Some(Err(this.failed(error.into())))),
            };
            return Poll::Ready(Some(Ok(event)));
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
