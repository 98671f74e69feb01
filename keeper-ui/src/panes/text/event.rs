//! What a person does in the text pane.

use crate::model::chat::{ConversationId, Knob, MessageId, Remedy};

/// How a conversation is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// What is read, as Markdown.
    Markdown,
    /// Everything, as JSON.
    Json,
}

/// One thing that a person does.
#[derive(Debug, Clone, PartialEq)]
pub enum PaneEvent {
    /// Changes what is being written.
    Draft(String),
    /// Sends what is written.
    Send,
    /// Stops the answer that is coming.
    Stop,
    /// Asks something else in place of a question.
    Edit(MessageId, String),
    /// Asks for another answer in place of one.
    Regenerate(MessageId),
    /// Reads another branch in the place of a message.
    Choose(MessageId, usize),
    /// Does something about an answer that failed.
    Remedy(MessageId, Remedy),
    /// Begins a conversation.
    NewConversation,
    /// Opens a conversation, and shows a message of it.
    Open(ConversationId, Option<MessageId>),
    /// Names the conversation that is open; an empty name gives it back its first question's.
    Rename(String),
    /// Deletes a conversation.
    Delete(ConversationId),
    /// Writes the conversation that is open to a file.
    Export(ExportFormat),
    /// Changes the instructions to the model.
    System(String),
    /// Turns a knob, or gives it back to its default.
    Turn(Knob, Option<f32>),
    /// Sets the seed, or leaves it to chance.
    Seed(Option<u64>),
    /// Sets the longest answer in tokens, or leaves it open.
    LongestAnswer(Option<u32>),
    /// Says whether the model thinks before it answers, or leaves it to the model.
    Thinking(Option<bool>),
    /// Whether the oldest turns are left out when the conversation outgrows the context.
    DropOldest(bool),
    /// Gives all settings back to their defaults.
    ResetSettings,
    /// Looks for words in all conversations.
    Search(String),
    /// Shows or hides the list of conversations.
    ToggleList,
    /// Shows or hides the settings.
    ToggleSettings,
}
