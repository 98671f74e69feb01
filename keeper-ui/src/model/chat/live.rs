//! An answer while it comes: what has arrived, and how much of it is shown.

use std::rc::Rc;
use std::time::Duration;

use super::{Answer, AnswerEvent, Ending, MessageId, Smoother};
use crate::model::markdown::{Block, Document};

/// An answer on its way. Times are those since it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveAnswer {
    /// Where in the transcript it goes.
    pub message: MessageId,
    /// What has arrived.
    answer: Answer,
    text: Smoother,
    reasoning: Smoother,
    document: Document,
}

impl LiveAnswer {
    /// One that was just asked for.
    #[must_use]
    pub fn asked(message: MessageId, model_id: impl Into<String>) -> Self {
        Self {
            message,
            answer: Answer::asked(model_id),
            text: Smoother::default(),
            reasoning: Smoother::default(),
            document: Document::default(),
        }
    }

    /// What has arrived.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Takes what the stream told.
    pub fn apply(&mut self, event: AnswerEvent, now: Duration) {
        if self.answer.ending.is_none() {
            match &event {
                AnswerEvent::Text { text, .. } => self.text.arrive(text, now),
                AnswerEvent::Reasoning { text, .. } => self.reasoning.arrive(text, now),
                _ => {}
            }
        }
        self.answer.apply(event, now);
        if matches!(self.answer.ending, Some(Ending::Stopped)) {
            self.settle();
        }
    }

    /// Goes on to `now`; says whether more is shown than before. The text waits until the thoughts are shown.
    pub fn frame(&mut self, now: Duration) -> bool {
        let before = (self.reasoning.shown_bytes(), self.text.shown_bytes());
        self.reasoning.frame(now);
        if self.reasoning.is_settled() {
            self.text.frame(now);
        }
        if self.text.shown_bytes() != before.1 {
            self.document.grow(&self.answer.text[..self.text.shown_bytes()]);
        }
        before != (self.reasoning.shown_bytes(), self.text.shown_bytes())
    }

    /// Shows all that has arrived.
    fn settle(&mut self) {
        self.reasoning.finish();
        self.text.finish();
        self.document.grow(&self.answer.text);
    }

    /// Whether all that has arrived is shown.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.text.is_settled() && self.reasoning.is_settled()
    }

    /// Whether nothing comes any more and all is shown.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.answer.ending.is_some() && self.is_settled()
    }

    /// The blocks of the text that is shown.
    #[must_use]
    pub fn blocks(&self) -> Vec<Rc<Block>> {
        self.document.blocks().cloned().collect()
    }

    /// The thoughts that are shown.
    #[must_use]
    pub fn reasoning(&self) -> &str {
        &self.answer.reasoning[..self.reasoning.shown_bytes()]
    }

    /// Whether any of the text is shown.
    #[must_use]
    pub fn shows_text(&self) -> bool {
        self.text.shown_bytes() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::markdown::parse;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn text(text: &str) -> AnswerEvent {
        AnswerEvent::Text {
            text: text.into(),
            completion_tokens: 1,
        }
    }

    #[test]
    fn it_ends_when_all_is_shown() {
        let mut live = LiveAnswer::asked(MessageId(1), "m");
        live.apply(text("# Title\n\nand *more*"), at(10));
        live.apply(
            AnswerEvent::Finished {
                ending: Ending::Whole,
                figures: Default::default(),
            },
            at(12),
        );
        assert!(!live.is_done());
        let mut now = 12;
        while !live.is_done() {
            now += 16;
            live.frame(at(now));
            assert!(now < 200);
        }
        assert_eq!(live.blocks(), parse("# Title\n\nand *more*"));
        assert!(!live.frame(at(300)));
    }

    #[test]
    fn stopping_shows_what_came_at_once() {
        let mut live = LiveAnswer::asked(MessageId(1), "m");
        live.apply(text("some words"), at(10));
        live.apply(AnswerEvent::Stopped, at(11));
        assert!(live.is_done());
        assert_eq!(live.blocks(), parse("some words"));
        live.apply(text(" and late ones"), at(12));
        assert!(live.is_done());
    }

    #[test]
    fn thoughts_come_first() {
        let mut live = LiveAnswer::asked(MessageId(1), "m");
        let thought = AnswerEvent::Reasoning {
            text: "thinking hard".into(),
            completion_tokens: 1,
        };
        live.apply(thought, at(0));
        live.apply(text("answer"), at(1));
        live.frame(at(20));
        assert!(!live.reasoning().is_empty());
        assert!(!live.shows_text());
        for now in (30..200).step_by(16) {
            live.frame(at(now));
        }
        assert_eq!(live.reasoning(), "thinking hard");
        assert!(live.is_settled());
    }
}
