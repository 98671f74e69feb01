//! Calls that a model has to make are read as calls, whichever tokens it chooses of those that are allowed.

use std::sync::Arc;

use rbee_artifacts::gguf::GgufHeader;
use rbee_testkit::models::fixture;
use serde_json::Value;

use super::{Piece, Reader, Reading, WrittenCall};
use crate::constraint::{Accepted, ConstraintError, ConstraintState, ConstraintVocabulary, compile_calls};
use crate::domain::Tool;
use crate::sampling::Random;
use crate::text::{CallSpelling, ChatTemplate, Marks, Tokenizer};

/// Templates as published models write calls.
const HERMES: &str = r#"{% if tools %}{% endif %}{{ '<tool_call>\n{"name": "' }}"#;
const LLAMA: &str = r#"{% if tools %}{% endif %}{{ '{"name": "' + x + '", ' }}{{ '"parameters": ' }}"#;
const MISTRAL: &str = "{% if tools %}{% endif %}{{ '[TOOL_CALLS] [' }}";
const MISTRAL_NAMED: &str = "{% if tools %}{% endif %}{{ '[TOOL_CALLS]' + x + '[CALL_ID]' + id + '[ARGS]' }}";

fn tokenizer(name: &str) -> Tokenizer {
    let path = fixture(&format!("llm/tiny/{name}/{name}-q8_0.gguf"));
    let file = std::fs::File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    Tokenizer::from_gguf(&GgufHeader::read(file, size).unwrap()).unwrap()
}

fn marks(source: &str, tokenizer: &Tokenizer) -> Marks {
    let template = ChatTemplate::from_request(source, tokenizer).unwrap();
    Marks::of(&template, tokenizer)
}

fn tools() -> Vec<Tool> {
    let tool = |name: &str, schema: &str| Tool {
        name: name.into(),
        description: String::new(),
        parameters: schema.parse().unwrap(),
    };
    vec![
        tool(
            "weather",
            r##"{"properties": {"city": {"$ref": "#/$defs/city"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
                "required": ["city", "days"], "additionalProperties": false,
                "$defs": {"city": {"enum": ["Rome", "Oslo \"north\""]}}}"##,
        ),
        tool(
            "clock.utc",
            r#"{"type": ["object", "null"], "properties": {"long": {"type": "boolean"}}, "required": ["long"], "additionalProperties": false}"#,
        ),
        tool(
            "stop",
            r#"{"type": "object", "properties": {}, "additionalProperties": false}"#,
        ),
    ]
}

/// What a model writes that chooses evenly among what is allowed; none if it is not whole after many tokens.
fn written(mut state: ConstraintState, tokenizer: &Tokenizer, seed: u64) -> Option<String> {
    let mut random = Random::from_seed(seed);
    let mut bytes = Vec::new();
    for _ in 0..600 {
        let mask = state.mask().unwrap();
        let allowed: Vec<u32> = (0..tokenizer.vocab_size())
            .filter(|&token| mask.allows(token))
            .collect();
        let end = allowed
            .iter()
            .find(|&&token| tokenizer.is_end_of_generation(token));
        let token = end
            .copied()
            .filter(|_| random.next_f64() < 0.5)
            .unwrap_or_else(|| allowed[(random.next_f64() * allowed.len() as f64) as usize]);
        if tokenizer.is_end_of_generation(token) {
            return Some(String::from_utf8(bytes).unwrap());
        }
        bytes.extend_from_slice(tokenizer.token_bytes(token));
        if state.accept(token).unwrap() == Accepted::Complete {
            return Some(String::from_utf8(bytes).unwrap());
        }
    }
    None
}

fn read(text: &str, marks: Marks) -> Vec<Piece> {
    let names = tools().into_iter().map(|tool| tool.name).collect();
    let mut reader = Reader::new(Reading {
        reasoning: None,
        calls: marks.calls.map(|form| (form, names)),
    });
    let mut pieces = reader.push(text);
    pieces.extend(reader.finish());
    pieces
}

/// Whether the arguments are what the tool wants.
fn fits(call: &WrittenCall) -> bool {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
    let count = arguments.as_object().unwrap().len();
    match call.name.as_str() {
        "weather" => {
            count == 2
                && ["Rome", "Oslo \"north\""].contains(&arguments["city"].as_str().unwrap())
                && (1..=9).contains(&arguments["days"].as_i64().unwrap())
        }
        "clock.utc" => count == 1 && arguments["long"].is_boolean(),
        "stop" => count == 0,
        _ => false,
    }
}

#[test]
fn whatever_is_chosen_is_calls_that_fit() {
    for (model, template, spelling) in [
        ("qwen2", HERMES, CallSpelling::Tagged),
        ("qwen3", HERMES, CallSpelling::Tagged),
        ("gemma3", HERMES, CallSpelling::Tagged),
        ("llama", LLAMA, CallSpelling::Bare),
        ("mistral", MISTRAL, CallSpelling::List),
        ("llama", MISTRAL_NAMED, CallSpelling::Named { ids: true }),
    ] {
        let tokenizer = tokenizer(model);
        let marks = marks(template, &tokenizer);
        assert_eq!(marks.spelling, Some(spelling), "{model}");
        let vocabulary = Arc::new(ConstraintVocabulary::build(&tokenizer).unwrap());
        let (mut whole, mut several) = (0, 0);
        let mut named = std::collections::BTreeSet::new();
        for seed in 0..24 {
            let state = compile_calls(&tools(), spelling, &tokenizer, &vocabulary).unwrap();
            let Some(text) = written(state, &tokenizer, seed) else {
                continue;
            };
            let pieces = read(&text, marks);
            assert!(!pieces.is_empty(), "{model}: {text}");
            for piece in &pieces {
                let Piece::Call(call) = piece else {
                    panic!("{model}: {piece:?} of {text}")
                };
                assert!(fits(call), "{model}: {text}");
                named.insert(call.name.clone());
            }
            whole += 1;
            several += usize::from(pieces.len() > 1);
        }
        assert!(
            whole >= 16 && named.len() >= 2,
            "{model}: {whole} of 24 are whole: {named:?}"
        );
        assert_eq!(several > 0, spelling != CallSpelling::Bare, "{model}");
    }
}

#[test]
fn what_other_templates_write_is_not_forced_into_a_form() {
    let tokenizer = tokenizer("qwen2");
    for source in [
        "{% if tools %}{% endif %}<tool_call>\n<function={{ x }}>",
        "{% if tools %}{% endif %}<tool_call>{{ x }}\n<arg_key>",
    ] {
        assert_eq!(marks(source, &tokenizer).spelling, None, "{source}");
    }
    // A template that only reads tools: the vocabulary says how.
    let known = tokenizer.special_token("<tool_call>").is_some();
    let found = marks("{{ tools }}", &tokenizer).spelling;
    assert_eq!(found, known.then_some(CallSpelling::Tagged));
}

#[test]
fn a_schema_that_cannot_be_used_is_named() {
    let tokenizer = tokenizer("qwen2");
    let vocabulary = Arc::new(ConstraintVocabulary::build(&tokenizer).unwrap());
    for schema in [
        r#"{"type": "string"}"#,
        r#"{"type": ["null"]}"#,
        r#"{"properties": {"a": {"$ref": "https://example.org/x"}}, "required": ["a"]}"#,
        r#"{"properties": {"a": {"type": "string", "pattern": "("}}, "required": ["a"]}"#,
    ] {
        let mut tools = tools();
        tools[1].parameters = schema.parse().unwrap();
        let error = compile_calls(&tools, CallSpelling::Tagged, &tokenizer, &vocabulary).unwrap_err();
        let ConstraintError::Refused { field, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(field, "tools[1].parameters_json_schema", "{schema}: {error}");
    }
}
