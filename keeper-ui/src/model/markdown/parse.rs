//! From text to blocks.

use std::ops::Range;
use std::rc::Rc;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

use super::block::{Alignment, Block, Inline, Item};
use super::link::safe_address;

/// How deep quotes, lists and emphasis may stand in each other. What is deeper stands at this depth, so that a model that
/// repeats itself does not build a tower.
const DEEPEST: usize = 24;

/// The blocks of a text.
#[must_use]
pub fn parse(text: &str) -> Vec<Rc<Block>> {
    parse_with_starts(text)
        .into_iter()
        .map(|(_, block)| block)
        .collect()
}

/// The blocks of a text, each with the byte at which it begins.
pub(super) fn parse_with_starts(text: &str) -> Vec<(usize, Rc<Block>)> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        builder.take(event, &range);
    }
    builder.finish()
}

/// What is being built.
#[derive(Debug)]
enum Part {
    Paragraph,
    Heading(u8),
    Code(String),
    Literal,
    Quote,
    List(Option<u64>, Vec<Item>),
    Item(Option<bool>),
    Table(Vec<Alignment>, Vec<Vec<Inline>>, Vec<Vec<Vec<Inline>>>),
    Row { head: bool, cells: Vec<Vec<Inline>> },
    Cell,
    Emphasis,
    Strong,
    Struck,
    Link(Option<String>),
    Picture(Option<String>),
}

#[derive(Debug)]
struct Frame {
    part: Part,
    start: usize,
    blocks: Vec<Rc<Block>>,
    inlines: Vec<Inline>,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    /// How many open parts are left out for being too deep.
    left_out: usize,
    blocks: Vec<(usize, Rc<Block>)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, range.start),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&text, range.start),
            Event::Code(code) => self.inline(Inline::Code(code.into_string()), range.start),
            // What looks like HTML, and what is not switched on, is text.
            Event::Html(text) | Event::InlineHtml(text) => self.text(&text, range.start),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text, range.start);
            }
            Event::SoftBreak => self.text("\n", range.start),
            Event::HardBreak => self.inline(Inline::Break, range.start),
            Event::Rule => self.block(Block::Rule, range.start),
            Event::TaskListMarker(done) => {
                if let Some(Frame {
                    part: Part::Item(state),
                    ..
                }) = self.stack.last_mut()
                {
                    *state = Some(done);
                }
            }
        }
    }

    fn open(&mut self, tag: Tag<'_>, start: usize) {
        if self.left_out > 0 || self.stack.len() >= DEEPEST {
            self.left_out += 1;
            return;
        }
        let part = match tag {
            Tag::Paragraph => Part::Paragraph,
            Tag::Heading { level, .. } => Part::Heading(level as u8),
            Tag::CodeBlock(kind) => Part::Code(match kind {
                CodeBlockKind::Fenced(info) => language(&info),
                CodeBlockKind::Indented => String::new(),
            }),
            Tag::BlockQuote(_) => Part::Quote,
            Tag::List(start) => Part::List(start, Vec::new()),
            Tag::Item => Part::Item(None),
            Tag::Table(alignments) => Part::Table(
                alignments.iter().map(|it| alignment(*it)).collect(),
                Vec::new(),
                Vec::new(),
            ),
            Tag::TableHead => Part::Row {
                head: true,
                cells: Vec::new(),
            },
            Tag::TableRow => Part::Row {
                head: false,
                cells: Vec::new(),
            },
            Tag::TableCell => Part::Cell,
            Tag::Emphasis => Part::Emphasis,
            Tag::Strong => Part::Strong,
            Tag::Strikethrough => Part::Struck,
            Tag::Link { dest_url, .. } => Part::Link(safe_address(&dest_url)),
            Tag::Image { dest_url, .. } => Part::Picture(safe_address(&dest_url)),
            // Not switched on, or HTML, whose text is shown as it is.
            _ => Part::Literal,
        };
        self.stack.push(Frame {
            part,
            start,
            blocks: Vec::new(),
            inlines: Vec::new(),
        });
    }

    fn close(&mut self) {
        if self.left_out > 0 {
            self.left_out -= 1;
            return;
        }
        let Some(mut frame) = self.stack.pop() else { return };
        let start = frame.start;
        let inlines = |frame: &mut Frame| std::mem::take(&mut frame.inlines);
        match &mut frame.part {
            Part::Paragraph | Part::Literal => {
                let inlines = inlines(&mut frame);
                self.block(Block::Paragraph(inlines), start);
            }
            Part::Heading(level) => {
                let level = *level;
                let inlines = inlines(&mut frame);
                self.block(Block::Heading(level, inlines), start);
            }
            Part::Code(language) => {
                let language = std::mem::take(language);
                let text = Inline::plain(&frame.inlines);
                self.block(Block::Code { language, text }, start);
            }
            Part::Quote => {
                settle(&mut frame);
                self.block(Block::Quote(frame.blocks), start);
            }
            Part::List(first, items) => {
                let block = Block::List {
                    start: *first,
                    items: std::mem::take(items),
                };
                self.block(block, start);
            }
            Part::Item(done) => {
                let done = *done;
                settle(&mut frame);
                let item = Item {
                    done,
                    blocks: frame.blocks,
                };
                if let Some(Frame {
                    part: Part::List(_, items),
                    ..
                }) = self.stack.last_mut()
                {
                    items.push(item);
                }
            }
            Part::Table(alignments, head, rows) => {
                let block = Block::Table {
                    alignments: std::mem::take(alignments),
                    head: std::mem::take(head),
                    rows: std::mem::take(rows),
                };
                self.block(block, start);
            }
            Part::Row { head, cells } => {
                if let Some(Frame {
                    part: Part::Table(_, first, rows),
                    ..
                }) = self.stack.last_mut()
                {
                    if *head {
                        *first = std::mem::take(cells);
                    } else {
                        rows.push(std::mem::take(cells));
                    }
                }
            }
            Part::Cell => {
                let inlines = inlines(&mut frame);
                if let Some(Frame {
                    part: Part::Row { cells, .. },
                    ..
                }) = self.stack.last_mut()
                {
                    cells.push(inlines);
                }
            }
            Part::Emphasis => self.inline(Inline::Emphasis(frame.inlines), start),
            Part::Strong => self.inline(Inline::Strong(frame.inlines), start),
            Part::Struck => self.inline(Inline::Struck(frame.inlines), start),
            Part::Link(address) => {
                let address = address.take();
                self.inline(Inline::Link(address, frame.inlines), start);
            }
            Part::Picture(address) => {
                let address = address.take();
                self.inline(Inline::Picture(address, Inline::plain(&frame.inlines)), start);
            }
        }
    }

    fn text(&mut self, text: &str, start: usize) {
        // Pieces that belong together are one, so that they are one node.
        if let Some(Inline::Text(last)) = self.stack.last_mut().and_then(|frame| frame.inlines.last_mut()) {
            last.push_str(text);
        } else {
            self.inline(Inline::Text(text.to_owned()), start);
        }
    }

    fn inline(&mut self, inline: Inline, start: usize) {
        match self.stack.last_mut() {
            Some(frame) => frame.inlines.push(inline),
            None => self.blocks.push((start, Rc::new(Block::Paragraph(vec![inline])))),
        }
    }

    fn block(&mut self, block: Block, start: usize) {
        match self.stack.last_mut() {
            Some(frame) => {
                settle(frame);
                frame.blocks.push(Rc::new(block));
            }
            None => self.blocks.push((start, Rc::new(block))),
        }
    }

    fn finish(mut self) -> Vec<(usize, Rc<Block>)> {
        self.left_out = 0;
        while !self.stack.is_empty() {
            self.close();
        }
        self.blocks
    }
}

/// Text that stands in an item or quote without a paragraph of its own becomes one.
fn settle(frame: &mut Frame) {
    let inlines = std::mem::take(&mut frame.inlines);
    if !inlines.is_empty() {
        frame.blocks.push(Rc::new(Block::Paragraph(inlines)));
    }
}

/// The language in the words after a fence: `rust,ignore` and `rust title="x"` are Rust.
fn language(info: &str) -> String {
    let word = |character: char| character.is_whitespace() || character == ',' || character == '{';
    info.split(word).next().unwrap_or_default().to_owned()
}

fn alignment(alignment: pulldown_cmark::Alignment) -> Alignment {
    match alignment {
        pulldown_cmark::Alignment::None | pulldown_cmark::Alignment::Left => Alignment::Start,
        pulldown_cmark::Alignment::Center => Alignment::Centre,
        pulldown_cmark::Alignment::Right => Alignment::End,
    }
}

#[cfg(test)]
mod tests;
