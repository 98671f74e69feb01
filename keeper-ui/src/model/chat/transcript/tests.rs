//! Branches of a transcript.

use proptest::prelude::*;

use super::*;

fn said(transcript: &Transcript) -> Vec<String> {
    let words = |id: &MessageId| match &transcript.message(*id).unwrap().said {
        Said::Question(text) => text.clone(),
        Said::Answer(answer) => answer.text.clone(),
    };
    transcript.path().iter().map(words).collect()
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.into(),
        ..Answer::default()
    }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn an_answer_given_anew_keeps_the_old_one() {
    let mut transcript = Transcript::default();
    let question = transcript.ask("q", NOW).unwrap();
    let old = transcript.answer(question, answer("old"), NOW).unwrap();
    transcript.ask("on", NOW).unwrap();
    let new = transcript.answer(question, answer("new"), NOW).unwrap();
    assert_eq!(said(&transcript), ["q", "new"]);
    assert_eq!(transcript.branch(new), Some(Branch { index: 1, count: 2 }));
    transcript.choose(new, 0);
    assert_eq!(
        said(&transcript),
        ["q", "old", "on"],
        "what followed the old one is there again"
    );
    assert_eq!(transcript.branch(old), Some(Branch { index: 0, count: 2 }));
}

#[test]
fn the_first_question_can_be_edited() {
    let mut transcript = Transcript::default();
    let first = transcript.ask("one", NOW).unwrap();
    transcript.answer(first, answer("1"), NOW).unwrap();
    let second = transcript.edit(first, "two", NOW).unwrap();
    assert_eq!(said(&transcript), ["two"]);
    transcript.answer(second, answer("2"), NOW).unwrap();
    transcript.choose(second, 0);
    assert_eq!(said(&transcript), ["one", "1"]);
}

#[test]
fn a_message_off_the_path_can_be_shown() {
    let mut transcript = Transcript::default();
    let question = transcript.ask("q", NOW).unwrap();
    transcript.answer(question, answer("old"), NOW).unwrap();
    let deep = transcript.ask("deep", NOW).unwrap();
    transcript.edit(question, "other", NOW).unwrap();
    transcript.show(deep);
    assert_eq!(said(&transcript), ["q", "old", "deep"]);
}

#[test]
fn questions_and_answers_take_turns() {
    let mut transcript = Transcript::default();
    let question = transcript.ask("q", NOW).unwrap();
    assert_eq!(transcript.ask("again", NOW), Err(TranscriptError::WrongKind));
    let reply = transcript.answer(question, answer("a"), NOW).unwrap();
    assert_eq!(
        transcript.answer(reply, answer("b"), NOW),
        Err(TranscriptError::WrongKind)
    );
    assert_eq!(transcript.edit(reply, "c", NOW), Err(TranscriptError::WrongKind));
    assert_eq!(
        transcript.edit(MessageId(99), "c", NOW),
        Err(TranscriptError::Unknown)
    );
}

#[test]
fn it_is_bounded() {
    let mut transcript = Transcript::default();
    let question = transcript.ask("q", NOW).unwrap();
    for _ in 1..MAXIMUM_MESSAGES {
        transcript.answer(question, Answer::default(), NOW).unwrap();
    }
    assert_eq!(
        transcript.answer(question, Answer::default(), NOW),
        Err(TranscriptError::Full)
    );
}

#[test]
fn a_file_that_points_in_circles_is_not_believed() {
    let mut transcript = Transcript::default();
    let question = transcript.ask("q", NOW).unwrap();
    transcript.answer(question, answer("a"), NOW).unwrap();
    let good = serde_json::to_value(&transcript).unwrap();
    for (pointer, value) in [
        ("/messages/0/children/0", 0),
        ("/messages/0/children/0", 7),
        ("/messages/1/parent", 1),
        ("/roots/0", 1),
        ("/roots/0", 9),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value.into();
        let bad: Transcript = serde_json::from_value(bad).unwrap();
        assert!(!bad.is_sound(), "{pointer} = {value}");
    }
    assert!(serde_json::from_value::<Transcript>(good).unwrap().is_sound());
}

#[derive(Debug, Clone)]
enum Deed {
    Ask,
    Answer(u32),
    Edit(u32),
    Choose(u32, usize),
    Show(u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Ask),
        3 => (0u32..20).prop_map(Deed::Answer),
        1 => (0u32..20).prop_map(Deed::Edit),
        1 => (0u32..20, 0usize..4).prop_map(|(id, index)| Deed::Choose(id, index)),
        1 => (0u32..20).prop_map(Deed::Show),
    ]
}

proptest! {
    #[test]
    fn whatever_one_does_nothing_is_lost_and_everything_holds(deeds in prop::collection::vec(deed(), 0..60)) {
        let mut transcript = Transcript::default();
        for deed in deeds {
            let before = transcript.len();
            let added = match deed {
                Deed::Ask => transcript.ask("q", NOW).ok(),
                Deed::Answer(id) => transcript.answer(MessageId(id), answer("a"), NOW).ok(),
                Deed::Edit(id) => transcript.edit(MessageId(id), "e", NOW).ok(),
                Deed::Choose(id, index) => {
                    transcript.choose(MessageId(id), index);
                    None
                }
                Deed::Show(id) => {
                    transcript.show(MessageId(id));
                    if (id as usize) < transcript.len() {
                        prop_assert!(transcript.path().contains(&MessageId(id)));
                    }
                    None
                }
            };
            prop_assert_eq!(transcript.len(), before + usize::from(added.is_some()));
            if let Some(added) = added {
                prop_assert_eq!(transcript.last(), Some(added), "what was said last is read");
            }
            prop_assert!(transcript.is_sound());
            let again: Transcript =
                serde_json::from_str(&serde_json::to_string(&transcript).unwrap()).unwrap();
            prop_assert_eq!(&again, &transcript);
        }
    }
}
