//! Blocks of Markdown as elements. Each block is a part of its own, so that one that stays as it is is not drawn again while
//! text comes in below it.

mod code;
mod colours;

use std::rc::Rc;

use dioxus::prelude::*;

pub use code::CodeBlock;

use crate::model::markdown::{Alignment, Block, Inline, Item};

/// Blocks, one below the other.
#[component]
pub fn Markdown(
    /// The blocks.
    blocks: Vec<Rc<Block>>,
) -> Element {
    rsx! {
        div { class: "markdown", {many(&blocks, true)} }
    }
}

/// Blocks. The outermost take their direction from their words; those within go with what they are in, so that a list
/// has its numbers, and a quotation its line, on the side where its words begin.
fn many(blocks: &[Rc<Block>], outermost: bool) -> Element {
    rsx! {
        for (place, block) in blocks.iter().enumerate() {
            BlockView { key: "{place}", block: block.clone(), outermost }
        }
    }
}

/// One block.
#[component]
fn BlockView(block: Rc<Block>, outermost: bool) -> Element {
    let direction = outermost.then_some("auto");
    match &*block {
        Block::Paragraph(inlines) => rsx! {
            p { dir: direction, {running(inlines)} }
        },
        Block::Heading(level, inlines) => rsx! {
            div {
                class: "markdown__heading",
                role: "heading",
                "aria-level": "{level + 2}",
                "data-level": "{level}",
                dir: direction,
                {running(inlines)}
            }
        },
        Block::Code { language, text } => rsx! {
            CodeBlock { language: language.clone(), text: text.clone() }
        },
        Block::Quote(blocks) => rsx! {
            blockquote { class: "markdown__quote", dir: direction, {many(blocks, false)} }
        },
        Block::List {
            start: Some(start),
            items,
        } => rsx! {
            ol { class: "markdown__list", start: "{start}", dir: direction, {list_items(items)} }
        },
        Block::List { start: None, items } => rsx! {
            ul { class: "markdown__list", dir: direction, {list_items(items)} }
        },
        Block::Table {
            alignments,
            head,
            rows,
        } => table(alignments, head, rows),
        Block::Rule => rsx! {
            hr { class: "markdown__rule" }
        },
    }
}

fn list_items(items: &[Item]) -> Element {
    rsx! {
        for (place, item) in items.iter().enumerate() {
            ItemView { key: "{place}", item: item.clone() }
        }
    }
}

/// One item of a list.
#[component]
fn ItemView(item: Item) -> Element {
    let task = item.done.map(|done| if done { "done" } else { "open" });
    rsx! {
        li { class: "markdown__item", "data-task": task,
            if let Some(done) = item.done {
                span { class: "markdown__task", role: "img", "aria-label": if done { "done" } else { "to do" } }
            }
            {many(&item.blocks, false)}
        }
    }
}

fn table(alignments: &[Alignment], head: &[Vec<Inline>], rows: &[Vec<Vec<Inline>>]) -> Element {
    let align = |column: usize| match alignments.get(column) {
        Some(Alignment::Centre) => "centre",
        Some(Alignment::End) => "end",
        _ => "start",
    };
    rsx! {
        div { class: "markdown__scroll", role: "region", "aria-label": "Table", tabindex: "0",
            table { class: "markdown__table", "aria-label": "Table",
                thead {
                    tr {
                        for (column, cell) in head.iter().enumerate() {
                            if Inline::plain(cell).trim().is_empty() {
                                td { key: "{column}" }
                            } else {
                                th { key: "{column}", scope: "col", "data-align": align(column), dir: "auto", {running(cell)} }
                            }
                        }
                    }
                }
                tbody {
                    for (place, row) in rows.iter().enumerate() {
                        tr { key: "{place}",
                            for (column, cell) in row.iter().enumerate() {
                                td { key: "{column}", "data-align": align(column), dir: "auto", {running(cell)} }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Running text.
fn running(inlines: &[Inline]) -> Element {
    rsx! {
        for inline in inlines {
            {one(inline)}
        }
    }
}

fn one(inline: &Inline) -> Element {
    match inline {
        Inline::Text(text) => rsx! { "{text}" },
        Inline::Code(code) => rsx! { code { class: "markdown__code", dir: "ltr", "{code}" } },
        Inline::Emphasis(inner) => rsx! { em { {running(inner)} } },
        Inline::Strong(inner) => rsx! { strong { {running(inner)} } },
        Inline::Struck(inner) => rsx! { s { {running(inner)} } },
        Inline::Link(Some(address), inner) if !Inline::plain(inner).trim().is_empty() => rsx! {
            a { href: "{address}", title: "{address}", target: "_blank", rel: "noopener noreferrer", {running(inner)} }
        },
        Inline::Link(Some(address), _) => rsx! {
            a { href: "{address}", target: "_blank", rel: "noopener noreferrer", "{address}" }
        },
        Inline::Link(None, inner) => rsx! {
            span { class: "markdown__dead", title: "This link is not followed", {running(inner)} }
        },
        Inline::Picture(address, words) => picture(address.as_deref(), words),
        Inline::Break => rsx! { br {} },
    }
}

/// A picture is named and can be opened outside; what is in an answer fetches nothing by itself.
fn picture(address: Option<&str>, words: &str) -> Element {
    let words = if words.trim().is_empty() { "picture" } else { words };
    match address {
        Some(address) => rsx! {
            a { href: "{address}", title: "{address}", target: "_blank", rel: "noopener noreferrer", "[{words}]" }
        },
        None => rsx! { span { class: "markdown__dead", title: "This picture is not fetched", "[{words}]" } },
    }
}
