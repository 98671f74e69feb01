//! Constraints on the vocabularies of the tiny models, with tokens drawn evenly from what is allowed: whatever a
//! model may prefer, the text fits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rbee_artifacts::gguf::GgufHeader;
use rbee_testkit::models::fixture;
use serde_json::Value;

use super::*;
use crate::domain::Constraint;
use crate::sampling::Random;
use crate::text::Tokenizer;

fn tokenizer(file: &str) -> Tokenizer {
    let file = std::fs::File::open(fixture(file)).unwrap();
    let size = file.metadata().unwrap().len();
    Tokenizer::from_gguf(&GgufHeader::read(file, size).unwrap()).unwrap()
}

fn tiny(name: &str) -> (Tokenizer, Arc<ConstraintVocabulary>) {
    let tokenizer = tokenizer(&format!("llm/tiny/{name}/{name}-q8_0.gguf"));
    let vocabulary = Arc::new(ConstraintVocabulary::build(&tokenizer).unwrap());
    (tokenizer, vocabulary)
}

/// Evenly one of the tokens that are allowed.
fn draw(mask: &Mask, tokenizer: &Tokenizer, random: &mut Random) -> u32 {
    let allowed: Vec<u32> = (0..tokenizer.vocab_size())
        .filter(|&token| mask.allows(token))
        .collect();
    assert_eq!(allowed.len(), mask.count());
    allowed[(random.next_f64() * allowed.len() as f64) as usize]
}

/// A text that a constraint allows; none if it is not whole after so many tokens.
fn text(state: &mut ConstraintState, tokenizer: &Tokenizer, seed: u64, most: usize) -> Option<String> {
    let mut random = Random::from_seed(seed);
    let mut bytes = Vec::new();
    for _ in 0..most {
        let token = draw(&state.mask().unwrap(), tokenizer, &mut random);
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

/// Texts of many seeds; all of them whole but a few that are still on their way.
fn texts(name: &str, constraint: &Constraint) -> Vec<String> {
    let (tokenizer, vocabulary) = tiny(name);
    let found: Vec<String> = (0..24)
        .filter_map(|seed| {
            let mut state = ConstraintState::compile(constraint, &vocabulary).unwrap();
            text(&mut state, &tokenizer, seed, 600)
        })
        .collect();
    assert!(found.len() >= 12, "{name}: {} of 24 are whole", found.len());
    found
}

const SCHEMA: &str = r##"{
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["cat", "dog", 7, null]},
        "age": {"type": "integer", "minimum": 3, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
        "child": {"$ref": "#/$defs/child"}
    },
    "required": ["name", "kind", "age", "tags", "child"],
    "additionalProperties": false,
    "$defs": {"child": {"type": "object", "properties": {"x": {"const": "y"}}, "required": ["x"], "additionalProperties": false}}
}"##;

#[test]
fn json_fits_its_schema() {
    for model in ["qwen2", "gemma3", "llama"] {
        for text in texts(model, &Constraint::JsonSchema(SCHEMA.to_owned())) {
            let value: Value = serde_json::from_str(&text).unwrap();
            let object = value.as_object().unwrap();
            assert_eq!(object.len(), 5, "{text}");
            assert!(object["name"].as_str().unwrap().chars().count() <= 12, "{text}");
            let kinds = ["\"cat\"", "\"dog\"", "7", "null"];
            assert!(kinds.contains(&object["kind"].to_string().as_str()), "{text}");
            assert!((3..=120).contains(&object["age"].as_i64().unwrap()), "{text}");
            let tags = object["tags"].as_array().unwrap();
            assert!(
                (1..=3).contains(&tags.len()) && tags.iter().all(Value::is_boolean),
                "{text}"
            );
            assert_eq!(object["child"].to_string(), r#"{"x":"y"}"#);
        }
    }
}

#[test]
fn a_json_object_is_one() {
    let (tokenizer, vocabulary) = tiny("qwen2");
    let mut whole = 0;
    for seed in 0..40 {
        let mut state = ConstraintState::compile(&Constraint::JsonObject, &vocabulary).unwrap();
        // Evenly drawn, most are still amid a long string.
        if let Some(text) = text(&mut state, &tokenizer, seed, 300) {
            assert!(
                serde_json::from_str::<Value>(&text).unwrap().is_object(),
                "{text}"
            );
            whole += 1;
        }
    }
    assert!(whole > 0);
}

#[test]
fn a_regular_expression_matches_from_start_to_end() {
    let expression = r"(\d{2}:\d{2}) [a-z]+é?(/| or )x{2,4}";
    let check = fancy_regex::Regex::new(&format!("^(?:{expression})$")).unwrap();
    for model in ["qwen2", "gemma3", "llama"] {
        for text in texts(model, &Constraint::Regex(expression.to_owned())) {
            assert!(check.is_match(&text).unwrap(), "{text:?}");
        }
    }
}

#[test]
fn a_grammar_derives_the_text() {
    let grammar = r#"
        start: sum
        sum: product (("+" | "-") product)*
        product: NUMBER | "(" sum ")"
        NUMBER: /[0-9]{1,3}/
    "#;
    for text in texts("qwen2", &Constraint::Lark(grammar.to_owned())) {
        let mut depth = 0;
        for (place, character) in text.chars().enumerate() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                '+' | '-' => assert!(place > 0, "{text}"),
                _ => assert!(character.is_ascii_digit(), "{text}"),
            }
            assert!(depth >= 0, "{text}");
        }
        assert_eq!(depth, 0, "{text}");
        assert!(
            text.ends_with(|last: char| last.is_ascii_digit() || last == ')'),
            "{text}"
        );
    }
}

#[test]
fn the_end_is_allowed_where_the_text_is_whole_and_forced_where_nothing_can_follow() {
    let (tokenizer, vocabulary) = tiny("qwen2");
    let end = tokenizer.end_of_generation()[0];
    let token = |text: &str| tokenizer.encode(text, false, false)[0];
    let mut state = ConstraintState::compile(&Constraint::Regex("ab?".into()), &vocabulary).unwrap();
    assert!(!state.mask().unwrap().allows(end), "nothing was written");
    assert_eq!(state.accept(token("a")).unwrap(), Accepted::GoesOn);
    let mask = state.mask().unwrap();
    assert!(mask.allows(end) && mask.allows(token("b")) && mask.count() >= 2);
    assert_eq!(state.accept(token("b")).unwrap(), Accepted::Complete);

    let mut logits = vec![1.0; tokenizer.vocab_size() as usize + 3];
    mask.apply(&mut logits);
    let left = logits.iter().filter(|logit| logit.is_finite()).count();
    assert_eq!(
        left,
        mask.count(),
        "what the tokenizer does not have is ruled out, too"
    );
}

#[test]
fn a_token_that_is_not_allowed_is_an_error_and_no_panic() {
    let (tokenizer, vocabulary) = tiny("qwen2");
    for token in [tokenizer.encode("b", false, false)[0], u32::MAX] {
        let mut state = ConstraintState::compile(&Constraint::Regex("a".into()), &vocabulary).unwrap();
        assert!(matches!(
            state.accept(token),
            Err(ConstraintError::Refused { field, .. }) if field == "constraint.regex"
        ));
        state.mask().unwrap_err();
    }
}

#[test]
fn what_comes_before_is_free_until_it_is_closed() {
    let (tokenizer, vocabulary) = tiny("qwen2");
    let end = tokenizer.end_of_generation()[0];
    let write = |state: &mut ConstraintState, text: &str| {
        for token in tokenizer.encode(text, false, false) {
            assert!(state.mask().unwrap().allows(token), "{text}");
            state.accept(token).unwrap();
        }
    };
    let compile = |opens: Option<&str>| {
        let gate = Gate {
            opens: opens.map(|opens| opens.as_bytes().to_vec()),
            closes: b"</t>".to_vec(),
        };
        let state = ConstraintState::compile(&Constraint::Regex("[0-9]+".into()), &vocabulary);
        state.unwrap().behind(gate)
    };
    let letter = tokenizer.encode("q", false, false)[0];
    let digit = tokenizer.encode("7", false, false)[0];

    // The prompt opened it.
    let mut state = compile(None);
    assert!(!state.mask().unwrap().allows(end), "the answer is not there yet");
    write(&mut state, "so: x</t");
    assert!(state.mask().unwrap().allows(letter));
    write(&mut state, ">");
    let mask = state.mask().unwrap();
    assert!(!mask.allows(letter) && mask.allows(digit) && !mask.allows(end));

    // The model may open it.
    let mut state = compile(Some("<t>"));
    let mask = state.mask().unwrap();
    assert!(mask.allows(digit) && !mask.allows(letter));
    write(&mut state, "<t>");
    assert!(state.mask().unwrap().allows(letter));
    write(&mut state, "q</t>42");
    assert!(state.mask().unwrap().allows(end));

    // Or not.
    let mut state = compile(Some("<t>"));
    write(&mut state, "4");
    let mask = state.mask().unwrap();
    assert!(mask.allows(digit) && mask.allows(end) && !mask.allows(letter));
}

#[test]
fn a_vocabulary_that_cannot_write_everything_is_told_apart() {
    let error = ConstraintVocabulary::build(&tokenizer("llm/ok/plain.gguf")).unwrap_err();
    assert!(matches!(&error, ConstraintError::Unsupported(_)), "{error}");
    assert!(
        error.to_string().contains("no token for the character"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_field() {
    let (_, vocabulary) = tiny("qwen2");
    for (constraint, words) in [
        (Constraint::JsonSchema("{".into()), "no JSON"),
        (Constraint::JsonSchema(r#"{"type": 7}"#.into()), "type"),
        (
            Constraint::JsonSchema(r#"{"$ref": "https://example.org/x"}"#.into()),
            "",
        ),
        (Constraint::JsonSchema("false".into()), ""),
        (Constraint::Regex("(".into()), "unclosed"),
        (Constraint::Regex(r"(a)\1".into()), ""),
        (Constraint::Regex("(?=a)b".into()), ""),
        (Constraint::Lark("begin: \"x\"".into()), "start"),
        (Constraint::Lark("start: nothing".into()), "nothing"),
        (Constraint::Lark("start: start".into()), ""),
        (Constraint::Lark("start: <no_such_token>".into()), ""),
    ] {
        let error = ConstraintState::compile(&constraint, &vocabulary).unwrap_err();
        let ConstraintError::Refused { field, problem } = &error else {
            panic!("{constraint:?}: {error}")
        };
        assert_eq!(field, constraint.field());
        assert!(problem.contains(words), "{words}: {problem}");
        assert!(
            problem.len() < 1000 && !problem.contains("<backtrace>"),
            "{problem}"
        );
    }
}

/// Memory that the process holds, in kilobytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

#[test]
fn hostile_grammars_cost_little() {
    let (tokenizer, vocabulary) = tiny("qwen2");
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let chain: String = (0..4000).map(|n| format!("r{n}: r{}\n", n + 1)).collect();
    let doubling: String = (0..40).map(|n| format!("r{n}: r{m} r{m}\n", m = n + 1)).collect();
    let doubled: String = (0..30).map(|n| format!("A{n}: A{m} A{m}\n", m = n + 1)).collect();
    let references: Vec<String> = (0..40)
        .map(|n| {
            let next = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, n + 1);
            format!(r#""d{n}": {{"allOf": [{next}, {next}]}}"#)
        })
        .collect();
    let alternatives: Vec<String> = (0..1500).map(|n| format!(r#"{{"const": "{n}"}}"#)).collect();
    let properties: Vec<String> = (0..1500)
        .map(|n| format!(r#""p{n}": {{"type": "string"}}"#))
        .collect();
    let hostile = [
        Constraint::Regex("(a{1000}){1000}".into()),
        Constraint::Regex("((a{100}){100}){100}".into()),
        Constraint::Regex("(a|b)*a(a|b){2000}".into()),
        Constraint::Regex("(.*a){50}.*(b.*){50}".into()),
        Constraint::Regex(r"(\w+\s?){500}x".into()),
        Constraint::Regex(r"\p{L}{1,5000}[^\p{N}]{1,5000}".into()),
        Constraint::Regex(nested("(", "a", ")", 8000)),
        Constraint::Regex(nested("(?:", "a", ")*", 3000)),
        Constraint::Regex("a?".repeat(4000) + &"a".repeat(4000)),
        Constraint::JsonSchema(nested("[", "", "]", 30_000)),
        Constraint::JsonSchema(nested(r#"{"items":"#, "{}", "}", 6000)),
        Constraint::JsonSchema(r##"{"$ref": "#"}"##.into()),
        Constraint::JsonSchema(r##"{"allOf": [{"$ref": "#"}, {"$ref": "#"}]}"##.into()),
        Constraint::JsonSchema(format!(
            r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d40": {{"type": "string"}}}}}}"##,
            references.join(",")
        )),
        Constraint::JsonSchema(r#"{"type":"array","minItems":1000000,"maxItems":4000000000}"#.into()),
        Constraint::JsonSchema(r#"{"type":"string","minLength":1000000,"maxLength":4000000000}"#.into()),
        Constraint::JsonSchema(r#"{"type":"string","pattern":"^(a{1000}){1000}$"}"#.into()),
        Constraint::JsonSchema(format!(r#"{{"anyOf": [{}]}}"#, alternatives.join(","))),
        Constraint::JsonSchema(format!(r#"{{"properties": {{{}}}}}"#, properties.join(","))),
        Constraint::JsonSchema(r#"{"multipleOf": 1e-300, "type": "number"}"#.into()),
        Constraint::Lark(format!("start: r0\n{chain}r4000: \"x\"\n")),
        Constraint::Lark(format!("start: r0\n{doubling}r40: \"x\"\n")),
        Constraint::Lark(format!("start: A0\n{doubled}A30: \"x\"\n")),
        Constraint::Lark("start: start start | start start start | \"a\" | \"\"".into()),
        Constraint::Lark(format!("start: {}", nested("(", "\"a\"", ")", 20_000))),
        Constraint::Lark(format!("start: {}\"a\"", "~".repeat(60_000))),
        Constraint::Lark("start: \"a\"{1000000}".into()),
        Constraint::Lark("start: (\"a\"{1000}){1000}".into()),
        Constraint::Lark("start: s{300} \nt: \"a\"{1,300}\ns: t{1,300}".into()),
    ];
    let before = resident();
    for constraint in hostile {
        let began = Instant::now();
        let state = ConstraintState::compile(&constraint, &vocabulary);
        let compiled = began.elapsed();
        let told = state.as_ref().err().map(ToString::to_string);
        let mut slowest = Duration::ZERO;
        if let Ok(mut state) = state {
            let mut random = Random::from_seed(5);
            for _ in 0..60 {
                let began = Instant::now();
                let Ok(mask) = state.mask() else { break };
                slowest = slowest.max(began.elapsed());
                let token = draw(&mask, &tokenizer, &mut random);
                if tokenizer.is_end_of_generation(token)
                    || !matches!(state.accept(token), Ok(Accepted::GoesOn))
                {
                    break;
                }
            }
        }
        let name: String = match &constraint {
            Constraint::JsonObject => String::new(),
            Constraint::JsonSchema(text)
            | Constraint::Regex(text)
            | Constraint::Lark(text)
            | Constraint::Calls(text) => text.chars().take(50).collect(),
        };
        println!("{compiled:?} to compile, {slowest:?} a mask: {name:?}: {told:?}");
        // Wide, since tests run on busy machines.
        assert!(compiled < Duration::from_secs(3), "{name} took {compiled:?}");
        assert!(
            slowest < Duration::from_secs(2),
            "{name} took {slowest:?} for a mask"
        );
    }
    let grown = resident().saturating_sub(before) / 1024;
    println!("{grown} MiB more are held than before");
    assert!(grown < 256, "{grown} MiB");
}

/// What the vocabulary of a real model takes; the figures in `docs/requests.md` are from here.
#[test]
fn real_model_vocabularies_take_little() {
    use rbee_testkit::models::{GEMMA, QWEN, path};
    for model in [QWEN, GEMMA] {
        let path = path(model);
        let file = std::fs::File::open(&path).unwrap();
        let size = file.metadata().unwrap().len();
        let tokenizer = Tokenizer::from_gguf(&GgufHeader::read(file, size).unwrap()).unwrap();
        let (before, began) = (resident(), Instant::now());
        let vocabulary = Arc::new(ConstraintVocabulary::build(&tokenizer).unwrap());
        println!(
            "{model}: {:?} and {} MiB for {} tokens",
            began.elapsed(),
            resident().saturating_sub(before) / 1024,
            tokenizer.vocab_size()
        );
        let began = Instant::now();
        let mut state =
            ConstraintState::compile(&Constraint::JsonSchema(SCHEMA.to_owned()), &vocabulary).unwrap();
        println!("{model}: {:?} to compile the schema", began.elapsed());
        let mut random = Random::from_seed(1);
        let mut masks = Vec::new();
        loop {
            let began = Instant::now();
            let mask = state.mask().unwrap();
            masks.push(began.elapsed());
            let token = draw(&mask, &tokenizer, &mut random);
            if state.accept(token).unwrap() == Accepted::Complete || masks.len() == 200 {
                break;
            }
        }
        masks.sort_unstable();
        println!(
            "{model}: masks of {} steps take {:?} at most, {:?} in the middle",
            masks.len(),
            masks[masks.len() - 1],
            masks[masks.len() / 2]
        );
    }
}
