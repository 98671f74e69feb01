//! What a conversation is given besides its words.

use std::path::PathBuf;

use clap::Args;

/// What the model may call, and how its chat template is used.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Conversation")]
pub(crate) struct ConversationArgs {
    /// Tools that the model may call: a JSON list of objects with `name`, `description` and `parameters`
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Option<PathBuf>,
    /// Have the model call a tool for each thing that is asked
    #[arg(long, requires = "tools")]
    pub(crate) call_tools: bool,
    /// Leave out the oldest turns of a conversation that is longer than the context
    #[arg(long)]
    pub(crate) drop_oldest: bool,
    /// Variable for the chat template: NAME=VALUE, or a JSON object; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) template_var: Vec<String>,
}
