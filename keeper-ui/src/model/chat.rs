//! Conversations with text workers: what was said, what is being said, and how it is shown while it comes.

mod answer;
mod conversation;
mod export;
mod library;
mod live;
mod meter;
mod sampling;
mod search;
mod smoothing;
mod transcript;
mod trouble;
mod window;
mod words;

pub use answer::{Answer, AnswerEvent, Ending, Figures, Phase, ToolUse};
pub use conversation::{Conversation, ConversationId, Title, TurnMessage, TurnSpeaker};
pub use export::{to_json, to_markdown};
pub use library::{Library, LibraryFull, MAXIMUM_CONVERSATIONS};
pub use live::LiveAnswer;
pub use meter::{ContextMeter, Fullness};
pub use sampling::{Bound, Knob, Sampling, SamplingDefaults};
pub use search::{Found, search};
pub use smoothing::{MAXIMUM_LAG, Smoother};
pub use transcript::{Branch, Message, MessageId, Said, Transcript, TranscriptError};
pub use trouble::{Remedy, Trouble};
pub use window::{VisibleRange, Window};
pub use words::{figure_words, phase_words};
