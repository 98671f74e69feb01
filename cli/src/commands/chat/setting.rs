//! What a conversation is given besides its words: tools and variables of the chat template, out of files
//! and arguments.

use std::path::Path;

use rbee_proto::worker::v1::{ChatRequest, ContextOverflow, Message, Role, Tool, ToolChoice};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::args::ConversationArgs;
use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};

/// The parts of each request that stay the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Setting {
    tools: Vec<Tool>,
    template_variables_json: String,
    drop_oldest: bool,
    call_tools: bool,
}

impl Setting {
    /// Reads the files that are named.
    pub(super) fn read(arguments: &ConversationArgs) -> Result<Self, Failure> {
        Ok(Self {
            tools: arguments
                .tools
                .as_deref()
                .map(tools_file)
                .transpose()?
                .unwrap_or_default(),
            template_variables_json: variables(&arguments.template_var)?,
            drop_oldest: arguments.drop_oldest,
            call_tools: arguments.call_tools,
        })
    }

    /// A request that has them, for an answer to these messages. What a tool gave back is not answered with another
    /// call unless the model wants it.
    pub(super) fn request(&self, messages: Vec<Message>) -> ChatRequest {
        let is_asked = messages.last().is_none_or(|last| last.role() != Role::Tool);
        let tool_choice = if self.call_tools && is_asked {
            ToolChoice::Required
        } else {
            ToolChoice::Unspecified
        };
        let overflow = if self.drop_oldest {
            ContextOverflow::DropOldestTurns
        } else {
            ContextOverflow::Unspecified
        };
        ChatRequest {
            messages,
            tool_choice: tool_choice.into(),
            tools: self.tools.clone(),
            template_variables_json: self.template_variables_json.clone(),
            context_overflow: overflow.into(),
            ..ChatRequest::default()
        }
    }
}

/// `NAME=VALUE`, the value as JSON or else as text; or an object of them.
fn variables(given: &[String]) -> Result<String, Failure> {
    let mut all = Map::new();
    for text in given {
        if text.trim_start().starts_with('{') {
            let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
                Failure::of_error(Exit::Usage, "--template-var is no JSON object", &error)
            })?;
            all.extend(object);
        } else {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Failure::new(Exit::Usage, format!("--template-var {text} has no value"))
                    .hint("write NAME=VALUE, such as enable_thinking=false")
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            all.insert(name.to_owned(), value);
        }
    }
    if all.is_empty() {
        return Ok(String::new());
    }
    Ok(Value::from(all).to_string())
}

fn tools_file(path: &Path) -> Result<Vec<Tool>, Failure> {
    let text =
        std::fs::read_to_string(path).doing(|| format!("can't read the tools in {}", path.display()))?;
    tools(&text).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} is no list of tools", path.display())).hint(
            "write [{\"name\": …, \"description\": …, \"parameters\": {…}}], the parameters as a JSON schema",
        )
    })
}

/// The tools of a JSON list: bare, or each as `{"type": "function", "function": {…}}`. Schemas are taken as they
/// are written, for the model reads their keys in order.
fn tools(text: &str) -> Option<Vec<Tool>> {
    let list: Vec<IgnoredAny> = serde_json::from_str(text).ok()?;
    let mut rest = text.trim_start().strip_prefix('[')?;
    let mut tools = Vec::with_capacity(list.len());
    for _ in list {
        let written;
        (written, rest) = first_value(rest.trim_start_matches([' ', '\t', '\r', '\n', ',']))?;
        tools.push(tool(written)?);
    }
    Some(tools)
}

fn tool(text: &str) -> Option<Tool> {
    let fields = fields(text)?;
    let field = |name: &str| {
        let mut named = fields.iter().filter(|(field, _)| field == name);
        named.next().map(|(_, written)| *written)
    };
    if let Some(function) = field("function") {
        return tool(function);
    }
    let text = |written: &str| serde_json::from_str::<String>(written).ok();
    Some(Tool {
        name: text(field("name")?)?,
        description: field("description").map_or(Some(String::new()), text)?,
        parameters_json_schema: field("parameters").unwrap_or_default().to_owned(),
    })
}

/// The fields of an object that is valid JSON, as they are written.
fn fields(text: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = text.trim_start().strip_prefix('{')?;
    let mut fields = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        if rest.starts_with('}') {
            return Some(fields);
        }
        let (name, value);
        (name, rest) = first_value(rest)?;
        (value, rest) = first_value(rest.trim_start_matches([' ', '\t', '\r', '\n', ':']))?;
        fields.push((serde_json::from_str(name).ok()?, value));
    }
}

/// The value that valid JSON begins with, and what follows.
fn first_value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, rest) = text.split_at_checked(values.byte_offset())?;
    Some((value.trim_end(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_json_or_text() {
        let json = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            variables(&given).unwrap()
        };
        assert_eq!(json(&[]), "");
        assert_eq!(json(&["enable_thinking=false"]), r#"{"enable_thinking":false}"#);
        assert_eq!(json(&["date=1 May"]), r#"{"date":"1 May"}"#);
        assert_eq!(json(&[r#"{"a": [1]}"#, "a=2"]), r#"{"a":2}"#);
        assert!(variables(&["novalue".to_owned()]).is_err());
        assert!(variables(&["{".to_owned()]).is_err());
    }

    #[test]
    fn a_call_is_wanted_for_what_is_asked_only() {
        let setting = Setting {
            call_tools: true,
            ..Setting::default()
        };
        let choice = |role: Role| {
            let message = Message {
                role: role.into(),
                ..Message::default()
            };
            setting.request(vec![message]).tool_choice()
        };
        assert_eq!(choice(Role::User), ToolChoice::Required);
        assert_eq!(choice(Role::Tool), ToolChoice::Unspecified);
    }

    #[test]
    fn tools_are_taken_as_they_are_written() {
        let found = tools(
            r#" [ {"name": "look", "description": "Lo\"oks", "parameters" : {"z": 1.50, "a": [ ] } },
                 {"type": "function", "function": {"name": "find"}} ] "#,
        )
        .unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].description, "Lo\"oks");
        assert_eq!(found[0].parameters_json_schema, r#"{"z": 1.50, "a": [ ] }"#);
        assert_eq!(
            (found[1].name.as_str(), found[1].parameters_json_schema.as_str()),
            ("find", "")
        );
        assert_eq!(tools("[]").unwrap(), []);
        for broken in ["", "{}", "[{}]", "[1]", "[{\"name\": 1}]", "[{\"name\": \"a\"}"] {
            assert_eq!(tools(broken), None, "{broken}");
        }
    }
}
