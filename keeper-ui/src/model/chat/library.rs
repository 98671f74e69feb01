//! All conversations, bounded, and which of them are not written down yet.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::{Conversation, ConversationId};

/// The most conversations that are kept.
pub const MAXIMUM_CONVERSATIONS: usize = 2_000;

/// There is no room for another conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "There is room for {MAXIMUM_CONVERSATIONS} conversations. Export and delete some that you no longer need."
)]
pub struct LibraryFull;

/// All conversations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    conversations: BTreeMap<ConversationId, Rc<Conversation>>,
    unsaved: BTreeSet<ConversationId>,
    removed: BTreeSet<ConversationId>,
}

impl Library {
    /// Takes what was found on disk. Conversations that point astray within themselves, and those beyond the bound, are left
    /// alone where they are; the number of them is the answer.
    pub fn load(&mut self, found: impl IntoIterator<Item = Conversation>) -> usize {
        let mut left = 0;
        for mut conversation in found {
            if self.is_full() || !conversation.transcript.is_sound() {
                left += 1;
                continue;
            }
            if conversation.end_interrupted() {
                self.unsaved.insert(conversation.id.clone());
            }
            self.conversations
                .insert(conversation.id.clone(), Rc::new(conversation));
        }
        left
    }

    /// Begins a conversation.
    ///
    /// # Errors
    ///
    /// [`LibraryFull`].
    pub fn start(
        &mut self,
        id: ConversationId,
        model_id: &str,
        now: Timestamp,
    ) -> Result<ConversationId, LibraryFull> {
        if self.is_full() {
            return Err(LibraryFull);
        }
        let conversation = Conversation::new(id.clone(), model_id, now);
        self.conversations.insert(id.clone(), Rc::new(conversation));
        Ok(id)
    }

    /// A conversation.
    #[must_use]
    pub fn get(&self, id: &ConversationId) -> Option<&Rc<Conversation>> {
        self.conversations.get(id)
    }

    /// Changes a conversation, if it is there, and gives what the change gives. It is written down with the next
    /// [`Self::take_unsaved`].
    pub fn change<T>(
        &mut self,
        id: &ConversationId,
        change: impl FnOnce(&mut Conversation) -> T,
    ) -> Option<T> {
        let conversation = self.conversations.get_mut(id)?;
        self.unsaved.insert(id.clone());
        Some(change(Rc::make_mut(conversation)))
    }

    /// Removes a conversation and gives it back, so that it can be put back.
    pub fn remove(&mut self, id: &ConversationId) -> Option<Rc<Conversation>> {
        let conversation = self.conversations.remove(id)?;
        self.unsaved.remove(id);
        self.removed.insert(id.clone());
        Some(conversation)
    }

    /// Puts a conversation back that was removed.
    pub fn restore(&mut self, conversation: Rc<Conversation>) {
        self.removed.remove(&conversation.id);
        self.unsaved.insert(conversation.id.clone());
        self.conversations.insert(conversation.id.clone(), conversation);
    }

    /// All, the one in which something was said last first.
    #[must_use]
    pub fn recent(&self) -> Vec<Rc<Conversation>> {
        let mut conversations: Vec<_> = self.conversations.values().cloned().collect();
        conversations.sort_by(|one, other| other.changed_at.cmp(&one.changed_at).then(other.id.cmp(&one.id)));
        conversations
    }

    /// The last conversation with a model that `free` says yes to.
    #[must_use]
    pub fn last_with(
        &self,
        model_id: &str,
        free: impl Fn(&ConversationId) -> bool,
    ) -> Option<ConversationId> {
        let mine =
            |conversation: &&Rc<Conversation>| conversation.model_id == model_id && free(&conversation.id);
        self.recent()
            .iter()
            .find(mine)
            .map(|conversation| conversation.id.clone())
    }

    /// What must be written down, and the ids of what must be removed, since this was asked last. A conversation in which
    /// nothing was said is not written down.
    pub fn take_unsaved(&mut self) -> (Vec<Rc<Conversation>>, Vec<ConversationId>) {
        let unsaved = std::mem::take(&mut self.unsaved);
        let worth = |conversation: &Rc<Conversation>| {
            !conversation.transcript.is_empty() || !conversation.system.is_empty()
        };
        let changed = unsaved
            .iter()
            .filter_map(|id| self.get(id))
            .filter(|it| worth(it))
            .cloned()
            .collect();
        (changed, std::mem::take(&mut self.removed).into_iter().collect())
    }

    /// Whether something must be written down or removed.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty() || !self.removed.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    fn is_full(&self) -> bool {
        self.conversations.len() >= MAXIMUM_CONVERSATIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ConversationId {
        ConversationId::new(text).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_one_that_was_spoken_in_comes_first() {
        let mut library = Library::default();
        library.start(id("a"), "m", at(1)).unwrap();
        library.start(id("b"), "m", at(2)).unwrap();
        library
            .change(&id("a"), |conversation| conversation.changed_at = at(3))
            .unwrap();
        let order: Vec<_> = library.recent().iter().map(|it| it.id.clone()).collect();
        assert_eq!(order, [id("a"), id("b")]);
        assert_eq!(library.last_with("m", |it| *it != id("a")), Some(id("b")));
        assert_eq!(library.last_with("other", |_| true), None);
    }

    #[test]
    fn what_changed_is_written_down_once_and_empty_ones_never() {
        let mut library = Library::default();
        library.start(id("a"), "m", at(1)).unwrap();
        assert!(!library.has_unsaved());
        library.change(&id("a"), |conversation| conversation.drop_oldest_turns = true);
        assert!(library.take_unsaved().0.is_empty(), "nothing was said");
        library.change(&id("a"), |conversation| {
            conversation.transcript.ask("q", at(2)).unwrap()
        });
        assert_eq!(library.take_unsaved().0.len(), 1);
        assert!(!library.has_unsaved());
    }

    #[test]
    fn a_removal_can_be_taken_back() {
        let mut library = Library::default();
        library.start(id("a"), "m", at(1)).unwrap();
        library.change(&id("a"), |conversation| {
            conversation.transcript.ask("q", at(2)).unwrap()
        });
        let removed = library.remove(&id("a")).unwrap();
        assert_eq!(library.clone().take_unsaved(), (vec![], vec![id("a")]));
        library.restore(removed);
        let (changed, removed) = library.take_unsaved();
        assert_eq!((changed.len(), removed.len()), (1, 0));
    }

    #[test]
    fn it_is_bounded() {
        let mut library = Library::default();
        for index in 0..MAXIMUM_CONVERSATIONS {
            library.start(id(&index.to_string()), "m", at(1)).unwrap();
        }
        assert_eq!(library.start(id("more"), "m", at(1)), Err(LibraryFull));
        let one_more = Conversation::new(id("disk"), "m", at(1));
        assert_eq!(library.load([one_more]), 1);
    }
}
