//! Pictures through a whole cluster: the real worker, a tiny model of coloured noise, and a text worker beside it.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Cluster, wait_until};
use rbee_testkit::models::fixture;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// A cluster with a ready image worker of `local:noise`.
fn cluster() -> (Cluster, String) {
    common::assert_program_is_built("sd-worker-rbee-cpu");
    let cluster = Cluster::start_tiny(|_| {});
    import(&cluster, "sd/sd15-tiny/model.safetensors", "noise");
    let spawned = cluster
        .rbee(&[
            "worker",
            "spawn",
            "local:noise",
            "--type",
            "cpu-sd",
            "--queue",
            "2",
        ])
        .ok();
    let id = spawned.stdout.trim().to_owned();
    (cluster, id)
}

fn import(cluster: &Cluster, file: &str, name: &str) {
    let file = fixture(file);
    let file = file.to_str().expect("the checkout's path is UTF-8");
    cluster
        .rbee(&["model", "import", file, "--name", name, "--copy"])
        .ok();
}

/// `rbee image` with a small picture, and what else is wanted.
fn image(cluster: &Cluster, output: &str, more: &[&str]) -> Vec<String> {
    let path = cluster.folder().join(output);
    let mut arguments = vec![
        "image".to_owned(),
        "local:noise".to_owned(),
        "a bee on a flower".to_owned(),
        "-o".to_owned(),
        path.to_str().expect("UTF-8").to_owned(),
    ];
    let size = ["--width", "128", "--height", "128", "--steps", "3", "--seed", "7"];
    arguments.extend(size.iter().chain(more).map(ToString::to_string));
    arguments
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn a_picture_is_made_and_says_how() {
    let (cluster, id) = cluster();
    let arguments = image(&cluster, "bee.png", &["--negative", "wasps", "--preview"]);
    let said = cluster.rbee(&words(&arguments)).ok();
    let path = PathBuf::from(said.stdout.trim());
    assert_eq!(path.file_name().expect("a file"), "bee.png");
    let file = fs::read(&path).expect("it was written");
    assert!(file.starts_with(b"\x89PNG"));
    let preview = fs::read(path.with_file_name("bee-preview.png")).expect("it was written too");
    assert!(preview.len() < file.len());
    assert!(!path.with_file_name("bee-part.png").exists());

    let read = common::run({
        let mut command = common::rbee_command();
        command.args(["image", "--read"]).arg(&path);
        command
    })
    .ok();
    assert!(
        read.stdout
            .starts_with("a bee on a flower\nNegative prompt: wasps\nSteps: 3, Sampler: DPM++ 2M, "),
        "{}",
        read.stdout
    );
    let shown = cluster.worker(&id);
    assert_eq!(shown["info"]["sd"]["version"], "v1-5");
    assert_eq!(shown["info"]["load"]["generated_images"], 1);
    let card = cluster.rbee(&["worker", "show", &id]).ok().stdout;
    assert!(
        card.contains("1 pictures, 3 steps") && card.contains("512x512"),
        "{card}"
    );
    cluster.stop();
}

#[test]
fn errors_are_told_as_of_other_commands() {
    let (cluster, _) = cluster();
    let failed = |more: &[&str], code| {
        let mut arguments = image(&cluster, "bee.png", more);
        arguments.push("--json".into());
        cluster.rbee(&words(&arguments)).failed(code)
    };
    assert_eq!(failed(&["--guidance", "99"], 2).reason(), "INVALID_ARGUMENT");
    assert_eq!(failed(&["--lora", "missing"], 4).reason(), "MODEL_NOT_FOUND");
    assert_eq!(failed(&["--lora", "noise"], 5).reason(), "ADD_ON_UNSUITABLE");
    assert!(!cluster.folder().join("bee.png").exists());
    let text = cluster
        .rbee(&words(&image(&cluster, "bee.gif", &[])))
        .failed(2)
        .stderr;
    assert!(text.contains(".gif"), "{text}");
    let empty = cluster.folder().join("empty.png");
    fs::write(&empty, "no picture").expect("writable");
    let read = cluster.rbee(&["image", "--read", empty.to_str().expect("UTF-8")]);
    assert!(read.failed(5).stderr.contains("not a PNG, JPEG or WebP"));
    cluster.stop();
}

#[test]
fn a_lora_is_attached_by_itself_and_stays_over_a_restart() {
    let (cluster, id) = cluster();
    import(&cluster, "sd/sd15-tiny/lora.safetensors", "honey");
    let make = |name: &str, more: &[&str]| {
        let arguments = image(&cluster, name, more);
        let said = cluster.rbee(&words(&arguments)).ok();
        fs::read(said.stdout.trim()).expect("it was written")
    };
    let plain = make("plain.png", &["--without-parameters"]);
    let sweet = make("sweet.png", &["--lora", "honey:0.8", "--without-parameters"]);
    assert_ne!(plain, sweet);
    let add_ons = || cluster.worker(&id)["info"]["sd"]["add_ons"].clone();
    assert_eq!(add_ons(), serde_json::json!(["local:honey"]));
    cluster.rbee(&["worker", "restart", &id]).ok();
    wait_until("it serves again", DEADLINE, || {
        add_ons() == serde_json::json!(["local:honey"])
    });
    assert_eq!(
        make("again.png", &["--lora", "honey:0.8", "--without-parameters"]),
        sweet
    );
    cluster.stop();
}

/// A generation that goes on for a while, and the lines that it says.
struct Long {
    process: Child,
    said: PathBuf,
}

impl Long {
    fn begin(cluster: &Cluster) -> Self {
        let mut arguments = image(cluster, "long.png", &["--json"]);
        for (option, value) in [("--width", "256"), ("--height", "256"), ("--steps", "200")] {
            let at = arguments
                .iter()
                .position(|word| word == option)
                .expect("it is there");
            value.clone_into(&mut arguments[at + 1]);
        }
        let said = cluster.folder().join("long.out");
        let mut command: Command = cluster.command(&words(&arguments));
        command.stdin(Stdio::null());
        command.stdout(fs::File::create(&said).expect("writable"));
        let process = command.spawn().expect("rbee can be started");
        let long = Self { process, said };
        wait_until("the first step", DEADLINE, || long.steps() > 0);
        long
    }

    fn steps(&self) -> usize {
        let said = fs::read_to_string(&self.said).expect("we made it");
        said.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["event"] == "step")
            .count()
    }
}

#[test]
fn a_text_worker_streams_on_while_pictures_are_made() {
    let (cluster, _) = cluster();
    cluster.spawn("local:tiny");
    let mut long = Long::begin(&cluster);
    let before = long.steps();
    for _ in 0..3 {
        let answer = cluster
            .rbee(&[
                "complete",
                "local:tiny",
                "--prompt",
                "bees",
                "--max-tokens",
                "50",
                "--json",
            ])
            .ok();
        assert!(answer.json_lines().last().expect("an answer")["completion_tokens"].as_u64() > Some(0));
    }
    assert!(
        long.process.try_wait().expect("it is our child").is_none(),
        "the picture is not done yet"
    );
    wait_until("steps go on", DEADLINE, || long.steps() > before);
    // All of its steps would take minutes.
    common::processes::signal(long.process.id(), "INT");
    assert_eq!(long.process.wait().expect("it is our child").code(), Some(130));
    cluster.stop();
}

#[test]
fn an_interrupt_stops_the_worker() {
    let (cluster, id) = cluster();
    let mut long = Long::begin(&cluster);
    common::processes::signal(long.process.id(), "INT");
    assert_eq!(long.process.wait().expect("it is our child").code(), Some(130));
    wait_until("the worker is free", DEADLINE, || {
        cluster.worker(&id)["info"]["load"]["running_requests"] == 0
    });
    let shown = cluster.worker(&id);
    assert!(shown["info"]["load"]["denoised_steps"].as_u64() < Some(200));
    assert_eq!(shown["info"]["load"]["generated_images"], 0);
    assert!(!cluster.folder().join("long.png").exists());
    cluster.stop();
}
