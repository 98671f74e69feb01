//! Reading an answer as the model writes it: what it thinks, what it says, which tools it calls.
//!
//! ```text
//! text ─▶ Thoughts ─▶ reasoning
//!            └──────▶ Calls ─▶ text, calls
//! ```
//!
//! Both go by characters, so that it does not matter how the text is cut into pieces. What may still
//! become a mark is held back. What looks like a call and is none comes out as the text that it is; a text
//! without marks passes as it is.

mod calls;
mod forms;
mod json;
mod thoughts;
mod written;

#[cfg(test)]
mod required;
#[cfg(test)]
mod tests;

use self::calls::Calls;
use self::thoughts::Thoughts;
use crate::text::{CallForm, ReasoningMarks};

/// A call of a tool, as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenCall {
    /// The tool; [`crate::domain::tool::is_tool_name`] holds for it.
    pub(super) name: String,
    /// A JSON object.
    pub(super) arguments: String,
    /// The id, if the model gave one.
    pub(super) id: Option<String>,
}

/// A piece of an answer. No text is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// What it thinks.
    Reasoning(String),
    /// What it says.
    Text(String),
    /// What it calls.
    Call(WrittenCall),
}

/// What is to be read out of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The marks around reasoning, and whether the prompt opened it.
    pub(super) reasoning: Option<(ReasoningMarks, bool)>,
    /// How calls are written, and the tools that there are.
    pub(super) calls: Option<(CallForm, Vec<String>)>,
}

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Reader {
    thoughts: Option<Thoughts>,
    calls: Option<Calls>,
    /// What was read and is not taken yet.
    pieces: Vec<Piece>,
}

impl Reader {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            thoughts: reading
                .reasoning
                .map(|(marks, opened)| Thoughts::new(marks, opened)),
            calls: reading.calls.map(|(form, tools)| Calls::new(form, tools)),
            pieces: Vec::new(),
        }
    }

    /// Takes the next piece of the answer, and gives what is certain.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        match &mut self.thoughts {
            None => self.said(text),
            Some(thoughts) => {
                let thought = thoughts.push(text);
                add(&mut self.pieces, Piece::Reasoning(thought.reasoning));
                self.said(&thought.said);
            }
        }
        std::mem::take(&mut self.pieces)
    }

    /// Ends the answer, and gives what was held back.
    pub(super) fn finish(&mut self) -> Vec<Piece> {
        if let Some(thoughts) = &mut self.thoughts {
            let thought = thoughts.finish();
            add(&mut self.pieces, Piece::Reasoning(thought.reasoning));
            self.said(&thought.said);
        }
        if let Some(calls) = &mut self.calls {
            calls.finish(&mut self.pieces);
        }
        std::mem::take(&mut self.pieces)
    }

    fn said(&mut self, text: &str) {
        match &mut self.calls {
            None => add(&mut self.pieces, Piece::Text(text.to_owned())),
            Some(calls) => calls.push(text, &mut self.pieces),
        }
    }
}

/// Adds a piece; texts that follow each other become one.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (_, Piece::Text(text) | Piece::Reasoning(text)) if text.is_empty() => {}
        (Some(Piece::Text(last)), Piece::Text(text))
        | (Some(Piece::Reasoning(last)), Piece::Reasoning(text)) => last.push_str(&text),
        (_, piece) => pieces.push(piece),
    }
}
