//! Markdown of answers as plain blocks to draw. No HTML goes through: what looks like it is text. Pictures are not fetched, and
//! links go to the web and to mail only.

mod block;
mod document;
mod highlight;
mod link;
mod parse;

pub use block::{Alignment, Block, Inline, Item};
pub use document::Document;
pub use highlight::{CodeLine, Highlighter, Span, TokenClass};
pub use link::safe_address;
pub use parse::parse;
