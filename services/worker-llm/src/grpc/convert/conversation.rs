//! Conversations as requests bring them.

use rbee_proto::worker::v1 as proto;

use crate::domain::conversation::{MAX_TEXT_BYTES, MAX_VARIABLES_BYTES};
use crate::domain::tool::MAX_TOOLS_BYTES;
use crate::domain::{
    Chat, ContextOverflow, Conversation, Message, Role, Tool, ToolCall, ToolChoice, Violations,
};
use crate::text::Json;

/// Most values in all JSON of a request together: one takes some hundred bytes, however short it is
/// written.
const MAX_JSON_VALUES: usize = 200_000;

/// Reads the parts of a request that say what is answered, and how the answer is read.
pub(super) fn chat(request: &mut proto::ChatRequest, violations: &mut Violations) -> Chat {
    let mut jsons = Jsons::default();
    let tool_choice = match request.tool_choice() {
        proto::ToolChoice::Unspecified | proto::ToolChoice::Auto => ToolChoice::Auto,
        proto::ToolChoice::None => ToolChoice::None,
        proto::ToolChoice::Required => ToolChoice::Required,
    };
    known::<proto::ToolChoice>(request.tool_choice, "tool_choice", violations);
    let overflow = match request.context_overflow() {
        proto::ContextOverflow::Unspecified | proto::ContextOverflow::Refuse => ContextOverflow::Refuse,
        proto::ContextOverflow::DropOldestTurns => ContextOverflow::DropOldestTurns,
    };
    known::<proto::ContextOverflow>(request.context_overflow, "context_overflow", violations);
    let mut chat = Chat {
        conversation: conversation(
            std::mem::take(&mut request.messages),
            std::mem::take(&mut request.chat_template),
            &std::mem::take(&mut request.template_variables_json),
            std::mem::take(&mut request.tools),
            &mut jsons,
            violations,
        ),
        tool_choice,
        overflow,
        raw: request.raw,
    };
    chat.check(violations);
    if chat.tool_choice == ToolChoice::None {
        chat.conversation.tools.clear();
    }
    chat
}

/// Reads a request to count.
pub(super) fn counted(request: proto::CountTokensRequest, violations: &mut Violations) -> Conversation {
    let conversation = conversation(
        request.messages,
        request.chat_template,
        &request.template_variables_json,
        request.tools,
        &mut Jsons::default(),
        violations,
    );
    conversation.check_all(violations);
    conversation
}

fn known<E: TryFrom<i32>>(number: i32, field: &str, violations: &mut Violations) {
    violations.require(
        E::try_from(number).is_ok(),
        field,
        "must be a value that this worker knows",
    );
}

fn conversation(
    messages: Vec<proto::Message>,
    template: String,
    variables: &str,
    tools: Vec<proto::Tool>,
    jsons: &mut Jsons,
    violations: &mut Violations,
) -> Conversation {
    let said: usize = tools
        .iter()
        .map(|tool| tool.description.len() + tool.parameters_json_schema.len())
        .sum();
    violations.require(
        said <= MAX_TOOLS_BYTES,
        "tools",
        format!("must hold at most {MAX_TOOLS_BYTES} bytes"),
    );
    let called: usize = messages
        .iter()
        .flat_map(|message| &message.tool_calls)
        .map(|call| call.arguments_json.len())
        .sum();
    violations.require(
        called <= MAX_TEXT_BYTES,
        "messages",
        format!("must hold at most {MAX_TEXT_BYTES} bytes of arguments"),
    );
    let mut conversation = Conversation {
        messages: messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| self::message(index, message, jsons, violations))
            .collect(),
        template: Some(template).filter(|template| !template.is_empty()),
        ..Conversation::default()
    };
    if !variables.is_empty() {
        let field = "template_variables_json";
        if variables.len() > MAX_VARIABLES_BYTES {
            violations.add(field, format!("must be at most {MAX_VARIABLES_BYTES} bytes"));
        } else {
            let object = jsons.object(variables, field, violations);
            conversation.variables = object.fields().unwrap_or_default();
        }
    }
    conversation.tools = tools
        .into_iter()
        .enumerate()
        .map(|(index, tool)| self::tool(index, tool, jsons, violations))
        .collect();
    conversation
}

fn tool(index: usize, tool: proto::Tool, jsons: &mut Jsons, violations: &mut Violations) -> Tool {
    let field = format!("tools[{index}].parameters_json_schema");
    let parameters = if tool.parameters_json_schema.is_empty() {
        Json::object([
            ("type", "object".into()),
            ("properties", Json::object::<&str>([])),
        ])
    } else {
        jsons.object(&tool.parameters_json_schema, &field, violations)
    };
    Tool {
        name: tool.name,
        description: tool.description,
        parameters,
    }
}

fn message(index: usize, message: proto::Message, jsons: &mut Jsons, violations: &mut Violations) -> Message {
    let role = match message.role() {
        proto::Role::System => Role::System,
        proto::Role::User => Role::User,
        proto::Role::Assistant => Role::Assistant,
        proto::Role::Tool => Role::Tool,
        proto::Role::Unspecified => {
            violations.add(
                format!("messages[{index}].role"),
                "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL",
            );
            // Whatever else it says is not held against a role that it may have.
            return Message::new(Role::User, String::new());
        }
    };
    let mut text = String::new();
    for (part_index, part) in message.content.into_iter().enumerate() {
        match part.part {
            Some(proto::content_part::Part::Text(part)) if text.is_empty() => text = part,
            Some(proto::content_part::Part::Text(part)) => text.push_str(&part),
            None => violations.add(
                format!("messages[{index}].content[{part_index}]"),
                "must hold a part that this worker knows",
            ),
        }
    }
    let tool_calls = message.tool_calls.into_iter().enumerate().map(|(place, call)| {
        let field = format!("messages[{index}].tool_calls[{place}].arguments_json");
        ToolCall {
            arguments: jsons.object(&call.arguments_json, &field, violations),
            id: call.id,
            name: call.name,
        }
    });
    Message {
        role,
        text,
        tool_calls: tool_calls.collect(),
        reasoning: message.reasoning,
        tool_call_id: message.tool_call_id,
        tool_name: message.tool_name,
    }
}

/// Reads the JSON of a request, within a budget for all of it.
#[derive(Default)]
struct Jsons {
    values: usize,
}

impl Jsons {
    /// The object that a text is; an empty one if it is none, which is noted.
    fn object(&mut self, text: &str, field: &str, violations: &mut Violations) -> Json {
        // Each value but the first of an object or list has a comma before it.
        let more = |byte: &u8| matches!(byte, b',' | b'[' | b'{');
        self.values += text.as_bytes().iter().filter(|byte| more(byte)).count();
        let object = if self.values > MAX_JSON_VALUES {
            violations.add(
                field,
                format!("must not bring the values in all JSON of the request above {MAX_JSON_VALUES}"),
            );
            None
        } else {
            let object = text.parse::<Json>().ok().filter(Json::is_object);
            violations.require(object.is_some(), field, "must be a JSON object");
            object
        };
        object.unwrap_or_else(|| Json::object::<&str>([]))
    }
}
