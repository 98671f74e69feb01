//! Facts out of a hub's JSON. A key that is not there, or is of another kind, is a fact that is not told: one odd
//! field of one model must not hide the rest.

use jiff::Timestamp;
use serde_json::Value;

use crate::text::{MAX_FACT_BYTES, bounded};

/// Most items taken of a list of words.
const MAX_WORDS: usize = 64;

/// The non-empty text under a key, bounded.
pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    let text = bounded(value.get(key)?.as_str()?, MAX_FACT_BYTES);
    (!text.is_empty()).then_some(text)
}

/// The text under a key as it is, for names that are checked elsewhere.
pub(crate) fn raw<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The texts of a list, or the one text in its place, bounded in number and length.
pub(crate) fn words(value: &Value, key: &str) -> Vec<String> {
    let one = |item: &Value| {
        let word = bounded(item.as_str()?, 200);
        (!word.is_empty()).then_some(word)
    };
    match value.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(one).take(MAX_WORDS).collect(),
        Some(single) => one(single).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The items of a list.
pub(crate) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    match value.get(key) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

/// A whole number that is not negative.
pub(crate) fn count(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_u64()
}

/// Whether it is `true`.
pub(crate) fn is_true(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

/// A time in RFC 3339.
pub(crate) fn time(value: &Value, key: &str) -> Option<Timestamp> {
    raw(value, key)?.parse().ok()
}

/// An address that a client may show: https only, bounded.
pub(crate) fn https(value: &Value, key: &str) -> Option<String> {
    let url: url::Url = raw(value, key).filter(|url| url.len() <= 2048)?.parse().ok()?;
    (url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
        .then(|| url.to_string())
}
