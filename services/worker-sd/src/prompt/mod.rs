//! From a prompt to what text encoders take, and from what they give to what the UNet takes.

mod attention;
mod chunks;
mod cleaning;
mod tokenizer;
mod weighing;

pub use attention::{Part, parts};
pub use chunks::{Chunk, Embedding, PromptReader, PromptSyntax};
pub use cleaning::Cleaning;
pub use tokenizer::{BEGIN, COMMA, ClipTokenizer, END};
pub use weighing::weigh;
