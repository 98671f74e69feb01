//! Durations that may be absent. For `#[serde(with = "…")]`.

use std::time::Duration;

use serde::{Deserializer, Serializer};

use super::duration;

/// Writes a duration, or nothing.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => duration::serialize(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads a duration that is there; for one that is absent the field's default stands.
///
/// # Errors
/// If the text is not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}
