//! What a text is made of.

use std::rc::Rc;

/// A block of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A heading; level 1 is the largest.
    Heading(u8, Vec<Inline>),
    /// Code, with its language if one is named.
    Code {
        /// The word after the fence; empty for none.
        language: String,
        /// The code, with the line ends that it has so far.
        text: String,
    },
    /// Somebody else's words.
    Quote(Vec<Rc<Block>>),
    /// A list; ordered if it has a first number.
    List {
        /// The first number of an ordered list.
        start: Option<u64>,
        /// Its items.
        items: Vec<Item>,
    },
    /// A table. Rows may have fewer cells than the head.
    Table {
        /// How each column is aligned.
        alignments: Vec<Alignment>,
        /// The head's cells.
        head: Vec<Vec<Inline>>,
        /// The cells of each row.
        rows: Vec<Vec<Vec<Inline>>>,
    },
    /// A line across.
    Rule,
}

/// One item of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// For an item of a task list: whether it is done.
    pub done: Option<bool>,
    /// What is in it.
    pub blocks: Vec<Rc<Block>>,
}

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// As the text's direction has it.
    Start,
    /// In the middle.
    Centre,
    /// At the end of the line.
    End,
}

/// A piece of running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// Code within a line.
    Code(String),
    /// Emphasised.
    Emphasis(Vec<Inline>),
    /// Strongly emphasised.
    Strong(Vec<Inline>),
    /// Struck out.
    Struck(Vec<Inline>),
    /// A link; without an address if it leads where links may not.
    Link(Option<String>, Vec<Inline>),
    /// A picture, which is not fetched: its address, if it may be followed, and what it shows.
    Picture(Option<String>, String),
    /// A new line.
    Break,
}

impl Inline {
    /// The text without its marks.
    #[must_use]
    pub fn plain(inlines: &[Self]) -> String {
        let mut text = String::new();
        for inline in inlines {
            match inline {
                Self::Text(words) | Self::Code(words) | Self::Picture(_, words) => text.push_str(words),
                Self::Emphasis(inner) | Self::Strong(inner) | Self::Struck(inner) | Self::Link(_, inner) => {
                    text.push_str(&Self::plain(inner));
                }
                Self::Break => text.push('\n'),
            }
        }
        text
    }
}
