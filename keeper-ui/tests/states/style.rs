//! As much of CSS as the window's own sheet uses: which rules hold for an element, and which colours come of it.

mod cascade;
mod selector;

pub(crate) use cascade::{Computed, Pointer, compute, contrast};
use selector::Selector;

/// One rule: its selectors and what it declares.
#[derive(Debug)]
pub(crate) struct Rule {
    selectors: Vec<Selector>,
    declarations: Vec<(String, String)>,
}

/// Reads a sheet. What is inside of at-rules (other systems, motion) is left out.
pub(crate) fn read(sheet: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut rest = without_comments(sheet);
    while let Some(brace) = rest.find('{') {
        let head = rest[..brace].trim().to_owned();
        let (body, after) = block(&rest[brace + 1..]);
        let declarations: Vec<_> = body.split(';').filter_map(declaration).collect();
        if !head.starts_with('@') && !declarations.is_empty() {
            let selectors = head.split(',').filter_map(Selector::read).collect();
            rules.push(Rule {
                selectors,
                declarations,
            });
        }
        rest = after;
    }
    rules
}

fn declaration(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let name = name.trim();
    // What has nothing to do with colours is not kept.
    let matters = name.starts_with("--")
        || [
            "color",
            "background",
            "background-color",
            "display",
            "visibility",
            "opacity",
        ]
        .contains(&name);
    matters.then(|| (name.to_owned(), value.trim().to_owned()))
}

/// What is up to the brace that closes, and what follows it.
fn block(text: &str) -> (String, String) {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (text[..at].to_owned(), text[at + 1..].to_owned());
        }
    }
    panic!("a block of the sheet is never closed");
}

fn without_comments(sheet: &str) -> String {
    let mut text = String::new();
    let mut rest = sheet;
    while let Some((before, comment)) = rest.split_once("/*") {
        text.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}
