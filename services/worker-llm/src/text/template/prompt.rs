//! Which parts of a rendered conversation are people's words, where that matters.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::text::tokenizer::ControlTexts;

/// A rendered conversation, to be encoded by
/// [`Tokenizer::encode_prompt`](crate::text::Tokenizer::encode_prompt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The whole text.
    pub text: String,
    /// Where in `text`, in bytes, people wrote what reads as a control token: no control token may be
    /// recognised that touches one of these ranges. Sorted, without overlaps.
    pub literal: Vec<Range<usize>>,
}

impl Prompt {
    /// A prompt in which every control token that is named becomes one: text that the operator wrote.
    #[must_use]
    pub fn trusted(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            literal: Vec::new(),
        }
    }
}

/// Characters that stand in for others while a template runs: the end of the last private-use plane,
/// of which those are taken that the conversation does not have.
const STAND_INS: RangeInclusive<char> = '\u{10f000}'..='\u{10fffd}';

/// The names of control tokens in a conversation, and how they are marked.
pub(super) struct Protection<'a> {
    control_texts: &'a ControlTexts,
    /// Stand-ins by the character they stand for.
    stand_ins: BTreeMap<char, char>,
    /// The whole names in the conversation.
    names: BTreeSet<String>,
}

impl<'a> Protection<'a> {
    /// Looks through a conversation.
    pub(super) fn of<'v>(values: impl Iterator<Item = &'v Value>, control_texts: &'a ControlTexts) -> Self {
        let mut in_use = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut to_mark = BTreeSet::new();
        for value in values {
            each_string(value, &mut |text| {
                in_use.extend(text.chars().filter(|character| STAND_INS.contains(character)));
                names.extend(control_texts.found_in(text).map(|range| text[range].to_owned()));
                for place in places(control_texts, text) {
                    to_mark.extend(text[place..].chars().next());
                }
            });
        }
        let free = STAND_INS.filter(|character| !in_use.contains(character));
        Self {
            control_texts,
            stand_ins: to_mark.into_iter().zip(free).collect(),
            names,
        }
    }

    /// Whether there is anything to protect.
    pub(super) fn is_needed(&self) -> bool {
        !self.stand_ins.is_empty() || !self.names.is_empty()
    }

    /// The value with a stand-in at each place to protect.
    pub(super) fn mark(&self, value: &Value) -> Value {
        map_strings(value, &|text| {
            let places = places(self.control_texts, text);
            if places.is_empty() {
                return None;
            }
            let mut marked = String::with_capacity(text.len() + 4 * places.len());
            for (place, character) in text.char_indices() {
                let stand_in = places
                    .contains(&place)
                    .then(|| self.stand_ins.get(&character))
                    .flatten();
                marked.push(*stand_in.unwrap_or(&character));
            }
            Some(marked)
        })
    }

    /// The prompt that a rendering with stand-ins stands for.
    pub(super) fn unmark(&self, marked: &str) -> Prompt {
        let originals: BTreeMap<char, char> = self
            .stand_ins
            .iter()
            .map(|(&original, &stand_in)| (stand_in, original))
            .collect();
        let mut text = String::with_capacity(marked.len());
        let mut literal = Vec::new();
        for character in marked.chars() {
            let start = text.len();
            match originals.get(&character) {
                Some(&original) => {
                    text.push(original);
                    literal.push(start..text.len());
                }
                None => text.push(character),
            }
        }
        Prompt { text, literal }
    }

    /// A prompt in which no name that is in the conversation becomes a token, whoever wrote it.
    pub(super) fn all_literal(&self, text: String) -> Prompt {
        let mut found: Vec<Range<usize>> = self
            .control_texts
            .found_in(&text)
            .filter(|range| self.names.contains(&text[range.clone()]))
            .collect();
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut literal: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match literal.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => literal.push(range),
            }
        }
        Prompt { text, literal }
    }
}

/// Where a text that people wrote has a control token's name, or a part of one that what comes before or
/// after it could complete.
fn places(control_texts: &ControlTexts, text: &str) -> BTreeSet<usize> {
    let mut places: BTreeSet<usize> = control_texts.found_in(text).map(|range| range.start).collect();
    places.extend(control_texts.starts_cut_off(text));
    if control_texts.begins_with_rest(text) {
        places.insert(0);
    }
    places
}

/// Calls `visit` with every string in a value, keys of objects included.
pub(super) fn each_string(value: &Value, visit: &mut impl FnMut(&str)) {
    match value.kind() {
        ValueKind::String => visit(value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            for item in value.try_iter().into_iter().flatten() {
                each_string(&item, visit);
            }
        }
        ValueKind::Map => {
            for (key, item) in pairs(value) {
                each_string(&key, visit);
                each_string(&item, visit);
            }
        }
        _ => {}
    }
}

/// The value with its strings changed where `change` gives another.
fn map_strings(value: &Value, change: &impl Fn(&str) -> Option<String>) -> Value {
    match value.kind() {
        ValueKind::String => value
            .as_str()
            .and_then(change)
            .map_or_else(|| value.clone(), Value::from),
        ValueKind::Seq => value
            .try_iter()
            .into_iter()
            .flatten()
            .map(|item| map_strings(&item, change))
            .collect(),
        ValueKind::Map => Value::from_pairs(
            pairs(value).map(|(key, item)| (map_strings(&key, change), map_strings(&item, change))),
        ),
        _ => value.clone(),
    }
}

fn pairs(value: &Value) -> impl Iterator<Item = (Value, Value)> {
    value
        .try_iter()
        .into_iter()
        .flatten()
        .filter_map(|key| value.get_item(&key).ok().map(|item| (key, item)))
}
