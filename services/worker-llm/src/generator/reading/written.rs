//! Calls as JSON.

use super::WrittenCall;
use super::json::{fields, items};
use crate::domain::tool::{MAX_TOOL_CALL_ID_BYTES, is_tool_name};

/// The call that an object is: `{"name": …, "arguments": {…}}`. Models also write `parameters`, arguments
/// as a string, `{"type": "function", "function": {…}}` and `{"function": "name", "parameters": {…}}`.
pub(super) fn call(json: &str) -> Option<WrittenCall> {
    let fields = fields(json)?;
    let written = |name: &str| {
        let mut named = fields.iter().filter(|(field, _)| field == name);
        named.next().map(|(_, written)| *written)
    };
    if let Some(function) = written("function").filter(|function| function.starts_with('{')) {
        let inner = call_of_function(function)?;
        return Some(WrittenCall {
            id: id(written("id")),
            ..inner
        });
    }
    call_with(&written)
}

/// The calls of a list.
pub(super) fn calls(json: &str) -> Option<Vec<WrittenCall>> {
    let calls: Vec<WrittenCall> = items(json)?.into_iter().map(call).collect::<Option<_>>()?;
    (!calls.is_empty()).then_some(calls)
}

/// The call of a tool whose name and arguments are written apart.
pub(super) fn named(name: &str, arguments: &str, id: Option<&str>) -> Option<WrittenCall> {
    Some(WrittenCall {
        name: Some(name.to_owned()).filter(|name| is_tool_name(name))?,
        arguments: self::arguments(Some(arguments))?,
        id: id.map(str::to_owned),
    })
}

fn call_of_function(json: &str) -> Option<WrittenCall> {
    let fields = fields(json)?;
    call_with(&|name| {
        let mut named = fields.iter().filter(|(field, _)| field == name);
        named.next().map(|(_, written)| *written)
    })
}

fn call_with<'a>(written: &impl Fn(&str) -> Option<&'a str>) -> Option<WrittenCall> {
    let name: String = serde_json::from_str(written("name").or_else(|| written("function"))?).ok()?;
    Some(WrittenCall {
        arguments: arguments(written("arguments").or_else(|| written("parameters")))?,
        id: id(written("id")),
        name: Some(name).filter(|name| is_tool_name(name))?,
    })
}

/// An object, or a string that holds one.
fn arguments(written: Option<&str>) -> Option<String> {
    let written = match written {
        None | Some("null") => return Some("{}".to_owned()),
        Some(written) => written,
    };
    let object = if written.starts_with('"') {
        serde_json::from_str::<String>(written).ok()?
    } else {
        written.to_owned()
    };
    fields(&object).is_some().then(|| object.trim().to_owned())
}

/// An id that a later request can bring back.
fn id(written: Option<&str>) -> Option<String> {
    let id: String = serde_json::from_str(written?).ok()?;
    (1..=MAX_TOOL_CALL_ID_BYTES).contains(&id.len()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_however_they_are_put() {
        for json in [
            r#"{"name": "look", "arguments": {"b": 1.50, "a": []}}"#,
            r#"{"parameters": {"b": 1.50, "a": []}, "name": "look"}"#,
            r#"{"type": "function", "function": {"name": "look", "arguments": {"b": 1.50, "a": []}}}"#,
            r#"{"type": "function", "function": "look", "parameters": {"b": 1.50, "a": []}}"#,
            r#"{"name": "look", "arguments": "{\"b\": 1.50, \"a\": []}"}"#,
        ] {
            let call = call(json).unwrap();
            assert_eq!(
                (call.name.as_str(), call.arguments.as_str()),
                ("look", r#"{"b": 1.50, "a": []}"#),
                "{json}"
            );
        }
        assert_eq!(call(r#"{"name": "look"}"#).unwrap().arguments, "{}");
        assert_eq!(
            call(r#"{"name": "look", "id": "abc"}"#).unwrap().id.as_deref(),
            Some("abc")
        );
    }

    #[test]
    fn what_is_no_call_is_none() {
        for json in [
            "{}",
            "[]",
            r#"{"name": 1}"#,
            r#"{"name": "<|im_end|>"}"#,
            r#"{"name": "look", "arguments": [1]}"#,
            r#"{"name": "look", "arguments": "x"}"#,
            r#"{"name": "look", "arguments": {"a":}}"#,
        ] {
            assert_eq!(call(json), None, "{json}");
        }
        assert_eq!(calls("[]"), None);
        assert_eq!(calls(r#"[{"name": "a"}, {}]"#), None);
        assert_eq!(calls(r#"[{"name": "a"}, {"name": "b"}]"#).unwrap().len(), 2);
    }
}
