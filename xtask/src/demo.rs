//! `cargo xtask demo`: a whole cluster on this machine, from nothing to a text worker and an image worker, in the window
//! side by side; or with `--headless` to a streaming answer and a picture that is made at the same time.
//!
//! The demo does what a user would do by hand, with the same programs: `rbee up`, `rbee model import`,
//! `rbee worker spawn`, then `rbee-keeper`, or `rbee image` and `rbee chat`. It works in a folder of its own and leaves
//! nothing behind.

mod cluster;
mod painting;
mod result;
mod window;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use self::cluster::Cluster;
use self::painting::{Painted, Painting};
use self::result::Answer;
use crate::interrupt::{self, Interrupt, Interrupted};
use crate::system::{self, Need};
use crate::workspace::Workspace;
use crate::{fixtures, process};

/// The model's name in the demo's catalog.
const MODEL_NAME: &str = "qwen2.5-coder-0.5b-instruct";
const MODEL_ID: &str = "local:qwen2.5-coder-0.5b-instruct";
/// A small model may talk without end.
const MOST_TOKENS: &str = "300";

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Without the window: ask a question and paint a picture at the same time, and show both in this terminal.
    #[arg(long)]
    headless: bool,
    /// What to ask the model.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "headless",
        default_value = "Write a Rust function that checks whether a number is prime. Answer with the function only."
    )]
    prompt: String,
    /// For scripts: everything else goes to standard error, and the last line of standard output is one JSON object.
    #[arg(long, requires = "headless")]
    json: bool,
    /// Keep the cluster's folder, with its store and its log, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo. Exit status: 0 answered; 1 something failed; 2 wrong use; 130 interrupted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.headless && !window::has_screen(std::env::var_os) {
        eprintln!(
            "cargo xtask demo: there is no screen for the window (neither DISPLAY nor WAYLAND_DISPLAY is set); \
             the same in this terminal: cargo xtask demo --headless"
        );
        return Ok(ExitCode::from(2));
    }
    let mut needs = vec![Need::CCompiler, Need::Pip];
    if !arguments.headless {
        needs.push(Need::Webview);
    }
    system::ensure(&needs)?;
    say("building rbee and its workers (release)");
    let arguments_of_build = [
        "--release",
        "--locked",
        "--package",
        "rbee",
        "--package",
        "llm-worker-rbee",
        "--package",
        "sd-worker-rbee",
    ];
    process::run(workspace.cargo("build").args(arguments_of_build))?;
    if !arguments.headless {
        say("building the window (release)");
        process::run(workspace.cargo("build").args(window::BUILD))?;
    }
    let rbee = workspace.target.join("release/rbee");
    say("getting the model ready (491 MB, fetched once)");
    let model = fixtures::fetch_named(workspace, fixtures::DEMO_MODEL)?;
    // Until here a signal may simply end this process; from here on there is something to clean up.
    let interrupt = Interrupt::listen(interrupt::ALL)?;
    // Beside the fetched model: the import can hard-link it, and /tmp may be in memory.
    let parent = workspace.cache.join("demo");
    fs::create_dir_all(&parent)?;
    let mut folder = tempfile::Builder::new()
        .prefix("")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?;
    folder.disable_cleanup(arguments.keep);
    let models = Models {
        text: model,
        image: workspace.root.join(painting::MODEL),
        picture: workspace.target.join("demo.png"),
    };
    let done = converse(&interrupt, &rbee, &models, folder.path(), arguments);
    if arguments.keep {
        say(&format!("kept: {}", folder.path().display()));
    }
    let answer = done?;
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string(&answer).context("cannot write the result as JSON")?
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What the demo works with.
struct Models {
    text: PathBuf,
    image: PathBuf,
    /// Where the picture goes.
    picture: PathBuf,
}

fn converse(
    interrupt: &Interrupt,
    rbee: &Path,
    models: &Models,
    folder: &Path,
    arguments: &Arguments,
) -> Result<Option<Answer>> {
    say("starting the cluster: rbee up");
    let cluster = Cluster::start(interrupt, rbee, folder)?;
    let outcome = ask(interrupt, &cluster, models, arguments);
    match outcome {
        Ok(answer) => {
            say("stopping the cluster");
            cluster.stop()?;
            say("done: the cluster left cleanly");
            Ok(answer)
        }
        Err(error) => {
            if !error.is::<Interrupted>() {
                eprintln!("the end of the cluster's log:\n{}", cluster.log_tail());
            }
            if let Err(also) = cluster.stop() {
                eprintln!("cargo xtask demo: and then: {also:#}");
            }
            Err(error)
        }
    }
}

fn ask(
    interrupt: &Interrupt,
    cluster: &Cluster,
    models: &Models,
    arguments: &Arguments,
) -> Result<Option<Answer>> {
    say(&format!(
        "the cluster is up at {}; importing the models",
        cluster.address()
    ));
    say(
        "the image model is a tiny one with random weights, which makes coloured noise: a real one cannot be fetched here",
    );
    for (file, name) in [(&models.text, MODEL_NAME), (&models.image, painting::MODEL_NAME)] {
        let mut import = cluster.rbee(["model", "import"]);
        wait(interrupt, import.arg(file).args(["--name", name]))?;
    }
    say("spawning two workers");
    for (id, kind) in [(MODEL_ID, "cpu-llm"), (painting::MODEL_ID, "cpu-sd")] {
        let spawn = ["worker", "spawn", id, "--type", kind, "--device", "cpu:0"];
        wait(interrupt, &mut cluster.rbee(spawn))?;
    }
    if !arguments.headless {
        say("opening the window with both; the demo ends when it is closed");
        window::show(interrupt, cluster)?;
        return Ok(None);
    }
    let painting = Painting::begin(cluster, &models.picture)?;
    let before = painting.steps();
    let answer = match answer(interrupt, cluster, arguments) {
        Ok(answer) => answer,
        Err(error) => {
            painting.give_up();
            return Err(error);
        }
    };
    let beside = painting.steps() - before;
    let painted = painting.finish(interrupt, beside)?;
    tell(&painted);
    Ok(answer.map(|answer| answer.with(painted)))
}

fn tell(painted: &Painted) {
    say(&format!(
        "the picture is done: {} ({} steps, {} of them while the answer was being written)",
        painted.file.display(),
        painted.steps,
        painted.steps_beside_the_answer
    ));
}

/// Asks the text model; the answer goes to standard output, or with `--json` back to the caller.
fn answer(interrupt: &Interrupt, cluster: &Cluster, arguments: &Arguments) -> Result<Option<Answer>> {
    say(&format!("asking: {}", arguments.prompt));
    let prompt = format!("--prompt={}", arguments.prompt);
    let mut chat = cluster.rbee(["chat", MODEL_ID, &prompt, "--max-tokens", MOST_TOKENS]);
    if !arguments.json {
        chat.stdin(Stdio::null());
        let mut child = chat.spawn().context("cannot start rbee chat")?;
        expect_success(&chat, interrupt.wait(&mut child)?)?;
        return Ok(None);
    }
    let mut child = chat
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start rbee chat")?;
    let stdout = child
        .stdout
        .take()
        .expect("standard output was asked for as a pipe");
    let reader = std::thread::spawn(move || io::read_to_string(stdout));
    let status = interrupt.wait(&mut child)?;
    let said = reader
        .join()
        .expect("reading does not panic")
        .context("cannot read from rbee chat")?;
    expect_success(&chat, status)?;
    Answer::from_chat(&said).map(Some)
}

/// Runs a command whose own output is news for the user, not the demo's result.
fn wait(interrupt: &Interrupt, command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .spawn()
        .with_context(|| format!("cannot start {}", process::show(command)))?;
    expect_success(command, interrupt.wait(&mut child)?)
}

fn expect_success(command: &Command, status: std::process::ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{}: {status}", process::show(command));
    }
    Ok(())
}

fn say(text: &str) {
    eprintln!("==> {text}");
}
