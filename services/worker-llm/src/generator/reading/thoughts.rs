//! What a model thinks before it answers.

use crate::text::{ReasoningMarks, StopMatcher};

/// White space that may stand before the mark that opens.
const MAX_LEADING_SPACE: usize = 64;

/// What a piece of the answer gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Thought {
    pub(super) reasoning: String,
    /// What follows; reasoning always comes first.
    pub(super) said: String,
}

/// Splits reasoning, which stands between marks at the begin of an answer, from the rest.
///
/// Templates write the marks on lines of their own: line breaks inside of them, and those that
/// follow, belong to the marks.
#[derive(Debug)]
pub(super) struct Thoughts {
    marks: ReasoningMarks,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What was written so far may be the mark that opens.
    Before(String),
    Inside(Inside),
    /// After the mark that closes: line breaks are left out.
    Behind,
    Said,
}

impl Thoughts {
    pub(super) fn new(marks: ReasoningMarks, opened: bool) -> Self {
        let state = if opened {
            State::Inside(Inside::new(marks))
        } else {
            State::Before(String::new())
        };
        Self { marks, state }
    }

    pub(super) fn push(&mut self, text: &str) -> Thought {
        let mut thought = Thought::default();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match &mut self.state {
                State::Before(held) => {
                    held.push(character);
                    let begun = held.trim_start();
                    let space = held.len() - begun.len();
                    if begun == self.marks.open {
                        self.state = State::Inside(Inside::new(self.marks));
                    } else if space > MAX_LEADING_SPACE || !self.marks.open.starts_with(begun) {
                        thought.said.push_str(held);
                        self.state = State::Said;
                    }
                }
                State::Inside(inside) => {
                    if inside.push(character, &mut thought.reasoning) {
                        self.state = State::Behind;
                    }
                }
                State::Behind if is_line_break(character) => {}
                State::Behind => {
                    self.state = State::Said;
                    thought.said.push(character);
                }
                State::Said => {
                    thought.said.push(character);
                    thought.said.push_str(characters.as_str());
                    break;
                }
            }
        }
        thought
    }

    pub(super) fn finish(&mut self) -> Thought {
        let mut thought = Thought::default();
        match &mut self.state {
            State::Before(held) => thought.said.push_str(&std::mem::take(held)),
            State::Inside(inside) => inside.finish(&mut thought.reasoning),
            State::Behind | State::Said => {}
        }
        thought
    }
}

/// Between the marks.
#[derive(Debug)]
struct Inside {
    close: StopMatcher,
    begun: bool,
    /// Line breaks that are the last so far.
    breaks: String,
}

impl Inside {
    fn new(marks: ReasoningMarks) -> Self {
        Self {
            close: StopMatcher::new([marks.close]),
            begun: false,
            breaks: String::new(),
        }
    }

    /// True with the last character of the mark that closes.
    fn push(&mut self, character: char, reasoning: &mut String) -> bool {
        let found = self.close.push(character.encode_utf8(&mut [0; 4]));
        self.think(&found.text, reasoning);
        found.stopped.is_some()
    }

    fn finish(&mut self, reasoning: &mut String) {
        let held = self.close.finish();
        self.think(&held, reasoning);
    }

    fn think(&mut self, text: &str, reasoning: &mut String) {
        for character in text.chars() {
            if !is_line_break(character) {
                self.begun = true;
                reasoning.push_str(&std::mem::take(&mut self.breaks));
                reasoning.push(character);
            } else if self.begun {
                self.breaks.push(character);
            }
        }
    }
}

fn is_line_break(character: char) -> bool {
    matches!(character, '\n' | '\r')
}
