use proptest::prelude::*;

use super::*;

const THINK: ReasoningMarks = ReasoningMarks {
    open: "<think>",
    close: "</think>",
};

fn reading(form: Option<CallForm>, reasoning: Option<bool>) -> Reading {
    Reading {
        reasoning: reasoning.map(|opened| (THINK, opened)),
        calls: form.map(|form| (form, vec!["look".to_owned(), "find".to_owned()])),
    }
}

/// All pieces of an answer that comes in these deltas; texts that follow each other joined.
fn read(reading: &Reading, deltas: &[&str]) -> Vec<Piece> {
    let mut reader = Reader::new(reading.clone());
    let mut all = Vec::new();
    for delta in deltas {
        for piece in reader.push(delta) {
            add(&mut all, piece);
        }
    }
    for piece in reader.finish() {
        add(&mut all, piece);
    }
    all
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn thought(text: &str) -> Piece {
    Piece::Reasoning(text.to_owned())
}

fn call(name: &str, arguments: &str) -> Piece {
    Piece::Call(WrittenCall {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        id: None,
    })
}

#[test]
fn reasoning_comes_before_the_answer() {
    let closed = reading(None, Some(false));
    assert_eq!(
        read(&closed, &["<think>\nHm.\n\nSo\n</think>\n\nYes.\n"]),
        [thought("Hm.\n\nSo"), text("Yes.\n")]
    );
    assert_eq!(
        read(&closed, &["\n<thi", "nk>a</th", "ink>b"]),
        [thought("a"), text("b")]
    );
    assert_eq!(
        read(&closed, &["<think>\n\n</think>\n\nYes"]),
        [text("Yes")],
        "nothing was thought"
    );
    assert_eq!(read(&closed, &["<think>cut off <"]), [thought("cut off <")]);
    for plain in ["Yes <think>no</think>", " <thin", "\n", "</think>x", "<<think>x"] {
        assert_eq!(read(&closed, &[plain]), [text(plain)]);
    }
    let opened = reading(None, Some(true));
    assert_eq!(
        read(&opened, &["\nHm.\n</think>\n\nYes."]),
        [thought("Hm."), text("Yes.")]
    );
    assert_eq!(read(&opened, &["Hm."]), [thought("Hm.")]);
}

#[test]
fn tagged_calls_are_read() {
    let tagged = reading(Some(CallForm::Tagged), Some(false));
    let answer = "<think>x</think>Let me look.\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": \"</tool_call>\"}}\n</tool_call>\n\
                  <tool_call>{\"name\": \"other\"}</tool_call>\n";
    assert_eq!(
        read(&tagged, &[answer]),
        [
            thought("x"),
            text("Let me look."),
            call("look", "{\"at\": \"</tool_call>\"}"),
            call("other", "{}")
        ]
    );
    // Without the end of its mark, and with text after it.
    assert_eq!(
        read(&tagged, &["<tool_call>{\"name\": \"look\", \"arguments\": {}}"]),
        [call("look", "{}")]
    );
    assert_eq!(
        read(&tagged, &["<tool_call>{\"name\": \"look\"}</tool_call>\n\nDone"]),
        [call("look", "{}"), text("\n\nDone")]
    );
}

#[test]
fn what_is_no_tagged_call_is_text() {
    let tagged = reading(Some(CallForm::Tagged), None);
    for malformed in [
        "a <tool_call>",
        "<tool_call>\n<function=look>\n</function>\n</tool_call>",
        "<tool_call>{\"name\": \"look\", \"arguments\": {\"a\": 1}</tool_call> and",
        "<tool_call>{\"name\": \"look\", \"arguments\": [1]}</tool_call>",
        "<tool_call>{\"name\": \"a b\"}</tool_call>",
        "<tool_call>{\"name\": \"look\", \"argu",
        "<tool_call>{\"name\": \"look\"}}\n</tool_call>",
        "1 < 2 <tool_cal and <tool",
        "{\"name\": \"look\", \"parameters\": {}}",
    ] {
        assert_eq!(read(&tagged, &[malformed]), [text(malformed)]);
    }
    // It does not take what follows with it.
    assert_eq!(
        read(
            &tagged,
            &["<tool_call>oh <tool_call>{\"name\": \"look\"}</tool_call>"]
        ),
        [text("<tool_call>oh"), call("look", "{}")]
    );
}

#[test]
fn bare_calls_are_whole_answers() {
    let bare = reading(Some(CallForm::Bare), None);
    let one = "{\"name\": \"look\", \"parameters\": {\"at\": 1.0}}";
    assert_eq!(read(&bare, &[one]), [call("look", "{\"at\": 1.0}")]);
    assert_eq!(
        read(
            &bare,
            &["\n", one, "; ", "{\"type\": \"function\", \"name\": \"find\"}\n"]
        ),
        [call("look", "{\"at\": 1.0}"), call("find", "{}")]
    );
    assert_eq!(
        read(
            &bare,
            &["<|python_tag|>", "{\"name\": \"unknown\", \"parameters\": {}}"]
        ),
        [call("unknown", "{}")]
    );
    for other in [
        "{\"name\": \"Ada\", \"parameters\": {}}",
        "{\"name\": \"look\", \"parameters\": {}} is what I would call",
        "{\"city\": \"Rome\"}",
        "see {\"name\": \"look\", \"parameters\": {}}",
        "<|python_tag|>search.call(query=\"x\")",
        "{",
        "{\"name\": \"look\"",
    ] {
        assert_eq!(read(&bare, &[other]), [text(other)]);
    }
    // Other JSON does not wait for its end.
    let mut reader = Reader::new(bare);
    assert_eq!(reader.push("{\"city\": 1"), [text("{\"city\": 1")]);
}

#[test]
fn listed_calls_are_read_in_both_styles() {
    let listed = reading(Some(CallForm::Listed), None);
    assert_eq!(
        read(
            &listed,
            &[
                "[TOOL_CALLS] [{\"name\": \"look\", \"arguments\": {}, \"id\": \"abcdefghi\"}, {\"name\": \"find\", \"arguments\": {\"a\":1}}]"
            ]
        ),
        [
            Piece::Call(WrittenCall {
                name: "look".into(),
                arguments: "{}".into(),
                id: Some("abcdefghi".into())
            }),
            call("find", "{\"a\":1}")
        ]
    );
    assert_eq!(
        read(
            &listed,
            &["Wait.[TOOL_CALLS]look[ARGS]{\"a\": 1}[TOOL_CALLS]find[CALL_ID]x1[ARGS]{}"]
        ),
        [
            text("Wait."),
            call("look", "{\"a\": 1}"),
            Piece::Call(WrittenCall {
                name: "find".into(),
                arguments: "{}".into(),
                id: Some("x1".into())
            })
        ]
    );
    assert_eq!(
        read(&listed, &["[TOOL_CALLS]look{\"a\": 1}"]),
        [call("look", "{\"a\": 1}")]
    );
    for malformed in [
        "[TOOL_CALLS]",
        "[TOOL_CALLS] [{\"name\": 1}]",
        "[TOOL_CALLS] []",
        "[TOOL_CALLS]look[ARGS][]",
        "[TOOL_CALLS]look[NO]{}",
        "[TOOL_CALLS] [{\"name\": \"look\"",
        "[TOOL",
    ] {
        assert_eq!(read(&listed, &[malformed]), [text(malformed)]);
    }
}

#[test]
fn nothing_is_read_where_nothing_is_to_be() {
    let answer = "<think>x</think><tool_call>{\"name\": \"look\"}</tool_call>";
    assert_eq!(read(&Reading::default(), &[answer]), [text(answer)]);
}

/// Texts out of which answers are put together, sensible or not.
const PARTS: &[&str] = &[
    "<think>",
    "</think>",
    "\n",
    " ",
    "Hello ",
    "é👍",
    "<tool_call>",
    "</tool_call>",
    "{\"name\": \"look\", ",
    "\"arguments\": {\"a\": \"\\\"}\"}}",
    "\"parameters\": {}}",
    "{\"name\": \"find\"}",
    "[TOOL_CALLS]",
    "[ARGS]",
    "look",
    "[{\"name\": \"look\"}]",
    "<|python_tag|>",
    ";",
    "[",
    "<",
    "{",
    "}",
    "]",
    "\"",
];

fn any_reading() -> impl Strategy<Value = Reading> {
    let forms = prop::sample::select(vec![
        None,
        Some(CallForm::Tagged),
        Some(CallForm::Bare),
        Some(CallForm::Listed),
    ]);
    (forms, prop::sample::select(vec![None, Some(false), Some(true)]))
        .prop_map(|(form, reasoning)| reading(form, reasoning))
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_text_is_cut(
        reading in any_reading(),
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..14),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let answer = parts.concat();
        let mut places: Vec<usize> = cuts
            .iter()
            .map(|cut| answer.floor_char_boundary(cut.index(answer.len() + 1)))
            .collect();
        places.sort_unstable();
        let mut deltas = Vec::new();
        let mut start = 0;
        for place in places {
            deltas.push(&answer[start..place]);
            start = place;
        }
        deltas.push(&answer[start..]);
        prop_assert_eq!(read(&reading, &deltas), read(&reading, &[&answer]));
        let characters: Vec<String> = answer.chars().map(String::from).collect();
        let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
        prop_assert_eq!(read(&reading, &characters), read(&reading, &[&answer]));
    }

    #[test]
    fn without_marks_text_passes_as_it_is(
        reading in any_reading(),
        answer in "[^<\\[{]{0,40}",
        rest in "\\PC{0,40}",
    ) {
        let opened = matches!(reading.reasoning, Some((_, true)));
        prop_assume!(!opened);
        let rest: String = rest.chars().filter(|character| !"<[{".contains(*character)).collect();
        let answer = format!("{answer}{rest}");
        let expected: Vec<Piece> = (!answer.is_empty()).then(|| text(&answer)).into_iter().collect();
        prop_assert_eq!(read(&reading, &[&answer]), expected);
    }

    #[test]
    fn without_calls_and_reasoning_not_a_byte_is_lost(
        form in prop::sample::select(vec![CallForm::Tagged, CallForm::Bare, CallForm::Listed]),
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..14),
    ) {
        let answer = parts.concat();
        let pieces = read(&reading(Some(form), None), &[&answer]);
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            let expected: Vec<Piece> = (!answer.is_empty()).then(|| text(&answer)).into_iter().collect();
            prop_assert_eq!(pieces, expected);
        }
    }
}
