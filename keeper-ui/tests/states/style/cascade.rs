//! Which colours come of the rules: what wins, what is inherited, what stands for what.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Rule;
use super::selector::Selector;
use crate::html::{Document, ROOT};

/// Red, green and blue, from 0 to 255.
pub(super) type Colour = [f64; 3];

/// Whether the pointer is over everything or over nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointer {
    Away,
    Over,
}

/// The colours of an element.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    /// Of its text.
    pub(crate) ink: Colour,
    /// Of what is below its text; `None` where that is a picture or a gradient.
    pub(crate) ground: Option<Colour>,
    /// Whether it shows at all.
    pub(crate) shown: bool,
    /// Shared with what is around, as long as the element declares none of its own.
    tokens: Rc<BTreeMap<String, String>>,
}

/// Relative luminance, and the contrast of two colours by it (WCAG 2.2).
pub(crate) fn contrast(one: Colour, other: Colour) -> f64 {
    let luminance = |colour: Colour| {
        let linear = colour.map(|channel| {
            let value = channel / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The colours of every element of a document, by its place in it.
pub(crate) fn compute(document: &Document, rules: &[Rule], pointer: Pointer) -> Vec<Option<Computed>> {
    let index = Index::of(rules);
    let mut computed: Vec<Option<Computed>> = vec![None; document.nodes.len()];
    for at in 0..document.nodes.len() {
        if document.nodes[at].is_text() {
            continue;
        }
        let around = document.nodes[at]
            .parent
            .and_then(|parent| computed[parent].clone());
        let own = declared(document, &index, pointer, at);
        computed[at] = Some(of_element(document, own, at, around));
    }
    computed
}

/// Selectors with the places of their rules, by the class that they ask for; under no name those that ask for none.
struct Index<'a> {
    rules: &'a [Rule],
    by_class: BTreeMap<&'a str, Vec<(usize, &'a Selector)>>,
}

impl<'a> Index<'a> {
    fn of(rules: &'a [Rule]) -> Self {
        let mut by_class: BTreeMap<&str, Vec<(usize, &Selector)>> = BTreeMap::new();
        for (order, rule) in rules.iter().enumerate() {
            for selector in &rule.selectors {
                by_class
                    .entry(selector.subject().unwrap_or_default())
                    .or_default()
                    .push((order, selector));
            }
        }
        Self { rules, by_class }
    }
}

fn of_element(
    document: &Document,
    mut own: BTreeMap<String, String>,
    at: usize,
    around: Option<Computed>,
) -> Computed {
    let inline = document.nodes[at].attribute("style").unwrap_or_default();
    own.extend(
        inline
            .split(';')
            .filter_map(|text| text.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())),
    );
    let mut computed = around.unwrap_or(Computed {
        ink: [0.0; 3],
        ground: Some([255.0; 3]),
        shown: true,
        tokens: Rc::default(),
    });
    if own.keys().any(|name| name.starts_with("--")) {
        computed.tokens = Rc::new(with_own_tokens(&computed.tokens, &own));
    }
    if at == ROOT && !own.contains_key("color") {
        // The body's own colours, which every fragment is drawn in.
        computed.ink = colour("var(--text-1)", &computed.tokens).expect("the tokens have a colour of text");
        computed.ground = colour("var(--surface-0)", &computed.tokens);
    }
    if let Some(ink) = own.get("color").and_then(|value| colour(value, &computed.tokens)) {
        computed.ink = ink;
    }
    for name in ["background", "background-color"] {
        match own.get(name).map(String::as_str) {
            None | Some("none" | "transparent" | "inherit") => {}
            Some(value) => computed.ground = colour(value, &computed.tokens),
        }
    }
    if own.get("display").is_some_and(|value| value == "none")
        || own.get("visibility").is_some_and(|value| value == "hidden")
    {
        computed.shown = false;
    }
    if let (Some(opacity), Some(ground)) = (
        own.get("opacity").and_then(|value| value.parse::<f64>().ok()),
        computed.ground,
    ) {
        for (channel, below) in computed.ink.iter_mut().zip(ground) {
            *channel = *channel * opacity + below * (1.0 - opacity);
        }
        computed.shown &= opacity > 0.0;
    }
    computed
}

/// The tokens inside of an element that declares some. An alias means what the other token means here, for all that is
/// inside, too.
fn with_own_tokens(
    around: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut tokens = around.clone();
    let declared = || own.iter().filter(|(name, _)| name.starts_with("--"));
    tokens.extend(declared().map(|(name, value)| (name.clone(), value.clone())));
    let resolved: Vec<(String, String)> = declared()
        .filter_map(|(name, value)| Some((name.clone(), resolve(value, &tokens, around)?)))
        .collect();
    tokens.extend(resolved);
    tokens
}

/// What the rules that hold declare, the winner of each property.
fn declared(document: &Document, index: &Index<'_>, pointer: Pointer, at: usize) -> BTreeMap<String, String> {
    let mut found: Vec<((usize, usize), usize)> = std::iter::once("")
        .chain(document.nodes[at].classes())
        .filter_map(|class| index.by_class.get(class))
        .flatten()
        .filter(|(_, selector)| selector.holds(document, at, pointer))
        .map(|(order, selector)| (selector.specificity, *order))
        .collect();
    // The last of equals wins, and the more specific before that.
    found.sort_unstable();
    found
        .iter()
        .flat_map(|(_, order)| index.rules[*order].declarations.clone())
        .collect()
}

/// The colour that a value means; `None` for what is more than a colour.
fn colour(value: &str, tokens: &BTreeMap<String, String>) -> Option<Colour> {
    let value = resolve(value, tokens, tokens)?;
    let hex = value.strip_prefix('#').filter(|hex| hex.len() == 6)?;
    let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok().map(f64::from);
    Some([channel(0)?, channel(2)?, channel(4)?])
}

/// A value without `var(…)`, as far as it is nothing else.
fn resolve(
    value: &str,
    tokens: &BTreeMap<String, String>,
    outer: &BTreeMap<String, String>,
) -> Option<String> {
    let Some(name) = value.strip_prefix("var(").and_then(|rest| rest.strip_suffix(')')) else {
        return Some(value.to_owned());
    };
    let name = name.split(',').next()?.trim();
    let next = tokens.get(name).or_else(|| outer.get(name))?;
    if next.contains(name) {
        None
    } else {
        resolve(next, tokens, outer)
    }
}
