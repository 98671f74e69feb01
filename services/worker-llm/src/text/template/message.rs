//! A conversation as a template sees it.

use std::str::FromStr;

use jiff::civil::DateTime;
use minijinja::Value;
use minijinja::value::ValueKind;

/// A JSON value whose objects keep the order of their keys: tool definitions are printed into prompts
/// in the order their authors gave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(Value);

/// A text that is no JSON.
#[derive(Debug, thiserror::Error)]
#[error("is not valid JSON")]
pub struct JsonError(#[source] serde_json::Error);

impl Json {
    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Value::from(()))
    }

    /// An object with these keys in this order.
    pub fn object<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self(Value::from_pairs(
            pairs.into_iter().map(|(key, value)| (key.into(), value.0)),
        ))
    }

    /// A list.
    pub fn array(items: impl IntoIterator<Item = Self>) -> Self {
        Self(items.into_iter().map(|item| item.0).collect())
    }

    /// What a list holds; `None` if this is no list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let is_list = self.0.kind() == ValueKind::Seq;
        is_list.then(|| self.0.try_iter().into_iter().flatten().map(Self).collect())
    }

    /// Whether this is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.kind() == ValueKind::Map
    }

    /// What an object holds, in its order; `None` if this is none.
    #[must_use]
    pub fn fields(&self) -> Option<Vec<(String, Self)>> {
        self.is_object().then(|| {
            let names = self.0.try_iter().into_iter().flatten();
            names
                .filter_map(|name| Some((name.to_string(), Self(self.0.get_item(&name).ok()?))))
                .collect()
        })
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl FromStr for Json {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str(text).map_err(JsonError)
    }
}

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(Value::from(text))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self(Value::from(text))
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self(Value::from(truth))
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self(Value::from(number))
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self(Value::from(number))
    }
}

/// A message of a conversation: `role`, `content`, and whatever else the model's template knows
/// (`tool_calls`, `tool_call_id`, `name`, `reasoning_content`).
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage(Json);

impl ChatMessage {
    /// A message with a role (`system`, `user`, `assistant`, `tool`) and a content: text, a list of parts
    /// (`{"type": "text", "text": …}`), or null beside tool calls.
    pub fn new(role: &str, content: impl Into<Json>) -> Self {
        Self(Json::object([("role", role.into()), ("content", content.into())]))
    }

    /// The message with one more field, or another value for one that it has.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Json>) -> Self {
        let value = value.into().0;
        let mut fields: Vec<(Value, Value)> = self
            .0
            .0
            .try_iter()
            .into_iter()
            .flatten()
            .filter_map(|name| Some((name.clone(), self.0.0.get_item(&name).ok()?)))
            .collect();
        match fields.iter_mut().find(|(name, _)| name.as_str() == Some(key)) {
            Some((_, field)) => *field = value,
            None => fields.push((Value::from(key), value)),
        }
        Self(Json(Value::from_pairs(fields)))
    }

    /// A message as it came in JSON; `None` if that is no object.
    #[must_use]
    pub fn from_json(json: Json) -> Option<Self> {
        (json.0.kind() == ValueKind::Map).then_some(Self(json))
    }

    pub(super) fn value(&self) -> Value {
        self.0.0.clone()
    }
}

/// Everything that a prompt is made of.
#[derive(Debug, Clone)]
pub struct PromptInput<'a> {
    /// The conversation, oldest message first.
    pub messages: &'a [ChatMessage],
    /// The tools that the model may call: a list of JSON schemas as templates expect them.
    pub tools: Option<&'a Json>,
    /// Documents for models that are trained to cite them.
    pub documents: Option<&'a Json>,
    /// Whether the prompt ends with the begin of the assistant's turn, so that the model answers.
    pub add_generation_prompt: bool,
    /// The time that the template may print.
    pub now: DateTime,
    /// More variables, such as `enable_thinking`. They win over those above.
    pub variables: &'a [(String, Json)],
}

impl<'a> PromptInput<'a> {
    /// A conversation for the model to answer.
    #[must_use]
    pub fn new(messages: &'a [ChatMessage], now: DateTime) -> Self {
        Self {
            messages,
            tools: None,
            documents: None,
            add_generation_prompt: true,
            now,
            variables: &[],
        }
    }
}
