//! Whether things are where they belong: roles, their states, what is in what, the order of headings and of the Tab key.

use super::names::{content, is_hidden, role, tag};
use crate::html::{Document, Node};

/// Roles there are (WAI-ARIA 1.2, without the abstract ones).
const ROLES: &str = " alert alertdialog application article banner blockquote button caption cell checkbox code columnheader combobox \
    complementary contentinfo definition deletion dialog directory document emphasis feed figure form generic grid gridcell group \
    heading img insertion link list listbox listitem log main marquee math menu menubar menuitem menuitemcheckbox menuitemradio meter \
    navigation none note option paragraph presentation progressbar radio radiogroup region row rowgroup rowheader scrollbar search \
    searchbox separator slider spinbutton status strong subscript superscript switch tab table tablist tabpanel term textbox time \
    timer toolbar tooltip tree treegrid treeitem ";
/// Attributes there are.
const ATTRIBUTES: &str = " activedescendant atomic autocomplete busy checked colcount colindex colspan controls current describedby \
    description details disabled errormessage expanded flowto haspopup hidden invalid keyshortcuts label labelledby level live modal \
    multiline multiselectable orientation owns placeholder posinset pressed readonly relevant required roledescription rowcount \
    rowindex rowspan selected setsize sort valuemax valuemin valuenow valuetext ";
/// Attributes that say yes or no.
const YES_OR_NO: &[&str] = &[
    "aria-atomic",
    "aria-busy",
    "aria-disabled",
    "aria-expanded",
    "aria-hidden",
    "aria-modal",
    "aria-multiline",
    "aria-multiselectable",
    "aria-readonly",
    "aria-required",
    "aria-selected",
];
/// Which role must be within which.
const WITHIN: &[(&str, &[&str])] = &[
    ("tab", &["tablist"]),
    ("menuitem", &["menu", "menubar"]),
    ("menuitemradio", &["menu", "menubar"]),
    ("menuitemcheckbox", &["menu", "menubar"]),
    ("option", &["listbox"]),
    ("treeitem", &["tree"]),
    ("gridcell", &["row"]),
    ("row", &["table", "grid", "treegrid", "rowgroup"]),
    ("listitem", &["list"]),
];
/// What a role must say of itself.
const STATES: &[(&str, &str)] = &[
    ("tab", "aria-selected"),
    ("checkbox", "aria-checked"),
    ("switch", "aria-checked"),
    ("radio", "aria-checked"),
    ("menuitemradio", "aria-checked"),
    ("menuitemcheckbox", "aria-checked"),
    ("slider", "aria-valuenow"),
    ("scrollbar", "aria-valuenow"),
    ("meter", "aria-valuenow"),
    ("combobox", "aria-expanded"),
];

pub(super) fn problems(document: &Document) -> Vec<String> {
    let mut found = headings(document);
    for (at, node) in document.elements() {
        attributes(node, &mut found);
        parents(document, at, &mut found);
        focus(document, at, &mut found);
        lists_and_tables(document, at, &mut found);
    }
    found
}

/// Roles, attributes and values that exist, and that a role needs.
fn attributes(node: &Node, found: &mut Vec<String>) {
    for (name, value) in &node.attributes {
        if let Some(name) = name.strip_prefix("aria-")
            && !ATTRIBUTES.contains(&format!(" {name} "))
        {
            found.push(format!("{}: there is no aria-{name}", tag(node)));
        }
        let one_of = |allowed: &[&str]| allowed.contains(&value.as_str());
        let valid = match name.as_str() {
            name if YES_OR_NO.contains(&name) => one_of(&["true", "false"]),
            "aria-checked" | "aria-pressed" => one_of(&["true", "false", "mixed"]),
            "aria-live" => one_of(&["off", "polite", "assertive"]),
            "aria-sort" => one_of(&["ascending", "descending", "none", "other"]),
            "aria-orientation" => one_of(&["horizontal", "vertical"]),
            "aria-current" => one_of(&["page", "step", "location", "date", "time", "true", "false"]),
            "aria-haspopup" => one_of(&["true", "false", "menu", "listbox", "tree", "grid", "dialog"]),
            "aria-valuenow" | "aria-valuemin" | "aria-valuemax" => value.parse::<f64>().is_ok(),
            "role" => !value.is_empty() && ROLES.contains(&format!(" {value} ")),
            "dir" => one_of(&["ltr", "rtl", "auto"]),
            _ => true,
        };
        if !valid {
            found.push(format!("{}: {name} cannot be {value:?}", tag(node)));
        }
    }
    // Elements that have the role by themselves say the state by themselves, too.
    if let Some(role) = node
        .attribute("role")
        .filter(|_| !matches!(node.name.as_str(), "input" | "select"))
    {
        for (_, state) in STATES.iter().filter(|(of, _)| *of == role) {
            if node.attribute(state).is_none() {
                found.push(format!("{} does not say {state}", tag(node)));
            }
        }
        if role == "separator"
            && node.attribute("tabindex").is_some()
            && node.attribute("aria-valuenow").is_none()
        {
            found.push(format!(
                "{} can be moved and does not say aria-valuenow",
                tag(node)
            ));
        }
    }
}

fn parents(document: &Document, at: usize, found: &mut Vec<String>) {
    let node = &document.nodes[at];
    let Some(role) = node.attribute("role") else {
        return;
    };
    for (_, around) in WITHIN.iter().filter(|(of, _)| *of == role) {
        let is_within = document.ancestors(at).any(|ancestor| {
            let ancestor = &document.nodes[ancestor];
            let own = ancestor
                .attribute("role")
                .unwrap_or(match ancestor.name.as_str() {
                    "ul" | "ol" => "list",
                    "table" => "table",
                    other => other,
                });
            around.contains(&own)
        });
        if !is_within {
            found.push(format!("{} is not within {}", tag(node), around.join(" or ")));
        }
    }
}

/// What the Tab key comes to.
fn focus(document: &Document, at: usize, found: &mut Vec<String>) {
    let node = &document.nodes[at];
    if let Some(index) = node.attribute("tabindex") {
        match index.parse::<i32>() {
            Ok(index) if index > 0 => {
                found.push(format!("{} comes before its turn: tabindex {index}", tag(node)));
            }
            Ok(0) if role(node).is_none() => {
                found.push(format!("{} can be reached and has no role", tag(node)));
            }
            Ok(_) => {}
            Err(_) => found.push(format!("{}: tabindex {index:?} is no number", tag(node))),
        }
    }
    if !is_control(node) {
        return;
    }
    if is_hidden(document, at) && node.attribute("disabled").is_none() {
        found.push(format!(
            "{} can be reached and is hidden from those who listen",
            tag(node)
        ));
    }
    if let Some(around) = document
        .ancestors(at)
        .find(|around| is_pressed(&document.nodes[*around]))
    {
        found.push(format!(
            "{} is inside of {}",
            tag(node),
            tag(&document.nodes[around])
        ));
    }
}

/// Whether the Tab key stops at an element.
fn is_control(node: &Node) -> bool {
    let by_itself = matches!(
        node.name.as_str(),
        "button" | "select" | "textarea" | "summary" | "iframe"
    ) || node.name == "a" && node.attribute("href").is_some()
        || node.name == "input" && node.attribute("type") != Some("hidden");
    match node.attribute("tabindex") {
        Some(index) => index.parse::<i32>().is_ok_and(|index| index >= 0),
        None => by_itself,
    }
}

/// Whether an element is pressed as a whole, so that nothing inside of it can be.
fn is_pressed(node: &Node) -> bool {
    matches!(
        role(node),
        Some("button" | "link" | "tab" | "menuitem" | "option" | "checkbox" | "switch")
    )
}

fn headings(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let mut before: Option<u32> = None;
    for (at, node) in document.elements() {
        let Some(level) = node
            .name
            .strip_prefix('h')
            .and_then(|level| level.parse::<u32>().ok())
        else {
            continue;
        };
        if before.is_some_and(|before| level > before + 1) {
            found.push(format!("{} {:?} skips a level", tag(node), content(document, at)));
        }
        before = Some(level);
    }
    found
}

fn lists_and_tables(document: &Document, at: usize, found: &mut Vec<String>) {
    let node = &document.nodes[at];
    let parent = node
        .parent
        .map_or("", |parent| document.nodes[parent].name.as_str());
    let misplaced = match node.name.as_str() {
        "li" => !matches!(parent, "ul" | "ol" | "menu"),
        "tr" => !matches!(parent, "thead" | "tbody" | "tfoot"),
        "td" | "th" => parent != "tr",
        "dt" | "dd" => !matches!(parent, "dl" | "div"),
        "option" => !matches!(parent, "select" | "optgroup" | "datalist"),
        _ if matches!(parent, "ul" | "ol") => true,
        "p" | "div" | "ul" | "table" => parent == "p",
        _ => false,
    };
    if misplaced {
        found.push(format!("{} is directly within <{parent}>", tag(node)));
    }
    if node.name == "th" && node.attribute("scope").is_none() {
        found.push(format!("{} does not say of what it is the heading", tag(node)));
    }
}
