//! What just happened, shown in a corner for a while.

use super::chat::ConversationId;
use super::ids::WorkerId;
use super::workspace::Page;

/// What a toast's button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToastAction {
    /// Opens the tab that was closed last.
    ReopenTab,
    /// Shows a page.
    Open(Page),
    /// Shows a worker.
    Show(WorkerId),
    /// Puts a conversation back that was deleted.
    Restore(ConversationId),
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToastTone {
    /// The course of things.
    Info,
    /// Something succeeded.
    Good,
    /// Something failed.
    Bad,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToastMessage {
    /// Counts up: which one it is.
    pub id: u64,
    /// How much it matters.
    pub tone: ToastTone,
    /// What happened.
    pub title: String,
    /// More of it.
    pub text: String,
    /// What can be done: the words and what they do.
    pub action: Option<(String, ToastAction)>,
}

/// Messages that are shown at once.
const SHOWN: usize = 4;

/// The messages, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToastList {
    messages: Vec<ToastMessage>,
    last: u64,
}

impl ToastList {
    /// Adds a message; answers its id.
    pub fn push(
        &mut self,
        tone: ToastTone,
        title: impl Into<String>,
        text: impl Into<String>,
        action: Option<(String, ToastAction)>,
    ) -> u64 {
        self.last += 1;
        let message = ToastMessage {
            id: self.last,
            tone,
            title: title.into(),
            text: text.into(),
            action,
        };
        // The same again is one message that is new again.
        self.messages
            .retain(|known| (&known.title, &known.text) != (&message.title, &message.text));
        self.messages.push(message);
        let excess = self.messages.len().saturating_sub(SHOWN);
        self.messages.drain(..excess);
        self.last
    }

    /// Takes a message away.
    pub fn dismiss(&mut self, id: u64) {
        self.messages.retain(|message| message.id != id);
    }

    /// The messages.
    #[must_use]
    pub fn messages(&self) -> &[ToastMessage] {
        &self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_shown_and_the_same_once() {
        let mut list = ToastList::default();
        let first = list.push(ToastTone::Info, "0", "", None);
        for title in ["1", "2", "3", "2", "4"] {
            list.push(ToastTone::Info, title, "", None);
        }
        let titles = |list: &ToastList| {
            list.messages()
                .iter()
                .map(|one| one.title.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(titles(&list), ["1", "3", "2", "4"]);
        list.dismiss(first);
        let last = list.messages()[3].id;
        list.dismiss(last);
        assert_eq!(titles(&list), ["1", "3", "2"]);
    }
}
