//! The text pane in all that it can be.

use std::rc::Rc;
use std::time::Duration;

use dioxus::prelude::*;
use jiff::Timestamp;
use rbee_keeper::model::chat::*;
use rbee_keeper::panes::text::*;
use rbee_service_kit::reason;

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("empty", empty),
    State::new("loading", loading),
    State::new("worker-failed", worker_failed),
    State::new("worker-gone", worker_gone),
    State::new("queued", queued),
    State::new("thinking", thinking),
    State::new("streaming", streaming),
    State::new("full", full),
    State::new("branches", branches),
    State::new("stopped", stopped),
    State::new("error-context", error_context),
    State::new("error-queue", error_queue),
    State::new("error-crash", error_crash),
    State::new("error-connection", error_connection),
    State::new("right-to-left", right_to_left),
    State::new("cjk", cjk),
    State::new("long-word", long_word),
    State::new("conversations", conversations),
    State::new("search", searching),
    State::new("settings", settings),
    State::new("two-thousand-messages", two_thousand),
    State::new("nearly-full-context", nearly_full),
];

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const MODEL: &str = "Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf";

/// What a good answer of a model looks like, with all that Markdown has.
const ANSWER: &str = include_str!("answer.md");

fn id(text: &str) -> ConversationId {
    ConversationId::new(text).unwrap()
}

fn figures() -> Figures {
    Figures {
        prompt_tokens: Some(312),
        cached_prompt_tokens: Some(290),
        completion_tokens: Some(182),
        queue: Some(Duration::from_millis(2)),
        time_to_first_token: Some(Duration::from_millis(410)),
        prefill_tokens_per_second: Some(240.0),
        decode_tokens_per_second: Some(34.21),
    }
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        ending: Some(Ending::Whole),
        figures: figures(),
        ..Answer::asked(MODEL)
    }
}

fn conversation(turns: &[(&str, Answer)]) -> Conversation {
    let mut conversation = Conversation::new(id("c1"), MODEL, NOW);
    for (question, answer) in turns {
        let question = conversation.transcript.ask(*question, NOW).unwrap();
        conversation
            .transcript
            .answer(question, answer.clone(), NOW)
            .unwrap();
    }
    conversation
}

fn state(conversation: Conversation) -> PaneState {
    PaneState {
        model: "Qwen3-4B".to_owned(),
        readiness: Readiness::Ready,
        meter: ContextMeter {
            used: conversation.measured_tokens(),
            limit: Some(4096),
        },
        conversation: Rc::new(conversation),
        draft: String::new(),
        defaults: SamplingDefaults::default(),
        rows: Vec::new(),
        query: String::new(),
        found: Vec::new(),
        shown: None,
        list_open: false,
        settings_open: false,
    }
}

fn draw(state: PaneState) -> Element {
    rsx! { TextView { state, onevent: |_| {} } }
}

/// A conversation in which an answer comes, of which these events have arrived.
fn draw_live(question: &str, events: Vec<AnswerEvent>) -> Element {
    let mut conversation = conversation(&[]);
    let question = conversation.transcript.ask(question, NOW).unwrap();
    let message = conversation
        .transcript
        .answer(question, Answer::asked(MODEL), NOW)
        .unwrap();
    let live = use_signal(|| {
        let mut live = LiveAnswer::asked(message, MODEL);
        for (event, second) in events.into_iter().zip(1..) {
            live.apply(event, Duration::from_secs(second));
            live.frame(Duration::from_secs(second) + Duration::from_millis(300));
        }
        live
    });
    rsx! { TextView { state: state(conversation), live: ReadSignal::from(live), onevent: |_| {} } }
}

fn started() -> AnswerEvent {
    AnswerEvent::Started {
        prompt_tokens: 312,
        seed: 7,
        dropped_messages: 0,
    }
}

fn empty() -> Element {
    draw(state(conversation(&[])))
}

fn loading() -> Element {
    draw(PaneState {
        readiness: Readiness::Coming("loading".to_owned()),
        draft: "I write already".to_owned(),
        ..state(conversation(&[]))
    })
}

fn worker_failed() -> Element {
    draw(PaneState {
        readiness: Readiness::Failed,
        ..state(conversation(&[("Are you there?", answer("Yes."))]))
    })
}

fn worker_gone() -> Element {
    draw(PaneState {
        readiness: Readiness::Gone,
        ..state(conversation(&[("Are you there?", answer("Yes."))]))
    })
}

fn queued() -> Element {
    draw_live("How do I count words?", vec![])
}

fn thinking() -> Element {
    let thought = AnswerEvent::Reasoning {
        text: "The person wants to count words.\nA map will do.".to_owned(),
        completion_tokens: 12,
    };
    draw_live("How do I count words?", vec![started(), thought])
}

fn streaming() -> Element {
    let text = |text: &str, completion_tokens| AnswerEvent::Text {
        text: text.to_owned(),
        completion_tokens,
    };
    let (first, rest) = ANSWER.split_at(330);
    let second = &rest[..40];
    draw_live(
        "How do I count words?",
        vec![started(), text(first, 90), text(second, 104)],
    )
}

fn full() -> Element {
    let thoughtful = Answer {
        reasoning: "They ask for a second way.".to_owned(),
        ..answer("A sorted vector, as above: `sort_unstable` and `dedup_by`.")
    };
    draw(state(conversation(&[
        ("How do I count words?\nIn Rust, please.", answer(ANSWER)),
        ("And the second way?", thoughtful),
    ])))
}

fn branches() -> Element {
    let mut conversation = conversation(&[("Tell me a joke", answer("Knock, knock."))]);
    let first = conversation.transcript.path()[0];
    let again = conversation
        .transcript
        .edit(first, "Tell me a *short* joke", NOW)
        .unwrap();
    conversation.transcript.answer(again, answer("No."), NOW).unwrap();
    conversation.transcript.answer(again, answer("Ha."), NOW).unwrap();
    draw(state(conversation))
}

fn stopped() -> Element {
    let ended = |text: &str, ending| Answer {
        ending: Some(ending),
        ..answer(text)
    };
    draw(state(conversation(&[
        (
            "Count to a million",
            ended("One, two, three, four,", Ending::Stopped),
        ),
        ("Go on", ended("five, six, seven,", Ending::Length)),
    ])))
}

fn broken(text: &str, trouble: Trouble) -> Element {
    let broken = Answer {
        ending: Some(Ending::Failed { trouble }),
        ..Answer::asked(MODEL)
    };
    let broken = Answer {
        text: text.to_owned(),
        ..broken
    };
    draw(state(conversation(&[("How do I count words?", broken)])))
}

fn error_context() -> Element {
    let trouble = Trouble {
        detail: Some("The conversation is 812 tokens too long.".to_owned()),
        ..Trouble::because(
            reason::CONTEXT_OVERFLOW,
            "The conversation is longer than the worker has room for.",
        )
    };
    broken("", trouble)
}

fn error_queue() -> Element {
    let trouble = Trouble {
        retry_after: Some(Duration::from_secs(2)),
        ..Trouble::because(reason::QUEUE_FULL, "The worker has as many requests as it takes.")
    };
    broken("", trouble)
}

fn error_crash() -> Element {
    let trouble = Trouble::because(reason::WORKER_EXITED, "The worker's process ended.");
    broken("Two ways, and **when to", trouble)
}

fn error_connection() -> Element {
    let trouble = Trouble {
        detail: Some("connection reset by peer".to_owned()),
        ..Trouble::new("The connection to the cluster broke.")
    };
    broken("Two ways", trouble)
}

fn right_to_left() -> Element {
    draw(state(conversation(&[
        (
            "כיצד סופרים מילים ב־Rust?",
            answer(
                "שתי דרכים:\n\n1. `HashMap` כאשר הסדר אינו חשוב.\n2. וקטור **ממוין**.\n\n> ציטוט\n\n```rust\nlet x = 1;\n```\n",
            ),
        ),
        ("وبالعربية؟", answer("نعم، **هذا** ممكن أيضًا: استخدم `HashMap`.")),
    ])))
}

fn cjk() -> Element {
    draw(state(conversation(&[
        (
            "単語の数え方を教えてください。",
            answer(
                "二つの方法があります：\n\n- `HashMap`を使う方法\n- **整列済み**のベクタを使う方法\n\n## 表\n\n|方法|速さ|\n|---|---:|\n|一|速い|\n",
            ),
        ),
        (
            "中文也可以吗？",
            answer(
                "当然可以。这是一个很长的句子，用来检查没有空格的文字在窗口边缘是否会正确换行，而不会超出面板的宽度。",
            ),
        ),
        ("한국어는?", answer("네, 가능합니다.")),
    ])))
}

const LONG: &str = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";

fn long_word() -> Element {
    let word = LONG.repeat(4);
    let code = format!("```\n{word}{word}\n```\n\n`{word}` and {word}\n\n|{word}|b|\n|-|-|\n|{word}|2|\n");
    let mut state = state(conversation(&[(&word, answer(&code))]));
    state.model = word.clone();
    state.draft = word;
    state.list_open = true;
    state.rows = rows(2);
    state.rows[0].name = LONG.repeat(3);
    draw(state)
}

fn rows(count: usize) -> Vec<Row> {
    let names = [
        "How do I count words?",
        "Letter to the landlord",
        "夕食のレシピ",
        "A name for a boat",
        "What happened in 1815",
    ];
    (0..count)
        .map(|index| Row {
            id: id(&format!("c{}", index + 1)),
            name: names[index % names.len()].to_owned(),
            model: "Qwen3-4B".to_owned(),
            when: format!("{} h ago", index + 1),
            speaking: index == 1,
        })
        .collect()
}

fn conversations() -> Element {
    draw(PaneState {
        rows: rows(9),
        list_open: true,
        ..state(conversation(&[("How do I count words?", answer("With a map."))]))
    })
}

fn searching() -> Element {
    let mut library = Library::default();
    library.load([conversation(&[("How do I count words?", answer(ANSWER))])]);
    draw(PaneState {
        found: search(&library, "words"),
        query: "words".to_owned(),
        list_open: true,
        ..state(conversation(&[("How do I count words?", answer("With a map."))]))
    })
}

fn settings() -> Element {
    let mut conversation = conversation(&[("How do I count words?", answer("With a map."))]);
    conversation.system = "Answer in one sentence.".to_owned();
    conversation.sampling.temperature = Some(0.2);
    conversation.sampling.seed = Some(7);
    draw(PaneState {
        settings_open: true,
        ..state(conversation)
    })
}

fn two_thousand() -> Element {
    let turns: Vec<(String, Answer)> = (0..1000)
        .map(|index| (format!("Question {index}"), answer(&format!("Answer {index}"))))
        .collect();
    let turns: Vec<(&str, Answer)> = turns
        .iter()
        .map(|(question, answer)| (question.as_str(), answer.clone()))
        .collect();
    draw(state(conversation(&turns)))
}

fn nearly_full() -> Element {
    draw(PaneState {
        meter: ContextMeter {
            used: Some(3900),
            limit: Some(4096),
        },
        draft: "One more thing:\nwhat about\nthree lines?".to_owned(),
        ..state(conversation(&[("How do I count words?", answer("With a map."))]))
    })
}
