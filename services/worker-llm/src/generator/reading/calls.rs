//! Calls of tools among what a model says.

use super::forms::{Candidate, Step};
use super::{Piece, WrittenCall, add};
use crate::text::CallForm;

/// Finds calls in a text.
#[derive(Debug)]
pub(super) struct Calls {
    form: CallForm,
    /// The tools that there are. Only an object that is the whole answer must name one of them: an answer in
    /// JSON may look like a call.
    tools: Vec<String>,
    /// Nothing but white space was said so far.
    at_start: bool,
    /// A call came last.
    after_call: bool,
    /// White space that may stand before or between calls, and then belongs to their marks.
    space: String,
    /// The begin of a mark, perhaps.
    mark: &'static str,
    mark_len: usize,
    /// What may be a call, with all of its text.
    candidate: Option<(Candidate, String)>,
}

impl Calls {
    pub(super) fn new(form: CallForm, tools: Vec<String>) -> Self {
        Self {
            form,
            tools,
            at_start: true,
            after_call: false,
            space: String::new(),
            mark: form.openers()[0],
            mark_len: 0,
            candidate: None,
        }
    }

    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        for character in text.chars() {
            self.push_character(character, pieces);
        }
    }

    fn push_character(&mut self, character: char, pieces: &mut Vec<Piece>) {
        let Some((candidate, text)) = &mut self.candidate else {
            return self.say(character, pieces);
        };
        match candidate.push(character) {
            Step::More => text.push(character),
            Step::Done(calls) => {
                text.push(character);
                if calls.is_empty() {
                    self.is_text(pieces);
                } else {
                    self.called(calls, pieces);
                }
            }
            Step::Broken => {
                self.is_text(pieces);
                // It may begin a mark.
                self.say(character, pieces);
            }
        }
    }

    /// The answer is complete.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        if let Some((candidate, text)) = self.candidate.take() {
            let whole_answer = text.starts_with('{');
            let is_known = |call: &WrittenCall| self.tools.contains(&call.name);
            match candidate.finish() {
                Some(calls) if !whole_answer || calls.iter().all(is_known) => self.called(calls, pieces),
                _ => self.held(&text, pieces),
            }
        }
        let mark = &self.mark[..std::mem::take(&mut self.mark_len)];
        if !(mark.is_empty() && self.after_call) {
            self.held(mark, pieces);
        }
    }

    /// Outside of what may be a call.
    fn say(&mut self, character: char, pieces: &mut Vec<Piece>) {
        if self.mark[self.mark_len..].starts_with(character) {
            self.mark_len += character.len_utf8();
            if self.mark_len == self.mark.len() {
                self.mark_len = 0;
                self.candidate = Some((Candidate::new(self.form), self.mark.to_owned()));
            }
        } else if self.mark_len > 0 {
            let mark = &self.mark[..std::mem::take(&mut self.mark_len)];
            self.held(mark, pieces);
            // No mark has its first character a second time, but this one may begin another.
            self.say(character, pieces);
        } else if character.is_whitespace() {
            self.space.push(character);
        } else if character == '{' && self.form == CallForm::Bare && self.at_start {
            let mut candidate = Candidate::new(self.form);
            candidate.push(character);
            self.candidate = Some((candidate, character.to_string()));
        } else {
            self.held(character.encode_utf8(&mut [0; 4]), pieces);
        }
    }

    /// What is held back, and this after it, is text.
    fn held(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.at_start &= text.is_empty();
        self.after_call = false;
        self.space.push_str(text);
        add(pieces, Piece::Text(std::mem::take(&mut self.space)));
    }

    /// What looked like a call is none.
    fn is_text(&mut self, pieces: &mut Vec<Piece>) {
        if let Some((_, text)) = self.candidate.take() {
            self.held(&text, pieces);
        }
    }

    fn called(&mut self, calls: Vec<WrittenCall>, pieces: &mut Vec<Piece>) {
        self.candidate = None;
        self.at_start = false;
        self.after_call = true;
        self.space.clear();
        for call in calls {
            add(pieces, Piece::Call(call));
        }
    }
}
