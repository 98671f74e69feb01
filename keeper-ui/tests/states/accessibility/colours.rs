//! Whether text stands out from what is below it.

use super::names::tag;
use crate::html::Document;
use crate::style::{Computed, Pointer, Rule, compute, contrast};

/// What text needs (WCAG 2.2, 1.4.3). Large text needs less; the window has little of it, and it keeps to the same.
const LEAST: f64 = 4.5;

pub(super) fn problems(document: &Document, rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    for pointer in [Pointer::Away, Pointer::Over] {
        let computed = compute(document, rules, pointer);
        for (at, node) in document.elements() {
            let has_text = node.children.iter().any(|child| document.nodes[*child].is_text());
            let has_placeholder = matches!(node.name.as_str(), "input" | "textarea")
                && node.attribute("value").is_some_and(|value| !value.is_empty());
            if (has_text || has_placeholder)
                && !is_exempt(document, at, &computed)
                && let Some(ratio) = computed[at]
                    .as_ref()
                    .and_then(|own| Some(contrast(own.ink, own.ground?)))
                && ratio < LEAST
            {
                found.push(format!(
                    "{} has a contrast of {ratio:.2} ({pointer:?})",
                    tag(node)
                ));
            }
        }
    }
    found.dedup();
    found
}

/// What does not show, or cannot be used now (which WCAG excuses).
fn is_exempt(document: &Document, at: usize, computed: &[Option<Computed>]) -> bool {
    std::iter::once(at).chain(document.ancestors(at)).any(|around| {
        let node = &document.nodes[around];
        node.attribute("disabled").is_some()
            || node.attribute("aria-disabled") == Some("true")
            || computed[around].as_ref().is_some_and(|computed| !computed.shown)
    })
}
