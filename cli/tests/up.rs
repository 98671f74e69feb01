//! `rbee up` and the commands that need no worker, on the real thing.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use common::{Cluster, folder, rbee_command, run, up_command, wait_until};
use rbee_testkit::exposition::scrape;
use rbee_testkit::models::fixture;
use serde_json::json;

fn tiny() -> PathBuf {
    fixture("llm/ok/plain.gguf")
}

#[test]
fn a_new_cluster_is_empty_and_says_what_to_do() {
    let cluster = Cluster::start();
    let status = cluster.rbee(&["status", "--json"]).ok().json();
    assert_eq!(status["server"], cluster.address());
    assert_eq!(status["hives"].as_array().unwrap().len(), 1);
    assert_eq!(status["hives"][0]["state"], "ready");
    assert_eq!(status["hives"][0]["devices"][0]["id"], "cpu:0");
    assert_eq!(status["models"], json!([]));
    assert_eq!(status["workers"], json!([]));

    let screen = cluster.rbee(&["status"]).ok().stdout;
    assert!(screen.contains("rbee model import"), "{screen}");
    let health = cluster.rbee(&["health", "--json"]).ok().json();
    assert_eq!(health, json!({ "server": cluster.address(), "ready": true }));
    cluster.rbee(&["health", "rbee.hive.v1.HiveService"]).ok();
    let unknown = cluster.rbee(&["health", "rbee.none.v1.None"]).failed(4);
    assert!(unknown.stderr.contains("rbee.none.v1.None"), "{}", unknown.stderr);
    assert!(screen.contains("cpu:0"), "{screen}");
    assert_eq!(cluster.rbee(&["model", "ls"]).ok().stdout, "");
    cluster.stop();
}

#[test]
fn prometheus_is_answered_where_that_is_configured() {
    let cluster = Cluster::start_with(|command| {
        command.args(["--metrics", "127.0.0.1:0"]);
    });
    let said = fs::read_to_string(cluster.folder().join("up.out")).unwrap();
    let ready: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let url = ready["metrics"].as_str().unwrap();
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/metrics")
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let page = runtime.block_on(scrape(address.parse().unwrap()));
    assert_eq!(page["rbee_hive_registered"].value(&[]), Some(1.0));
    assert_eq!(
        page["rbee_build_info"].value(&[("program", "rbee-up")]),
        Some(1.0)
    );
    assert_eq!(page["rbee_device_info"].value(&[("device", "cpu:0")]), Some(1.0));

    let mut second = up_command(&cluster.folder().join("second"));
    second.args(["--metrics", address]);
    let refused = run(second).failed(5);
    assert!(refused.stderr.contains("--metrics"), "{}", refused.stderr);
    cluster.stop();
}

#[test]
fn who_starts_it_for_a_while_closes_its_input_and_it_leaves() {
    let folder = folder();
    let mut command = up_command(folder.path());
    command.arg("--until-stdin-closes");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut ready = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut ready).unwrap();
    assert!(ready.contains("ready"), "{ready}");
    assert!(
        child.try_wait().unwrap().is_none(),
        "an input that is open is no reason to leave"
    );
    drop(child.stdin.take());
    wait_until("it has left", Duration::from_secs(20), || {
        child.try_wait().unwrap().is_some()
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_model_comes_and_goes() {
    let cluster = Cluster::start();
    let file = tiny();
    let file = file.to_str().unwrap();

    let said = cluster
        .rbee(&["model", "import", file, "--name", "tiny", "--json"])
        .ok();
    let last = said.json_lines().pop().unwrap();
    assert_eq!(last["state"], "succeeded");
    assert_eq!(last["model"]["id"], "local:tiny");

    let list = cluster.rbee(&["model", "ls", "--json"]).ok().json();
    assert_eq!(list[0]["id"], "local:tiny");
    assert_eq!(list[0]["state"], "available");
    assert_eq!(list[0]["compatible_worker_types"][0], "cpu-llm");
    let table = cluster.rbee(&["model", "ls"]).ok().stdout;
    assert!(
        table.starts_with("ID ") && table.contains("local:tiny  available"),
        "{table}"
    );

    let card = cluster.rbee(&["model", "show", "local:tiny"]).ok().stdout;
    assert!(card.contains("plain.gguf") && card.contains("sha256:"), "{card}");
    let jobs = cluster.rbee(&["job", "ls", "--json"]).ok().json();
    assert_eq!(
        jobs.as_array()
            .unwrap()
            .iter()
            .filter(|job| job["kind"] == "import_model")
            .count(),
        1
    );

    // Who can't be asked must have said so before.
    cluster.rbee(&["model", "rm", "local:tiny"]).failed(2);
    assert_eq!(
        cluster.rbee(&["model", "rm", "local:tiny", "--yes"]).ok().stdout,
        "removed local:tiny\n"
    );
    cluster.rbee(&["model", "rm", "local:tiny", "--yes"]).failed(4);
    let said = cluster.rbee(&["model", "show", "local:tiny", "--json"]).failed(4);
    assert_eq!(said.reason(), "MODEL_NOT_FOUND");
    cluster.stop();
}

#[test]
fn what_cannot_be_imported_says_why() {
    let cluster = Cluster::start();
    let said = cluster
        .rbee(&["model", "import", "/no/such.gguf", "--name", "x", "--json"])
        .failed(4);
    assert_eq!(said.reason(), "FILE_NOT_FOUND");

    let corrupt = fixture("llm/bad/magic-wrong.gguf");
    let said = cluster.rbee(&[
        "model",
        "import",
        corrupt.to_str().unwrap(),
        "--name",
        "x",
        "--json",
    ]);
    assert_ne!(said.code, 0);
    assert!(said.reason().starts_with("MODEL_"), "{}", said.reason());
    assert_eq!(cluster.rbee(&["model", "ls", "--json"]).ok().json(), json!([]));
    cluster.stop();
}

#[test]
fn what_happens_is_told() {
    let cluster = Cluster::start();
    cluster.import(&tiny(), "tiny");
    let mut command = cluster.command(&["events", "--json", "--backlog", "100"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    // Kept until the end: what is told meanwhile must have somewhere to go.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let event = lines
        .by_ref()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .find(|event| event["message"].as_str().unwrap().contains("local:tiny"))
        .expect("the stream goes on until it came");
    assert_eq!(event["level"], "info");
    // Ctrl-C is how following ends.
    common::processes::signal(child.id(), "INT");
    assert!(child.wait().unwrap().success());
    cluster.stop();
}

#[test]
fn models_outlive_a_kill() {
    let folder = folder();
    let mut cluster = Cluster::start_in(folder.path(), |_| {});
    cluster.import(&tiny(), "tiny");
    cluster.signal("KILL");
    cluster.wait();

    let cluster = Cluster::start_in(folder.path(), |_| {});
    let list = cluster.rbee(&["model", "ls", "--json"]).ok().json();
    assert_eq!(list[0]["id"], "local:tiny");
    cluster.stop();
}

#[test]
fn both_signals_end_it_with_success() {
    for signal in ["TERM", "INT"] {
        let mut cluster = Cluster::start();
        cluster.signal(signal);
        assert!(cluster.wait().success(), "{signal}: {}", cluster.log());
    }
}

#[test]
fn one_folder_belongs_to_one_cluster() {
    let folder = folder();
    let cluster = Cluster::start_in(folder.path(), |_| {});
    let said = run(up_command(folder.path())).failed(5);
    let message = said.error()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(&format!("process {}", cluster.process_id())),
        "{message}"
    );
    assert!(message.contains(cluster.address()), "{message}");
    cluster.stop();
}

#[test]
fn a_port_in_use_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = folder();
    let mut command = rbee_command();
    command
        .args(["up", "--listen", &address, "--data-dir"])
        .arg(folder.path());
    let said = run(command).failed(5);
    assert!(
        said.stderr.contains(&address) && said.stderr.contains("--listen"),
        "{}",
        said.stderr
    );
}

#[test]
fn beyond_loopback_it_must_be_said_in_so_many_words() {
    let folder = folder();
    let mut command = rbee_command();
    command
        .args(["up", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path());
    let said = run(command).failed(2);
    assert!(said.stderr.contains("allow-insecure"), "{}", said.stderr);
}

#[test]
fn with_a_token_file_only_its_token_is_let_in() {
    let folder = folder();
    let token = folder.path().join("token");
    let cluster = Cluster::start_in(folder.path(), |command| {
        command.arg("--token-file").arg(&token);
    });
    let said = cluster.rbee(&["status", "--json"]).failed(5);
    assert_eq!(said.reason(), "UNAUTHENTICATED");
    cluster
        .rbee(&["status", "--token-file", token.to_str().unwrap()])
        .ok();

    let mut command = cluster.command(&["status"]);
    command.env("RBEE_TOKEN", fs::read_to_string(&token).unwrap());
    run(command).ok();
    cluster.stop();
}

#[test]
fn the_configuration_is_printed_as_it_would_be_used() {
    let folder = folder();
    let file = folder.path().join("rbee.toml");
    fs::write(
        &file,
        "[server]\nlisten = \"127.0.0.1:1111\"\nshutdown_grace = \"3s\"\n",
    )
    .unwrap();
    let mut command = rbee_command();
    command
        .args(["up", "--print-config", "--listen", "127.0.0.1:2222", "--config"])
        .arg(&file);
    let text = run(command).ok().stdout;
    assert!(text.contains("listen = \"127.0.0.1:2222\""), "{text}");
    assert!(text.contains("shutdown_grace = \"3s\""), "{text}");
}

#[test]
fn a_wrong_setting_is_named() {
    let folder = folder();
    let file = folder.path().join("rbee.toml");
    fs::write(&file, "[server]\nlisten_on = \"127.0.0.1:1111\"\n").unwrap();
    let mut command = rbee_command();
    command.args(["up", "--config"]).arg(&file);
    let said = run(command).failed(2);
    assert!(said.stderr.contains("listen_on"), "{}", said.stderr);
}
