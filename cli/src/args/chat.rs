//! `rbee chat` and `rbee complete`.

use clap::Args;

use super::{ConversationArgs, SamplingArgs};

/// Talk to a model. Without --prompt and with a terminal, a conversation; with --prompt or piped
/// input, one answer.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Model id (`local:qwen`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER")]
    pub(crate) target: String,
    /// What to say; `-` reads it from standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Instructions to the model, before the conversation
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Tools and the chat template.
    #[command(flatten)]
    pub(crate) conversation: ConversationArgs,
    /// How the answer is made.
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// Continue a text as it is, without a chat template.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// Model id (`local:qwen`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER")]
    pub(crate) target: String,
    /// The text to continue; `-`, or none with piped input, reads it from standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Give the prompt back before its continuation
    #[arg(long)]
    pub(crate) echo: bool,
    /// How the answer is made.
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// Turn texts into vectors, with a model that was made for it.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Model id (`local:qwen`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER")]
    pub(crate) target: String,
    /// The texts; none reads one from each line of standard input
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// Leave the vectors as the model gives them; otherwise their length is 1
    #[arg(long)]
    pub(crate) raw: bool,
}
