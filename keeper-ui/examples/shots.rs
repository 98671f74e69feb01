//! Pictures of the real window in its states, on a screen without hardware. `cargo xtask keeper-shots` runs it.
//!
//! What streams is a made-up cluster, so that there are words to read and hills to see on a machine without a GPU; from the
//! first start to the second worker, models and marketplace it is a real `rbee up` with scripted hubs on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a picture that can't be taken is none"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/cluster.rs"]
mod cluster;
#[allow(unreachable_pub, reason = "a module of a program")]
mod hubs;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/keeper.rs"]
mod keeper;
#[allow(dead_code, unreachable_pub, reason = "measurements use other parts of it")]
mod made_up;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of the window use other parts of it"
)]
#[path = "../tests/window/screen.rs"]
mod screen;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use cluster::Cluster;
use keeper::{Keeper, Start};
use made_up::{MadeUp, Pace};
use screen::Screen;

#[derive(Debug, Parser)]
struct Arguments {
    /// The window's program.
    #[arg(long)]
    keeper: PathBuf,
    /// Where the windows keep what is their own for the time of the run.
    #[arg(long)]
    folder: PathBuf,
    /// Where the pictures go.
    #[arg(long)]
    pictures: PathBuf,
}

const SIZE: (u32, u32) = (1400, 900);
const TEXT: &str = ".pane[data-kind=text]:not([hidden])";
const IMAGE: &str = ".pane[data-kind=image]:not([hidden])";

/// A theme's studio: where windows are opened, and their pictures kept.
struct Studio<'a> {
    screen: &'a Screen,
    arguments: &'a Arguments,
    theme: &'static str,
}

impl<'a> Studio<'a> {
    fn open(&self, scene: &str, server: Option<&str>) -> Keeper<'a> {
        let folder = self.arguments.folder.join(format!("{scene}-{}", self.theme));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = format!("{{\"theme\":\"{}\"}}", self.theme);
        std::fs::write(folder.join("settings.json"), settings).unwrap();
        let start = Start {
            program: &self.arguments.keeper,
            folder: &folder,
            server,
            size: SIZE,
        };
        Keeper::start(self.screen, start)
    }

    /// Takes a picture as soon as nothing moves that only comes and goes.
    fn take(&self, keeper: &mut Keeper<'_>, name: &str) {
        // Nothing has the focus because it was pressed for the picture.
        keeper.eval("document.activeElement?.blur?.()");
        std::thread::sleep(Duration::from_millis(300));
        keeper.wait_until("it has come to rest", |it| {
            let moving = "return document.getAnimations().filter((one) => \
                 one.playState === 'running' && one.effect.getTiming().iterations !== Infinity).length";
            it.eval(moving) == 0
        });
        let file = self.arguments.pictures.join(format!("{name}-{}.png", self.theme));
        keeper.picture(&file);
        println!("{}", file.display());
    }

    fn page(&self, keeper: &mut Keeper<'_>, page: &str) {
        keeper.click(&format!(".bar__page[data-page={page}]"));
        keeper.wait_until("the page is there", |it| {
            it.count(&format!(".bar__page[data-page={page}][aria-current=page]")) == 1
        });
    }
}

fn main() {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.pictures).unwrap();
    let screen = Screen::start(SIZE.0, SIZE.1);
    for theme in ["light", "dark"] {
        let studio = Studio {
            screen: &screen,
            arguments: &arguments,
            theme,
        };
        from_nothing(&studio);
        streaming(&studio);
    }
}

/// From the first start to two workers, with what hubs offer.
fn from_nothing(studio: &Studio<'_>) {
    let mut keeper = studio.open("first", None);
    keeper.wait_until("it has looked around", |it| {
        let text = it.text(".start");
        text.contains("Start it here") || text.contains("Look again") || text.contains("Connected")
    });
    studio.take(&mut keeper, "01-first-start");
    drop(keeper);

    let hubs = hubs::Hubs::start();
    let (hugging_face, civitai) = hubs.addresses();
    let cluster = Cluster::start(&[
        ("HF_ENDPOINT", hugging_face.as_str()),
        ("CIVITAI_BASE_URL", civitai.as_str()),
        ("HF_HOME", "/nonexistent"),
    ]);
    let mut keeper = studio.open("cluster", Some(cluster.address()));
    keeper.wait_until("it is connected", |it| {
        it.text(".start").contains("Start your first worker")
    });
    studio.take(&mut keeper, "02-connected-and-empty");

    studio.page(&mut keeper, "marketplace");
    keeper.wait_until("the hub has answered", |it| it.count(".offer") >= 6);
    studio.take(&mut keeper, "03-marketplace");
    keeper.click(".offer");
    keeper.wait_until("the plan is there", |it| {
        it.count(".details .facts__row") > 2 && it.count(".details .skeleton") == 0
    });
    studio.take(&mut keeper, "04-marketplace-details");

    cluster.rbee(&["model", "pull", hubs::SLOW, "--detach"]);
    cluster.spawn_speaker(400, 30);
    studio.page(&mut keeper, "models");
    keeper.wait_until("a download runs", |it| it.text(".downloads").contains("/s"));
    studio.take(&mut keeper, "05-models-and-a-download");

    keeper.click(".bar__mark");
    keeper.wait_until("one worker fills the window", |it| {
        it.count(TEXT) == 1 && it.count(IMAGE) == 0
    });
    keeper.write(&format!("{TEXT} .composer__input"), "Count for me, please.");
    let send = format!("{TEXT} button[aria-label=Send]:not([disabled])");
    keeper.wait_until("it can be sent", |it| it.count(&send) == 1);
    keeper.click(&send);
    keeper.wait_until("it speaks", |it| it.text(TEXT).contains("1 2 3 4 5 6 7 8 9"));
    studio.take(&mut keeper, "06-one-worker");

    cluster.import_painter();
    keeper.keys(&["Control", "t"]);
    keeper.wait_until("the wizard is there", |it| it.count(".wizard") >= 1);
    studio.take(&mut keeper, "07-spawn-kind");
    keeper.eval(
        "[...document.querySelectorAll('.wizard button')].find((one) => one.innerText.startsWith('Image') || one.innerText.startsWith('Picture'))?.click()",
    );
    std::thread::sleep(Duration::from_millis(800));
    studio.take(&mut keeper, "08-spawn-model");
    keeper.press(".dialog", "Cancel");
    cluster.spawn_imported_painter();
    keeper.wait_until("the second splits the window", |it| {
        it.count(TEXT) == 1 && it.count(IMAGE) == 1
    });
    studio.take(&mut keeper, "09-second-worker");
    studio.page(&mut keeper, "activity");
    studio.take(&mut keeper, "10-activity");
}

/// Both panes at work, and the pages beside them.
fn streaming(studio: &Studio<'_>) {
    let cluster = MadeUp::start(Pace {
        tokens: 1_200,
        token: Duration::from_millis(22),
        step: Duration::from_millis(900),
    });
    let mut keeper = studio.open("streaming", Some(&cluster.address()));
    keeper.wait_until("both panes are there", |it| {
        it.count(TEXT) == 1 && it.count(IMAGE) == 1
    });
    studio.take(&mut keeper, "11-split-and-idle");
    keeper.wait_until("the worker says what it can do", |it| {
        it.count(&format!("{IMAGE} .image-composer button[type=submit]")) == 1
    });
    keeper.write(
        &format!("{IMAGE} .image-composer__prompt"),
        "hills at dusk, low sun, layered mist, wide view",
    );
    let paint = format!("{IMAGE} .image-composer button[type=submit]:not([disabled])");
    keeper.wait_until("it can be painted", |it| it.count(&paint) == 1);
    keeper.write(
        &format!("{TEXT} .composer__input"),
        "How does a bee find her way home?",
    );
    let send = format!("{TEXT} button[aria-label=Send]:not([disabled])");
    keeper.wait_until("it can be sent", |it| it.count(&send) == 1);
    keeper.click(&send);
    keeper.click(&paint);
    keeper.wait_until("there is code, and hills are seen", |it| {
        it.count(&format!("{TEXT} .turn[data-by=model] table")) > 0
            && ["Step 12", "Step 13", "Step 14", "Step 15", "Step 16", "Step 17"]
                .iter()
                .any(|step| it.text(&format!("{IMAGE} .image-run__words")).contains(step))
    });
    studio.take(&mut keeper, "12-both-streaming");
    keeper.wait_until("the picture is done", |it| {
        it.count(&format!("{IMAGE} .image-run")) == 0
    });
    studio.take(&mut keeper, "13-a-picture");
    for (name, page) in [
        ("14-hives", "hives"),
        ("15-workers", "workers"),
        ("16-settings", "settings"),
    ] {
        studio.page(&mut keeper, page);
        std::thread::sleep(Duration::from_millis(1500));
        studio.take(&mut keeper, name);
    }
    keeper.click(".bar__mark");
    keeper.keys(&["Control", "k"]);
    keeper.wait_until("the palette is there", |it| it.count(".palette") >= 1);
    studio.take(&mut keeper, "17-palette");
}
