//! The real window on a screen without hardware, with a real cluster: what a person does first, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says no by panicking"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "programs that draw pictures use other parts of it"
)]
#[path = "window/cluster.rs"]
mod cluster;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "programs that draw pictures use other parts of it"
)]
#[path = "window/keeper.rs"]
mod keeper;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "programs that draw pictures use other parts of it"
)]
#[path = "window/screen.rs"]
mod screen;

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::Cluster;
use keeper::{Keeper, PATIENCE, Start};
use screen::Screen;

const WINDOW: &str = env!("CARGO_BIN_EXE_rbee-keeper");
const TEXT: &str = ".pane[data-kind=text]:not([hidden])";
const IMAGE: &str = ".pane[data-kind=image]:not([hidden])";

fn open<'a>(screen: &'a Screen, folder: &Path, server: Option<&str>) -> Keeper<'a> {
    let start = Start {
        program: Path::new(WINDOW),
        folder,
        server,
        size: (1360, 860),
    };
    Keeper::start(screen, start)
}

/// Tokens of the answer that comes, as the window says.
fn tokens(keeper: &mut Keeper<'_>) -> Option<u32> {
    let words = keeper.text(&format!("{TEXT} .turn__figures"));
    let count = words.split(" · ").find_map(|one| one.strip_suffix(" tokens"))?;
    count.parse().ok()
}

/// The step of the picture that is made, and of how many.
fn step(keeper: &mut Keeper<'_>) -> Option<(u32, u32)> {
    let words = keeper.text(&format!("{IMAGE} .image-run__words"));
    let (step, total) = words
        .lines()
        .find_map(|line| line.strip_prefix("Step ")?.split_once(" of "))?;
    Some((step.parse().ok()?, total.trim().parse().ok()?))
}

/// Writes a prompt and sends it, as soon as that is possible.
fn ask(keeper: &mut Keeper<'_>, prompt: &str) {
    let send = format!("{TEXT} button[aria-label=Send]");
    keeper.wait_until("there is where to write", |it| {
        it.count(&format!("{TEXT} .composer__input")) == 1
    });
    keeper.write(&format!("{TEXT} .composer__input"), prompt);
    keeper.wait_until("it can be sent", |it| {
        it.count(&format!("{send}:not([disabled])")) == 1
    });
    keeper.click(&send);
}

/// Both panes, side by side.
fn wait_for_split(keeper: &mut Keeper<'_>) -> ([f64; 4], [f64; 4]) {
    keeper.wait_until("both panes are seen", |it| {
        it.count(TEXT) == 1 && it.count(IMAGE) == 1
    });
    (keeper.area(TEXT), keeper.area(IMAGE))
}

#[test]
fn text_and_picture_at_once_one_is_stopped_and_the_layout_comes_back() {
    let screen = Screen::start(1400, 900);
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&[]);
    let speaker = cluster.spawn_speaker(20_000, 25);
    cluster.spawn_painter();

    // With the second worker the split screen comes by itself.
    let mut keeper = open(&screen, folder.path(), Some(cluster.address()));
    let (text, image) = wait_for_split(&mut keeper);
    assert!(
        (text[1] - image[1]).abs() < 2.0 && (text[2] - image[2]).abs() < 10.0,
        "side by side and alike: {text:?}, {image:?}"
    );
    assert_eq!(keeper.count(".strip__tab"), 2);

    // A prompt is typed, and tokens appear.
    ask(&mut keeper, "Tell me about bees.");
    keeper.wait_until("the question is shown", |it| {
        it.text(".turn__question") == "Tell me about bees."
    });
    keeper.wait_until("the answer begins", |it| {
        it.text(&format!("{TEXT} .turn[data-by=model]"))
            .contains("1 2 3 4 5")
    });

    let written = format!("return document.querySelector('{TEXT} .composer__input').value");
    keeper.wait_until("there is room for the next question", |it| {
        it.eval(&written) == ""
    });

    // A picture is begun meanwhile.
    keeper.wait_until("the worker says what it can do", |it| {
        it.count(&format!("{IMAGE} .slider__range")) > 0
    });
    let steps = keeper.labelled("Steps");
    let most = keeper.attribute(&steps, "max").expect("a slider has an end");
    keeper.write(&steps, &most);
    keeper.write(&format!("{IMAGE} .image-composer__prompt"), "a bee on a flower");
    let paint = format!("{IMAGE} .image-composer button[type=submit]:not([disabled])");
    keeper.wait_until("it can be painted", |it| it.count(&paint) == 1);
    keeper.click(&paint);

    // Both go on within the same moments.
    let (words, (steps, total)) =
        keeper.wait_for("a step beside the tokens", |it| Some((tokens(it)?, step(it)?)));
    assert_eq!(total.to_string(), most);
    let preview = format!("{IMAGE} .image-run__preview");
    let first = keeper.wait_for("a preview", |it| it.attribute(&preview, "src"));
    let both = keeper.wait_for("more of both", |it| {
        let now = (tokens(it)?, step(it)?.0);
        (now.0 > words && now.1 > steps).then_some(now)
    });
    assert!(both.1 <= total);
    keeper.wait_until("the preview changes", |it| {
        it.attribute(&preview, "src")
            .is_some_and(|address| address != first)
    });

    // One is stopped; the other goes on.
    let (_, before) = (tokens(&mut keeper), step(&mut keeper));
    keeper.click(&format!("{TEXT} button[aria-label=Stop]"));
    keeper.wait_until("the answer has stopped", |it| {
        it.text(TEXT).contains("You stopped this answer.")
    });
    let shown = keeper.text(&format!("{TEXT} .turn[data-by=model]"));
    let deadline = Instant::now() + PATIENCE;
    while cluster.worker(&speaker)["info"]["load"]["running_requests"] != 0 {
        assert!(
            Instant::now() < deadline,
            "the worker goes on with what nobody reads"
        );
    }
    let before = before.expect("it is being painted").0;
    keeper.wait_until("the picture goes on, or is done", |it| {
        step(it).is_none_or(|(now, _)| now > before)
    });
    assert_eq!(
        keeper.text(&format!("{TEXT} .turn[data-by=model]")),
        shown,
        "no word comes after a stop"
    );

    // The line between the panes is moved, and the window closed at once.
    let [left, top, width, height] = keeper.area(".grid");
    keeper.drag(".grid__line .splitter", (left + 0.3 * width, top + 0.5 * height));
    keeper.wait_until("the line has moved", |it| {
        (it.area(TEXT)[2] / width - 0.3).abs() < 0.05 || (it.area(IMAGE)[2] / width - 0.3).abs() < 0.05
    });
    let (text, image) = (keeper.area(TEXT), keeper.area(IMAGE));
    assert!(keeper.close().success());

    // The next start finds all of it, and the server, too.
    let mut keeper = open(&screen, folder.path(), None);
    wait_for_split(&mut keeper);
    keeper.wait_until("panes lie as they did", |it| {
        let same =
            |now: [f64; 4], then: [f64; 4]| now.iter().zip(then).all(|(now, then)| (now - then).abs() < 2.0);
        same(it.area(TEXT), text) && same(it.area(IMAGE), image)
    });
    keeper.wait_until("the conversation is there", |it| {
        it.text(TEXT).contains("Tell me about bees.")
    });
    assert!(keeper.text(TEXT).contains("1 2 3 4 5"));

    // It is deleted by mistake, and put back.
    keeper.click(&format!("{TEXT} button[aria-label=Conversations]"));
    let rows = format!("{TEXT} .conversations");
    keeper.wait_until("it is listed", |it| {
        it.text(&rows).contains("Tell me about bees.")
    });
    keeper.click(&format!("{TEXT} .conversations__delete button"));
    keeper.wait_until("it is gone", |it| !it.text(TEXT).contains("Tell me about bees."));
    keeper.press(".toasts", "Undo");
    keeper.wait_until("it is back", |it| it.text(&rows).contains("Tell me about bees."));

    // A tab is closed: the other pane has the window, and the worker goes on.
    keeper.click(".strip__tab[data-kind=text] .strip__close");
    keeper.wait_until("one pane fills the window", |it| {
        it.count(".strip__tab") == 1 && it.count(TEXT) == 0 && (it.area(IMAGE)[2] - width).abs() < 4.0
    });
    assert!(keeper.close().success());
    let mut keeper = open(&screen, folder.path(), None);
    keeper.wait_until("the pane is there", |it| it.count(IMAGE) == 1);
    assert_eq!((keeper.count(".strip__tab"), keeper.count(TEXT)), (1, 0));
    assert_eq!(cluster.worker(&speaker)["state"], "ready");
    // It can be had again.
    keeper.keys(&["Control", "Shift", "T"]);
    keeper.wait_until("the tab is back", |it| it.count(".strip__tab") == 2);
}

#[test]
fn without_a_cluster_the_first_start_shows_what_to_do() {
    if let Ok(address) = "127.0.0.1:7220".parse() {
        assert!(
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err(),
            "a cluster runs on this machine at its usual address: this test is about a machine without one"
        );
    }
    let screen = Screen::start(1400, 900);
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = open(&screen, folder.path(), None);
    keeper.wait_until("it offers to start one", |it| {
        it.text(".start").contains("None runs on this machine. Start one")
            && it.text(".start").contains("Start it here")
    });
    assert_eq!((keeper.count(".strip__tab"), keeper.count(".banner")), (0, 0));
    assert!(
        keeper.count(".start__step[data-state=later]") >= 1,
        "one thing after the other"
    );
    assert!(keeper.close().success());
}

#[test]
fn a_lost_cluster_is_said_and_all_comes_back_with_it() {
    let screen = Screen::start(1400, 900);
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(&[]);
    cluster.spawn_speaker(20_000, 25);
    let mut keeper = open(&screen, folder.path(), Some(cluster.address()));
    ask(&mut keeper, "Tell me about bees.");
    keeper.wait_until("the answer begins", |it| {
        it.text(&format!("{TEXT} .turn[data-by=model]")).contains("1 2 3")
    });

    cluster.kill();
    keeper.wait_until("it says that the connection is lost", |it| {
        it.text(".banner[data-state=lost]")
            .contains("The connection to the cluster is lost")
    });
    keeper.wait_until("the answer says that it broke", |it| {
        it.count(&format!("{TEXT} .turn__trouble")) == 1
    });
    assert!(keeper.text(TEXT).contains("1 2 3"), "what had come stays");
    assert_eq!(keeper.count(".strip__tab"), 1);

    cluster.start_again();
    keeper.wait_until("the banner is gone", |it| it.count(".banner") == 0);
    // The hive starts the worker again, and the answer is asked for again in its place.
    let again = format!("{TEXT} .turn__trouble button:not([disabled])");
    keeper.wait_until("it can be tried again", |it| it.count(&again) > 0);
    keeper.wait_until("a new answer comes", |it| {
        if it.count(&again) > 0 {
            it.press(&format!("{TEXT} .turn__trouble"), "Try again");
        }
        it.count(&format!("{TEXT} .turn__trouble")) == 0 && tokens(it).is_some_and(|tokens| tokens > 3)
    });
}
