//! Answers that must call tools: a grammar of the calls that a request's tools allow, as the model spells them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::error::ConstraintError;
use super::state::{ConstraintState, with_layout};
use super::vocabulary::ConstraintVocabulary;
use crate::domain::tool::MAX_TOOL_CALLS;
use crate::domain::{Constraint, Tool};
use crate::text::{CallSpelling, TokenKind, Tokenizer};

/// Line breaks that models write before and between calls.
const SPACE: &str = r"/[ \n\r\t]{1,8}/";
/// How long it is looked for the tool at fault.
const BLAME_FOR: Duration = Duration::from_secs(1);

/// Compiles the constraint that an answer is one call or several of these tools, with arguments that fit their
/// schemas.
///
/// # Errors
/// [`ConstraintError::Refused`] with the field of the schema that can't be used, or `tools`.
pub fn compile_calls(
    tools: &[Tool],
    spelling: CallSpelling,
    tokenizer: &Tokenizer,
    vocabulary: &Arc<ConstraintVocabulary>,
) -> Result<ConstraintState, ConstraintError> {
    let began = Instant::now();
    let compile = |tools: &[Tool]| {
        let grammar = grammar(tools, spelling, tokenizer)?;
        ConstraintState::compile(&Constraint::Calls(grammar), vocabulary)
    };
    compile(tools).map_err(|error| {
        let ConstraintError::Refused { problem, .. } = error else {
            return error;
        };
        // The library does not say which it was.
        for (index, tool) in tools.iter().enumerate() {
            if began.elapsed() > BLAME_FOR {
                break;
            }
            if let Err(ConstraintError::Refused { problem, .. }) = compile(std::slice::from_ref(tool)) {
                return ConstraintError::Refused {
                    field: format!("tools[{index}].parameters_json_schema").into(),
                    problem,
                };
            }
        }
        ConstraintError::Refused {
            field: "tools".into(),
            problem,
        }
    })
}

/// The grammar, in the library's Lark form.
fn grammar(tools: &[Tool], spelling: CallSpelling, tokenizer: &Tokenizer) -> Result<String, ConstraintError> {
    let mark = |name: &str| mark(name, tokenizer);
    let more = MAX_TOOL_CALLS - 1;
    let (start, call) = match spelling {
        CallSpelling::Tagged => (
            format!("SPACE? call (SPACE? call){{0,{more}}}"),
            format!(
                "{} SPACE? object SPACE? {}",
                mark("<tool_call>"),
                mark("</tool_call>")
            ),
        ),
        CallSpelling::Bare => ("SPACE? call".to_owned(), "object".to_owned()),
        CallSpelling::List => (
            format!(
                "SPACE? {} SPACE? \"[\" call (\",\" SPACE? call){{0,{more}}} \"]\"",
                mark("[TOOL_CALLS]")
            ),
            "object".to_owned(),
        ),
        CallSpelling::Named { .. } => (
            format!("SPACE? call (SPACE? call){{0,{more}}}"),
            format!("{} object", mark("[TOOL_CALLS]")),
        ),
    };
    let mut lark = format!("start: {start}\ncall: {call}\nSPACE: {SPACE}\n");
    let names: Vec<String> = (0..tools.len()).map(|index| format!("tool_{index}")).collect();
    let _ = writeln!(lark, "object: {}", names.join(" | "));
    for (index, tool) in tools.iter().enumerate() {
        let name = &tool.name;
        let object = |arguments: &str| {
            let opening = quoted(&format!("{{\"name\": \"{name}\", \"{arguments}\": "));
            format!("{opening} arguments_{index} \"}}\"")
        };
        let written = match spelling {
            CallSpelling::Tagged | CallSpelling::List => object("arguments"),
            CallSpelling::Bare => object("parameters"),
            CallSpelling::Named { ids } => {
                let id = if ids {
                    format!("({} /[a-zA-Z0-9]{{9}}/)? ", mark("[CALL_ID]"))
                } else {
                    String::new()
                };
                format!("{} {id}{} arguments_{index}", quoted(name), mark("[ARGS]"))
            }
        };
        let schema = schema(tool).ok_or_else(|| ConstraintError::Refused {
            field: format!("tools[{index}].parameters_json_schema").into(),
            problem: "must allow an object, since arguments are one".to_owned(),
        })?;
        let _ = writeln!(lark, "tool_{index}: {written}\narguments_{index}: %json {schema}");
    }
    Ok(lark)
}

/// A mark of the form: the control token, or else the characters.
fn mark(name: &str, tokenizer: &Tokenizer) -> String {
    tokenizer
        .special_token(name)
        .filter(|&token| tokenizer.token_kind(token).is_some_and(TokenKind::is_control))
        .map_or_else(|| quoted(name), |token| format!("<[{token}]>"))
}

/// A text as the grammar has it: as JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The schema of a tool's arguments, for which only objects count; none if no object fits.
fn schema(tool: &Tool) -> Option<Value> {
    let mut schema: Value = serde_json::to_value(&tool.parameters).ok()?;
    let fields = schema.as_object_mut()?;
    let is_object = match fields.get("type") {
        None => true,
        Some(Value::Array(types)) => types.contains(&json!("object")),
        Some(named) => named == "object",
    };
    fields.insert("type".to_owned(), json!("object"));
    is_object.then(|| with_layout(schema))
}
