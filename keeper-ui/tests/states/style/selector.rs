//! Selectors: which elements a rule is about.

use super::Pointer;
use crate::html::{Document, ROOT};

/// Compounds from the outside in, each with how it is bound to the one before.
#[derive(Debug)]
pub(super) struct Selector {
    parts: Vec<(Bond, Vec<Simple>)>,
    /// Ids are not used; classes, attributes and states, then names.
    pub(super) specificity: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bond {
    Within,
    Child,
}

#[derive(Debug)]
enum Simple {
    Any,
    Name(String),
    Id(String),
    Class(String),
    Attribute(String, Option<String>),
    Root,
    Hover,
    Disabled,
    Checked,
    Empty,
    LastChild,
    FirstChild,
    Not(Box<Simple>),
    /// A state that nothing is in while the page is only looked at.
    Never,
}

impl Selector {
    /// Reads one selector; `None` for what is about a part of an element that holds no text (`::before`).
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.contains("::") && !text.contains("::placeholder") || text.contains('+') || text.contains('~')
        {
            return None;
        }
        let mut parts = Vec::new();
        let mut bond = Bond::Within;
        for word in text.replace('>', " > ").split_whitespace() {
            if word == ">" {
                bond = Bond::Child;
            } else {
                parts.push((bond, compound(word)));
                bond = Bond::Within;
            }
        }
        let all = || parts.iter().flat_map(|(_, compound)| compound);
        let names = all().filter(|simple| matches!(simple, Simple::Name(_))).count();
        let classes = all()
            .filter(|simple| !matches!(simple, Simple::Name(_) | Simple::Any))
            .count();
        (!parts.is_empty()).then_some(Self {
            specificity: (classes, names),
            parts,
        })
    }

    /// A class that every element has that it is about, where there is one: most of a sheet need not be looked at for an
    /// element by this.
    pub(super) fn subject(&self) -> Option<&str> {
        let (_, compound) = self.parts.last()?;
        compound.iter().find_map(|simple| match simple {
            Simple::Class(class) => Some(class.as_str()),
            _ => None,
        })
    }

    /// Whether it is about an element.
    pub(super) fn holds(&self, document: &Document, at: usize, pointer: Pointer) -> bool {
        self.holds_from(self.parts.len() - 1, document, at, pointer)
    }

    fn holds_from(&self, part: usize, document: &Document, at: usize, pointer: Pointer) -> bool {
        let (bond, compound) = &self.parts[part];
        if !compound.iter().all(|simple| simple.holds(document, at, pointer)) {
            return false;
        }
        if part == 0 {
            return true;
        }
        match bond {
            Bond::Child => document.nodes[at]
                .parent
                .is_some_and(|parent| self.holds_from(part - 1, document, parent, pointer)),
            Bond::Within => document
                .ancestors(at)
                .any(|ancestor| self.holds_from(part - 1, document, ancestor, pointer)),
        }
    }
}

impl Simple {
    fn holds(&self, document: &Document, at: usize, pointer: Pointer) -> bool {
        let node = &document.nodes[at];
        match self {
            Self::Any => true,
            Self::Name(name) => node.name == *name,
            Self::Id(id) => node.attribute("id") == Some(id),
            Self::Class(class) => node.classes().any(|own| own == class),
            Self::Attribute(name, None) => node.attribute(name).is_some(),
            Self::Attribute(name, value) => node.attribute(name) == value.as_deref(),
            Self::Root => at == ROOT,
            Self::Hover => pointer == Pointer::Over,
            Self::Disabled => node.attribute("disabled").is_some(),
            Self::Checked => node.attribute("checked").is_some(),
            Self::Empty => node.children.is_empty(),
            Self::FirstChild => sibling(document, at, <[usize]>::first),
            Self::LastChild => sibling(document, at, <[usize]>::last),
            Self::Not(simple) => !simple.holds(document, at, pointer),
            Self::Never => false,
        }
    }
}

fn sibling(document: &Document, at: usize, pick: fn(&[usize]) -> Option<&usize>) -> bool {
    let parent = document.nodes[at].parent.unwrap_or(ROOT);
    let elements: Vec<usize> = document.nodes[parent]
        .children
        .iter()
        .copied()
        .filter(|child| !document.nodes[*child].is_text())
        .collect();
    pick(&elements) == Some(&at)
}

/// The conditions of one compound, such as `button.tab[data-state="on"]:hover`.
fn compound(word: &str) -> Vec<Simple> {
    let mut simples = Vec::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '[' => rest.find(']').map_or(rest.len(), |at| at + 1),
            ':' if rest.contains('(') && !rest[1..rest.find('(').unwrap()].contains([':', '.', '[']) => {
                rest.find(')').map_or(rest.len(), |at| at + 1)
            }
            _ => rest
                .char_indices()
                .skip(1)
                .find(|(_, c)| ".[:#".contains(*c))
                .map_or(rest.len(), |(at, _)| at),
        };
        // `::placeholder` is two colons.
        let end = if rest.starts_with("::") { rest.len() } else { end };
        simples.push(simple(&rest[..end]));
        rest = &rest[end..];
    }
    simples
}

fn simple(text: &str) -> Simple {
    if let Some(inner) = text.strip_prefix(":not(").and_then(|rest| rest.strip_suffix(')')) {
        return Simple::Not(Box::new(simple(inner)));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.split_once('=') {
            Some((name, value)) => {
                Simple::Attribute(name.to_owned(), Some(value.trim_matches('"').to_owned()))
            }
            None => Simple::Attribute(inner.to_owned(), None),
        };
    }
    match text {
        "*" => Simple::Any,
        ":root" => Simple::Root,
        ":hover" => Simple::Hover,
        ":disabled" => Simple::Disabled,
        ":checked" => Simple::Checked,
        ":empty" => Simple::Empty,
        ":first-child" => Simple::FirstChild,
        ":last-child" => Simple::LastChild,
        _ if text.starts_with(':') => Simple::Never,
        _ => match text.split_at(1) {
            (".", class) => Simple::Class(class.to_owned()),
            ("#", id) => Simple::Id(id.to_owned()),
            _ => Simple::Name(text.to_owned()),
        },
    }
}
