//! How smoothly the window draws: frames of an idle page, of both panes while they stream, and of a long conversation
//! that is scrolled; its first paint, and what it takes of processor and memory. `cargo xtask bench keeper` runs it.
//!
//! The cluster is made up, in this process, so that no model is measured beside the window. Frames are counted in the
//! window by `requestAnimationFrame`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that does not succeed is none"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/cluster.rs"]
mod cluster;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/keeper.rs"]
mod keeper;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "pictures of the window use other parts of it"
)]
mod made_up;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
mod measured;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/screen.rs"]
mod screen;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use jiff::Timestamp;
use keeper::{Keeper, Start};
use made_up::{MadeUp, Pace};
use measured::{Frames, Usage};
use rbee_keeper::client::archive::Archive;
use rbee_keeper::model::chat::{Answer, AnswerEvent, Conversation, ConversationId, Ending, Figures};
use screen::Screen;
use serde_json::{Value, json};

#[derive(Debug, Parser)]
struct Arguments {
    /// The window's program.
    #[arg(long)]
    keeper: PathBuf,
    /// Where it keeps what is its own for the time of the run.
    #[arg(long)]
    folder: PathBuf,
    /// Minutes that both panes stream.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Messages of the conversation that is scrolled.
    #[arg(long, default_value_t = 2000)]
    messages: usize,
}

/// How long an idle page and a scrolled conversation are measured.
const SPAN: Duration = Duration::from_secs(15);
/// How often is looked whether a new answer must be asked for.
const LOOK: Duration = Duration::from_millis(500);
/// What streaming takes is compared from here on: fonts, styles and caches of a start are not growth.
const SETTLED: Duration = Duration::from_secs(30);

const TEXT: &str = ".pane[data-kind=text]";
const IMAGE: &str = ".pane[data-kind=image]";

fn main() {
    let arguments = Arguments::parse();
    let cluster = MadeUp::start(Pace {
        tokens: 2_000,
        token: Duration::from_millis(5),
        step: Duration::from_millis(100),
    });
    let screen = Screen::start(1400, 900);
    let address = cluster.address();
    let start = |name: &str| {
        let folder = arguments.folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };

    let folder = start("streaming");
    let (mut keeper, first_paint_ms) = open(&screen, &arguments.keeper, &folder, &address);
    eprintln!("idle");
    let idle = Frames::of(&mut keeper, SPAN);
    eprintln!("both panes stream for {} minutes", arguments.minutes);
    let streaming = stream(&mut keeper, Duration::from_secs_f64(arguments.minutes * 60.0));
    drop(keeper);

    eprintln!("a conversation of {} messages is scrolled", arguments.messages);
    let folder = start("scrolling");
    fill(&folder, arguments.messages);
    let (mut keeper, _) = open(&screen, &arguments.keeper, &folder, &address);
    let scrolling = scroll(&mut keeper);
    drop(keeper);

    println!(
        "{}",
        json!({
            "first_paint_ms": first_paint_ms,
            "idle": idle.report(),
            "streaming": streaming,
            "scrolling": scrolling.report(),
            "messages": arguments.messages,
        })
    );
}

/// Opens the window with both panes; and the milliseconds from its start to its first paint.
fn open<'a>(screen: &'a Screen, program: &Path, folder: &Path, server: &str) -> (Keeper<'a>, Option<f64>) {
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
        * 1000.0;
    let start = Start {
        program,
        folder,
        server: Some(server),
        size: (1400, 900),
    };
    let mut keeper = Keeper::start(screen, start);
    keeper.wait_until("both panes are there", |it| {
        it.count(TEXT) == 1 && it.count(IMAGE) == 1
    });
    let painted = keeper.eval(
        "const first = performance.getEntriesByType('paint')[0]; \
         return first ? performance.timeOrigin + first.startTime : null",
    );
    (keeper, painted.as_f64().map(|at| at - begun))
}

/// Keeps both panes busy, and measures the frames and what the window takes.
fn stream(keeper: &mut Keeper<'_>, span: Duration) -> Value {
    let steps = keeper.labelled("Steps");
    keeper.write(&steps, "60");
    keeper.write(
        &format!("{IMAGE} .image-composer__prompt"),
        "hills in the evening sun",
    );
    let feed = |keeper: &mut Keeper<'_>| {
        if keeper.count(&format!("{TEXT} button[aria-label=Stop]")) == 0 {
            keeper.write(
                &format!("{TEXT} .composer__input"),
                "How does a bee find her way home?",
            );
            let send = format!("{TEXT} button[aria-label=Send]:not([disabled])");
            keeper.wait_until("it can be sent", |it| it.count(&send) == 1);
            keeper.click(&send);
        }
        if keeper.count(&format!("{IMAGE} .image-run")) == 0 {
            keeper.click(&format!("{IMAGE} .image-composer button[type=submit]"));
        }
    };
    feed(keeper);
    keeper.wait_until("both stream", |it| {
        it.count(&format!("{TEXT} .turn__figures")) > 0
            && it.count(&format!("{IMAGE} .image-run__preview")) == 1
    });
    let begun = Instant::now();
    let before = Usage::of(keeper.process_id());
    Frames::begin(keeper);
    let (mut settled, mut answers, mut most) = (None, 0_u32, 0);
    while begun.elapsed() < span {
        let stopped = keeper.count(&format!("{TEXT} button[aria-label=Stop]")) == 0;
        answers += u32::from(stopped);
        feed(keeper);
        let now = Usage::of(keeper.process_id());
        most = most.max(now.memory_bytes);
        if begun.elapsed() > SETTLED.min(span / 4) {
            settled.get_or_insert(now.memory_bytes);
        }
        std::thread::sleep(LOOK);
    }
    let frames = Frames::end(keeper);
    let after = Usage::of(keeper.process_id());
    let seconds = begun.elapsed().as_secs_f64();
    let mut report = frames.report();
    report["seconds"] = json!(seconds);
    report["answers"] = json!(answers);
    report["processor_percent"] = json!(100.0 * (after.processor - before.processor).as_secs_f64() / seconds);
    report["memory_bytes"] = json!({
        "settled": settled,
        "most": most,
        "end": after.memory_bytes,
    });
    report
}

/// A conversation with the text worker's model in the window's folder.
fn fill(folder: &Path, messages: usize) {
    let id = ConversationId::new("long").unwrap();
    let mut conversation = Conversation::new(id, made_up::TEXT_MODEL, Timestamp::now());
    for index in 0..messages / 2 {
        let tree = &mut conversation.transcript;
        let question = tree
            .ask(format!("Question {index}: how far is it?"), Timestamp::now())
            .unwrap();
        let mut answer = Answer::asked(made_up::TEXT_MODEL);
        let text = format!(
            "Answer {index}. **About {index} metres**, as `waggle` says:\n\n1. the angle\n2. the length\n\n\
             ```rust\nfn metres(seconds: f64) -> f64 {{ seconds * 1_000.0 }} // {index}\n```\n"
        );
        let at = Duration::from_millis(1);
        answer.apply(
            AnswerEvent::Text {
                text,
                completion_tokens: 40,
            },
            at,
        );
        let ending = AnswerEvent::Finished {
            ending: Ending::Whole,
            figures: Figures::default(),
        };
        answer.apply(ending, at);
        tree.answer(question, answer, Timestamp::now()).unwrap();
    }
    Archive::at(folder.join("conversations"))
        .keep(&conversation)
        .unwrap();
}

/// Scrolls the conversation up and down as a wheel does, and measures the frames.
fn scroll(keeper: &mut Keeper<'_>) -> Frames {
    keeper.wait_until("the conversation is there", |it| {
        it.text(TEXT).contains("Question")
    });
    let script = "const scroller = document.querySelector('.pane[data-kind=text] .transcript__view'); \
         let way = -1; \
         const move = () => { \
           const before = scroller.scrollTop; \
           scroller.dispatchEvent(new WheelEvent('wheel', { deltaY: way * 60 })); \
           scroller.scrollTop += way * 60; \
           if (scroller.scrollTop === before) way = -way; \
           window.rbeeScrolled = (window.rbeeScrolled ?? 0) + Math.abs(scroller.scrollTop - before); \
           requestAnimationFrame(move); \
         }; \
         requestAnimationFrame(move)";
    keeper.eval(script);
    let frames = Frames::of(keeper, SPAN);
    let scrolled = keeper.eval("return window.rbeeScrolled").as_f64().unwrap_or(0.0);
    assert!(scrolled > 5_000.0, "it was scrolled by {scrolled} pixels only");
    frames
}
