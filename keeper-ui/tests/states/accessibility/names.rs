//! Whether everything that can be used has a name, and every reference leads somewhere.

use std::collections::BTreeSet;

use crate::html::{Document, Node};

/// Roles of things that are used, and so need a name.
const NAMED: &[&str] = &[
    "button",
    "link",
    "tab",
    "menuitem",
    "menuitemradio",
    "menuitemcheckbox",
    "option",
    "checkbox",
    "radio",
    "switch",
    "slider",
    "spinbutton",
    "textbox",
    "searchbox",
    "combobox",
    "listbox",
    "progressbar",
    "meter",
    "tablist",
    "menu",
    "dialog",
    "alertdialog",
    "region",
    "img",
    "table",
    "grid",
    "tree",
    "treeitem",
    "toolbar",
    "radiogroup",
    "heading",
    "scrollbar",
    "log",
];
/// Roles whose name is what is in them.
const FROM_CONTENT: &[&str] = &[
    "button",
    "link",
    "tab",
    "menuitem",
    "menuitemradio",
    "menuitemcheckbox",
    "option",
    "checkbox",
    "radio",
    "switch",
    "treeitem",
    "heading",
];
/// Attributes that hold ids.
const REFERENCES: &[&str] = &[
    "aria-labelledby",
    "aria-describedby",
    "aria-controls",
    "aria-owns",
    "aria-activedescendant",
    "aria-details",
    "aria-errormessage",
    "for",
];

pub(super) fn problems(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    for (at, node) in document.elements() {
        if let Some(id) = node.attribute("id")
            && (id.is_empty() || !ids.insert(id))
        {
            found.push(format!(
                "{} has the id {id:?}, which is empty or another's",
                tag(node)
            ));
        }
        for attribute in REFERENCES {
            for id in node.attribute(attribute).unwrap_or_default().split_whitespace() {
                if document.by_id(id).is_none() {
                    found.push(format!(
                        "{}: {attribute} names {id:?}, which is not there",
                        tag(node)
                    ));
                }
            }
        }
        if is_hidden(document, at) {
            continue;
        }
        let needs_name = role(node).is_some_and(|role| NAMED.contains(&role))
            || matches!(node.name.as_str(), "iframe" | "summary");
        let focusable_line = role(node) == Some("separator") && node.attribute("tabindex").is_some();
        if (needs_name || focusable_line) && name(document, at).trim().is_empty() {
            found.push(format!("{} has no name", tag(node)));
        }
        if node.name == "img" && node.attribute("alt").is_none() {
            found.push(format!("{} has no alt", tag(node)));
        }
        if node.name == "svg"
            && node.attribute("aria-hidden") != Some("true")
            && name(document, at).trim().is_empty()
        {
            found.push(format!("{} is neither hidden nor named", tag(node)));
        }
        if node.name == "th" && content(document, at).trim().is_empty() {
            found.push(format!("{} is a heading of a column without words", tag(node)));
        }
    }
    found
}

/// A tag as a person finds it in the drawing.
pub(super) fn tag(node: &Node) -> String {
    let shown = ["class", "id", "role", "type", "aria-label"];
    let attributes: String = shown
        .iter()
        .filter_map(|name| Some(format!(" {name}=\"{}\"", node.attribute(name)?)))
        .collect();
    format!("<{}{attributes}>", node.name)
}

/// The role that an element has by itself or was given.
pub(super) fn role(node: &Node) -> Option<&str> {
    if let Some(role) = node.attribute("role") {
        return Some(role);
    }
    Some(match node.name.as_str() {
        "button" | "summary" => "button",
        "a" if node.attribute("href").is_some() => "link",
        "textarea" => "textbox",
        "select" => "combobox",
        "dialog" => "dialog",
        "table" => "table",
        "progress" => "progressbar",
        "meter" => "meter",
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => "heading",
        "input" => match node.attribute("type").unwrap_or("text") {
            "hidden" => return None,
            "checkbox" => "checkbox",
            "radio" => "radio",
            "range" => "slider",
            "number" => "spinbutton",
            "button" | "submit" | "reset" | "image" => "button",
            "search" => "searchbox",
            _ => "textbox",
        },
        _ => return None,
    })
}

/// Whether those who listen do not hear an element at all.
pub(super) fn is_hidden(document: &Document, at: usize) -> bool {
    std::iter::once(at).chain(document.ancestors(at)).any(|around| {
        let node = &document.nodes[around];
        node.attribute("aria-hidden") == Some("true") || node.attribute("hidden").is_some()
    })
}

/// The name that is read out for an element.
pub(super) fn name(document: &Document, at: usize) -> String {
    let node = &document.nodes[at];
    let referenced: Vec<String> = node
        .attribute("aria-labelledby")
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|id| document.by_id(id))
        .map(|label| content(document, label))
        .collect();
    let own = |name: &str| node.attribute(name).unwrap_or_default().to_owned();
    let mut candidates = vec![
        referenced.join(" "),
        own("aria-label"),
        label(document, at),
        own("alt"),
    ];
    if role(node).is_some_and(|role| FROM_CONTENT.contains(&role)) || node.name == "option" {
        candidates.push(content(document, at));
    }
    if node.name == "table" {
        let caption = node
            .children
            .iter()
            .find(|child| document.nodes[**child].name == "caption");
        candidates.push(
            caption
                .map(|caption| content(document, *caption))
                .unwrap_or_default(),
        );
    }
    candidates.push(own("title"));
    candidates
        .into_iter()
        .find(|candidate| !candidate.trim().is_empty())
        .unwrap_or_default()
}

/// The words of the label of a control.
fn label(document: &Document, at: usize) -> String {
    let node = &document.nodes[at];
    if !matches!(
        node.name.as_str(),
        "input" | "select" | "textarea" | "meter" | "progress" | "output"
    ) {
        return String::new();
    }
    let by_id = document.elements().filter(|(_, label)| {
        label.name == "label"
            && label.attribute("for").is_some()
            && label.attribute("for") == node.attribute("id")
    });
    let around = document
        .ancestors(at)
        .filter(|around| document.nodes[*around].name == "label");
    by_id
        .map(|(label, _)| label)
        .chain(around)
        .map(|label| content(document, label))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is read out of what is in an element.
pub(super) fn content(document: &Document, at: usize) -> String {
    let node = &document.nodes[at];
    if node.is_text() {
        return node.text.clone();
    }
    if node.attribute("aria-hidden") == Some("true") {
        return String::new();
    }
    for attribute in ["aria-label", "alt"] {
        if let Some(words) = node.attribute(attribute).filter(|words| !words.is_empty()) {
            return words.to_owned();
        }
    }
    node.children
        .iter()
        .map(|child| content(document, *child))
        .collect::<Vec<_>>()
        .join(" ")
}
