//! What was said, as a tree: a question that is edited, or an answer that is given anew, begins a branch beside the
//! old one and loses nothing.
//!
//! ```text
//! question ─┬─ answer ─── question ─── answer      ◄ the chosen path is what one reads
//!           └─ answer (given anew)
//! question (edited) ─── answer
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Answer;

/// A message's place in its transcript. Messages are never removed, so it stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub u32);

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "about half of all messages are the large one"
)]
pub enum Said {
    /// By the person.
    Question(String),
    /// By the model.
    Answer(Answer),
}

/// A message and the branches that follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    parent: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    children: Vec<MessageId>,
    #[serde(default)]
    chosen: usize,
    /// When it was said.
    pub at: Timestamp,
    /// What it says.
    pub said: Said,
}

/// Which of several messages in one place is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// The one that is read, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// Why a transcript refused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// There is no room for another message.
    #[error("This conversation is full. Start another one; this one stays as it is.")]
    Full,
    /// There is no such message.
    #[error("There is no such message.")]
    Unknown,
    /// A question was expected and an answer is there, or the other way round.
    #[error("Only a question can be edited, and only an answer given anew.")]
    WrongKind,
}

/// The most messages of one conversation, all branches counted.
const MAXIMUM_MESSAGES: usize = 20_000;

/// A tree of messages in which questions and answers take turns, and the path through it that is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    messages: Vec<Message>,
    #[serde(default)]
    roots: Vec<MessageId>,
    #[serde(default)]
    chosen_root: usize,
}

impl Transcript {
    /// The message with an id.
    #[must_use]
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(id.0 as usize)
    }

    /// The messages that are read, first to last.
    #[must_use]
    pub fn path(&self) -> Vec<MessageId> {
        let mut path = Vec::new();
        let mut next = self.roots.get(self.chosen_root).copied();
        while let Some(id) = next {
            path.push(id);
            next = self
                .message(id)
                .and_then(|message| message.children.get(message.chosen))
                .copied();
        }
        path
    }

    /// Messages from the first to one, that one included; empty if there is no such message.
    #[must_use]
    pub fn path_to(&self, id: MessageId) -> Vec<MessageId> {
        let mut path = Vec::new();
        let mut next = self.message(id).map(|_| id);
        while let Some(id) = next {
            path.push(id);
            next = self.message(id).and_then(|message| message.parent);
        }
        path.reverse();
        path
    }

    /// The last message that is read.
    #[must_use]
    pub fn last(&self) -> Option<MessageId> {
        self.path().last().copied()
    }

    /// All messages, in the order in which they were said.
    pub fn messages(&self) -> impl Iterator<Item = (MessageId, &Message)> {
        self.messages
            .iter()
            .zip(0u32..)
            .map(|(message, index)| (MessageId(index), message))
    }

    /// How many messages there are, all branches counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Which branch of its place a message is.
    #[must_use]
    pub fn branch(&self, id: MessageId) -> Option<Branch> {
        let parent = self.message(id)?.parent;
        let siblings = self.children(parent)?;
        let index = siblings.iter().position(|sibling| *sibling == id)?;
        Some(Branch {
            index,
            count: siblings.len(),
        })
    }

    /// Asks at the end of the path. An answer that was asked for and never began does not stand in between.
    ///
    /// # Errors
    ///
    /// [`TranscriptError::Full`]; [`TranscriptError::WrongKind`] after a question that nobody answered.
    pub fn ask(&mut self, text: impl Into<String>, at: Timestamp) -> Result<MessageId, TranscriptError> {
        let parent = self.last();
        if parent.is_some_and(|id| self.is_question(id)) {
            return Err(TranscriptError::WrongKind);
        }
        self.push(parent, Said::Question(text.into()), at)
    }

    /// Asks something else in place of a question, as a branch beside it, which is read from now on.
    ///
    /// # Errors
    ///
    /// [`TranscriptError`], each of them.
    pub fn edit(
        &mut self,
        question: MessageId,
        text: impl Into<String>,
        at: Timestamp,
    ) -> Result<MessageId, TranscriptError> {
        let message = self.message(question).ok_or(TranscriptError::Unknown)?;
        if !matches!(message.said, Said::Question(_)) {
            return Err(TranscriptError::WrongKind);
        }
        let parent = message.parent;
        self.push(parent, Said::Question(text.into()), at)
    }

    /// Adds an answer to a question, beside those that it has; it is read from now on.
    ///
    /// # Errors
    ///
    /// [`TranscriptError`], each of them.
    pub fn answer(
        &mut self,
        question: MessageId,
        answer: Answer,
        at: Timestamp,
    ) -> Result<MessageId, TranscriptError> {
        self.message(question).ok_or(TranscriptError::Unknown)?;
        if !self.is_question(question) {
            return Err(TranscriptError::WrongKind);
        }
        self.push(Some(question), Said::Answer(answer), at)
    }

    /// The question that an answer answers, or the question itself.
    #[must_use]
    pub fn question_of(&self, id: MessageId) -> Option<MessageId> {
        if self.is_question(id) {
            Some(id)
        } else {
            self.message(id)?.parent
        }
    }

    /// The answer with an id, to go on with it.
    pub fn answer_mut(&mut self, id: MessageId) -> Option<&mut Answer> {
        match &mut self.messages.get_mut(id.0 as usize)?.said {
            Said::Answer(answer) => Some(answer),
            Said::Question(_) => None,
        }
    }

    /// Reads another branch in the place of a message; beyond the first and last nothing happens.
    pub fn choose(&mut self, id: MessageId, index: usize) {
        let Some(branch) = self.branch(id) else { return };
        if index >= branch.count {
            return;
        }
        match self.message(id).and_then(|message| message.parent) {
            Some(parent) => self.messages[parent.0 as usize].chosen = index,
            None => self.chosen_root = index,
        }
    }

    /// Makes a message part of what is read.
    pub fn show(&mut self, id: MessageId) {
        for id in self.path_to(id) {
            if let Some(branch) = self.branch(id) {
                self.choose(id, branch.index);
            }
        }
    }

    /// Whether every reference within it holds, so that no function can go astray. What comes from a file is asked
    /// this before it is believed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mut found = vec![false; self.messages.len()];
        let children = |siblings: &[MessageId], parent: Option<MessageId>, found: &mut Vec<bool>| {
            siblings.iter().all(|id| {
                let index = id.0 as usize;
                let sound = self.messages.get(index).is_some_and(|child| child.parent == parent)
                    // A child is younger than its parent, so that no path goes in circles.
                    && parent.is_none_or(|parent| parent < *id)
                    && !found[index];
                if sound {
                    found[index] = true;
                }
                sound
            })
        };
        let roots = children(&self.roots, None, &mut found);
        let rest = self.messages().all(|(id, message)| {
            let turns = message
                .children
                .iter()
                .all(|child| self.is_question(*child) != self.is_question(id));
            turns && children(&message.children, Some(id), &mut found)
        });
        let first = self.roots.iter().all(|id| self.is_question(*id));
        roots && rest && first && found.into_iter().all(|found| found)
    }

    fn is_question(&self, id: MessageId) -> bool {
        self.message(id)
            .is_some_and(|message| matches!(message.said, Said::Question(_)))
    }

    fn children(&self, parent: Option<MessageId>) -> Option<&[MessageId]> {
        match parent {
            Some(parent) => self.message(parent).map(|message| message.children.as_slice()),
            None => Some(&self.roots),
        }
    }

    fn push(
        &mut self,
        parent: Option<MessageId>,
        said: Said,
        at: Timestamp,
    ) -> Result<MessageId, TranscriptError> {
        if self.messages.len() >= MAXIMUM_MESSAGES {
            return Err(TranscriptError::Full);
        }
        if let Some(parent) = parent {
            self.show(parent);
        }
        let id = MessageId(self.messages.len() as u32);
        self.messages.push(Message {
            parent,
            children: Vec::new(),
            chosen: 0,
            at,
            said,
        });
        match parent {
            Some(parent) => {
                let parent = &mut self.messages[parent.0 as usize];
                parent.chosen = parent.children.len();
                parent.children.push(id);
            }
            None => {
                self.chosen_root = self.roots.len();
                self.roots.push(id);
            }
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests;
