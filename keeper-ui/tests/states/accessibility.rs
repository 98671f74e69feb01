//! What those find who listen, who use no pointer, or who see little: names, roles, references, order, contrast.
//!
//! The rules are those of WAI-ARIA 1.2 and WCAG 2.2 that can be told from the drawing alone, as axe-core's are.

mod colours;
mod names;
mod samples;
mod structure;

use rbee_keeper::theme;

use crate::areas::AREAS;
use crate::html::{Document, ROOT};
use crate::style;

/// Everything that is wrong with a drawing.
fn problems(html: &str) -> Vec<String> {
    let document = match Document::read(html) {
        Ok(document) => document,
        Err(error) => return vec![format!("not well formed: {error}")],
    };
    let mut found = names::problems(&document);
    found.extend(structure::problems(&document));
    found
}

/// Everything that cannot be read in a drawing, in one theme.
fn unreadable(html: &str, theme: &str, rules: &[style::Rule]) -> Vec<String> {
    let Ok(mut document) = Document::read(html) else {
        return Vec::new();
    };
    document.nodes[ROOT]
        .attributes
        .push(("data-theme".to_owned(), theme.to_owned()));
    colours::problems(&document, rules)
}

#[test]
fn every_state_can_be_used_without_looking_and_without_a_pointer() {
    let mut found = Vec::new();
    for area in AREAS {
        for state in area.states {
            found.extend(
                problems(&state.render())
                    .into_iter()
                    .map(|problem| format!("{}/{}: {problem}", area.name, state.name)),
            );
        }
    }
    assert!(
        found.is_empty(),
        "{} problems:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_state_can_be_read_in_both_themes() {
    let rules = style::read(&theme::sheet());
    let mut found = Vec::new();
    for area in AREAS {
        for state in area.states {
            for theme in ["light", "dark"] {
                let problems = unreadable(&state.render(), theme, &rules);
                found.extend(
                    problems
                        .into_iter()
                        .map(|problem| format!("{}/{}, {theme}: {problem}", area.name, state.name)),
                );
            }
        }
    }
    found.dedup();
    assert!(
        found.is_empty(),
        "{} problems:\n{}",
        found.len(),
        found.join("\n")
    );
}
