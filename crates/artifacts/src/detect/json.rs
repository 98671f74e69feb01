//! Small JSON texts of a model's folder, read with bounds.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};

use super::error::DetectError;

/// The longest description: real ones have a few KiB, but for lists of quantized layers.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// The longest index of shards: those of the largest models have about 10 MiB.
pub(super) const MAX_INDEX_BYTES: u64 = 16 << 20;
/// The most tensors an index may name; with the longest index, this bounds the memory it takes.
const MAX_INDEX_TENSORS: usize = 200_000;

/// An object of JSON and the file it is from. Nesting is bounded by the reader (128), size by whoever
/// read the text.
#[derive(Debug, Clone)]
pub struct JsonObject {
    file: String,
    object: Map<String, Value>,
}

impl JsonObject {
    /// Reads `text`, which is `file`'s.
    ///
    /// # Errors
    /// When it is no object of JSON.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, DetectError> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(object)) => Ok(Self {
                file: file.to_owned(),
                object,
            }),
            Ok(_) => Err(DetectError::invalid(file, "text", "is JSON, but no object")),
            Err(source) => Err(DetectError::Json {
                file: file.to_owned(),
                source,
            }),
        }
    }

    /// The file it is from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The value of `key`; null counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Whether the text says something of `key`, be it null.
    #[must_use]
    pub fn mentions(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// The string at `key`.
    ///
    /// # Errors
    /// When there is another kind of value.
    pub fn str(&self, key: &str) -> Result<Option<&str>, DetectError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a string", other)),
        }
    }

    /// The whole number at `key`, which must be from `min` to `max`.
    ///
    /// # Errors
    /// When there is another kind of value or number.
    pub fn count(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>, DetectError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(count) if (min..=max).contains(&count) => Ok(Some(count)),
            _ => Err(self.wrong(key, &format!("a whole number from {min} to {max}"), value)),
        }
    }

    /// The truth at `key`.
    ///
    /// # Errors
    /// When there is another kind of value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, DetectError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    /// Turns an absent value into an error.
    ///
    /// # Errors
    /// When there is no value.
    pub fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, DetectError> {
        value.ok_or_else(|| self.invalid(key, "is missing"))
    }

    pub(super) fn invalid(&self, key: &str, problem: impl Into<String>) -> DetectError {
        DetectError::invalid(&self.file, key, problem)
    }

    fn wrong(&self, key: &str, expected: &str, found: &Value) -> DetectError {
        let shown = match found {
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            scalar => crate::names::excerpt(&scalar.to_string()),
        };
        self.invalid(key, format!("is {shown}, but must be {expected}"))
    }
}

/// The index of a model in several files: which tensor lies where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardIndex {
    /// The tensors of each file, by the file's name as the index gives it.
    pub tensors_by_file: BTreeMap<String, Vec<String>>,
}

impl ShardIndex {
    /// Reads `text`, which is `file`'s.
    ///
    /// # Errors
    /// When it is no index.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, DetectError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: ShardIndex,
        }
        serde_json::from_slice::<Index>(text)
            .map(|index| index.weight_map)
            .map_err(|source| DetectError::Json {
                file: file.to_owned(),
                source,
            })
    }
}

impl<'de> Deserialize<'de> for ShardIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = ShardIndex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "the names of tensors with the names of their files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ShardIndex, A::Error> {
                let mut index = ShardIndex::default();
                let mut count = 0;
                while let Some((tensor, file)) = map.next_entry::<String, String>()? {
                    count += 1;
                    if count > MAX_INDEX_TENSORS {
                        return Err(de::Error::custom(format_args!(
                            "weight_map has more than {MAX_INDEX_TENSORS} tensors"
                        )));
                    }
                    index.tensors_by_file.entry(file).or_default().push(tensor);
                }
                Ok(index)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_must_be() {
        let json = JsonObject::parse(
            "config.json",
            br#"{"a": 3, "b": "x", "c": null, "d": true, "e": -1}"#,
        )
        .unwrap();
        assert_eq!(json.count("a", 1, 3).unwrap(), Some(3));
        assert_eq!(json.str("b").unwrap(), Some("x"));
        assert_eq!(json.count("c", 1, 3).unwrap(), None);
        assert_eq!(json.bool("d").unwrap(), Some(true));
        for error in [
            json.count("a", 4, 9).unwrap_err(),
            json.count("e", 0, 9).unwrap_err(),
            json.str("a").unwrap_err(),
            json.bool("a").unwrap_err(),
        ] {
            assert_eq!(error.file(), "config.json");
        }
    }

    #[test]
    fn nesting_and_lists_are_refused() {
        let deep = "[".repeat(100_000);
        assert!(JsonObject::parse("config.json", deep.as_bytes()).is_err());
        assert!(JsonObject::parse("config.json", b"[]").is_err());
    }

    #[test]
    fn an_index_is_turned_round() {
        let text = br#"{"metadata": {"total_size": 3}, "weight_map": {"a": "1", "b": "2", "c": "1"}}"#;
        let index = ShardIndex::parse("index.json", text).unwrap();
        assert_eq!(index.tensors_by_file["1"], ["a", "c"]);
        assert!(ShardIndex::parse("index.json", br#"{"weight_map": {"a": 1}}"#).is_err());
        assert!(ShardIndex::parse("index.json", b"{}").is_err());
    }
}
